# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clones against libvirt's in-memory driver: what they share with their source, what not, and runs that are killed."""

from __future__ import annotations

import re

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import identity, metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, KvmfleetError
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import execute, resource
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance import test_runs
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.test_runs import (
    LAUNCH,
    actions,
)

world, foreign = test_runs.world, test_runs.foreign

SOURCE = dict(LAUNCH, state="stopped", delete_protection=True, autostart=False)
FULL = {"name": "copy01", "clone_from": {"name": "web01"}}
LINKED = {"name": "copy01", "clone_from": {"name": "web01", "mode": "linked"}}


def definition(world, name):
    return _xml.parse(world.conn.lookupByName(name).XMLDesc(2))


def volume(world, target, name="copy01"):
    """(pool, name, base, bytes) of a disk in a guest's definition."""
    path = _xml.get(definition(world, name).find(f"devices/disk/target[@dev='{target}']/.."), "source/@file")
    found = world.conn.storageVolLookupByPath(path)
    base = _xml.parse(found.XMLDesc(0)).findtext("backingStore/path")
    return found.storagePoolLookupByVolume().name(), found.name(), base and base.rpartition("/")[2], found.info()[1]


def in_order(shown):
    """libvirt lists guests by their UUIDs."""
    return sorted(shown[0]), shown[1]


@pytest.mark.parametrize("task", [FULL, LINKED])
def test_a_clone_is_foreseen_made_once_and_then_left_alone(world, task):
    world.run(SOURCE)
    foreseen, before = world.plan(task).describe(), world.show()
    assert world.show() == before
    done = world.run(task)
    assert done.describe() == foreseen
    marked = ["mark_source"] if task is LINKED else []
    assert actions(done) == [*marked, "define", "create_volume", "create_volume", "create_volume", "start"]
    assert actions(world.plan(task)) == []
    linked = task is LINKED
    assert volume(world, "vda")[:3] == ("default", "copy01-vda.qcow2", "web01-vda.qcow2" if linked else None)
    assert volume(world, "vdc")[:3] == ("images", "copy01-vdc.qcow2", "web01-vdc.qcow2" if linked else None)
    assert volume(world, "vda")[3] == 2 * 1024**3
    own, other = (metadata.read(definition(world, name)) for name in ("copy01", "web01"))
    assert (own.tags, own.image, own.delete_protection, own.has_clones) == (("web",), "tiny", False, False)
    assert other.has_clones is linked and other.delete_protection
    assert [found.status for found in own.volumes] == ["ready"] * 3
    world.run({"name": "copy01", "state": "absent"})
    assert world.show()[1] == before[1], "the clone's volumes are its own"


@pytest.mark.parametrize("task", [FULL, LINKED])
def test_the_source_can_be_named_by_its_uuid(world, task):
    world.run(SOURCE)
    uuid = world.conn.lookupByName("web01").UUIDString()
    by_uuid = dict(task, clone_from=dict(task["clone_from"], name=uuid))
    assert world.plan(by_uuid).describe()["actions"] == world.plan(task).describe()["actions"]
    world.run(by_uuid)
    assert actions(world.plan(task)) == [] and metadata.read(definition(world, "web01")).has_clones is (task is LINKED)


def test_a_clone_is_another_guest(world):
    world.run(SOURCE)
    world.run(FULL)
    own, other = definition(world, "copy01"), definition(world, "web01")
    for path in ("uuid", "devices/interface/mac/@address", "name"):
        assert _xml.get(own, path) and _xml.get(own, path) != _xml.get(other, path)
    assert _xml.get(own, "memory") == _xml.get(other, "memory")


# The in-memory driver can't resize what it has copied.
def test_the_task_is_laid_over_what_the_source_has(world):
    world.run(SOURCE)
    task = dict(
        LINKED,
        uuid="8a53e7c5-6f0e-4b5a-9f53-0d8c8f2e2a10",
        memory="128MiB",
        root_disk="3GiB",
        tags=["copy"],
        interfaces=[{"network": "default", "mac": "52:54:00:00:00:77"}],
        disks=[{"target": "vdb", "state": "absent"}, {"target": "vdd", "size": "1GiB"}],
        state="stopped",
    )
    world.run(task)
    own = definition(world, "copy01")
    assert _xml.get(own, "uuid") == task["uuid"] and _xml.get(own, "memory") == str(128 * 1024)
    assert [mac.get("address") for mac in own.findall("devices/interface/mac")] == ["52:54:00:00:00:77"]
    assert [disk.get("dev") for disk in own.findall("devices/disk[@device='disk']/target")] == ["vda", "vdc", "vdd"]
    assert volume(world, "vda")[3] == 3 * 1024**3 and volume(world, "vdd")[2] in (None, "")
    assert metadata.read(own).tags == ("copy",)
    assert actions(world.plan(task)) == []
    assert world.show()[1]["default"].count("copy01-vdb.qcow2") == 0


def test_purge_leaves_out_the_disks_that_are_not_listed(world):
    world.run(SOURCE)
    task = dict(FULL, disks=[{"target": "vda"}], purge=["disks"])
    world.run(task)
    assert [name for names in world.show()[1].values() for name in names if "copy01" in name] == ["copy01-vda.qcow2"]
    assert actions(world.plan(task)) == []


def test_what_a_linked_clone_needs_stays_as_it_is(world):
    world.run(dict(SOURCE, delete_protection=False))
    world.run(LINKED)
    before = world.show()
    sentence = "state: the guest 'web01' can't be started, as that would spoil its linked clone '.*copy01-vda.qcow2'"
    for state in ("running", "paused", "restarted"):
        with pytest.raises(Conflict, match=sentence):
            world.run({"name": "web01", "state": state})
    with pytest.raises(Conflict, match=sentence):
        world.run({"name": "web01", "state": "stopped", "autostart": True})
    with pytest.raises(Conflict, match="the volume 'web01-vda.qcow2' is the base of '.*copy01-vda.qcow2'"):
        world.run({"name": "web01", "state": "absent"})
    assert world.show() == before
    assert actions(world.run({"name": "web01", "state": "stopped", "memory": "96MiB"})) == ["define"]
    world.run({"name": "copy01", "state": "absent"})
    assert actions(world.run({"name": "web01"})) == ["start"]


def test_what_a_linked_clone_needs_may_be_named_by_its_pool(foreign):
    foreign.run({"name": "db01", "adopt": True, "state": "stopped"})
    foreign.run({"name": "copy01", "clone_from": {"name": "db01", "mode": "linked"}})
    with pytest.raises(
        Conflict, match="state: the guest 'db01' can't be started, as that would spoil its linked clone"
    ):
        foreign.run({"name": "db01"})


@pytest.mark.parametrize(
    ("first", "task", "message"),
    [
        ({}, {"clone_from": {"name": "none"}}, "clone_from.name: there is no guest 'none' on this host"),
        ({}, {"clone_from": {"name": "copy01"}}, "clone_from.name: 'copy01' is not allowed; it is the guest itself"),
        ({}, {"image": "tiny"}, "image: 'tiny' is not allowed; clone_from is given, and a clone has the disks of"),
        ({"state": "running"}, {}, "clone_from.name: the guest 'web01' is running; only a stopped guest is cloned"),
        (
            {"autostart": True},
            LINKED,
            "clone_from.mode: the guest 'web01' starts with its host, which would spoil the clone; give it autostart",
        ),
        (
            {"disks": [{"target": "vdx", "source": "/data/x.qcow2"}]},
            {},
            "clone_from.name: the disk vdx of the guest 'web01' is not a volume of an active storage pool, and can't",
        ),
        ({}, {"root_disk": "1GiB"}, "root_disk: '1GiB' is not allowed; the disk vda of 'web01' has 2GiB; disks are"),
        (
            {},
            {"disks": [{"target": "vdb", "image": "tiny"}]},
            "disks[0].image: 'tiny' is not allowed; the disk vdb is copied from 'web01'",
        ),
    ],
)
def test_what_is_refused(world, first, task, message):
    world.run(dict(SOURCE, **first))
    before = world.show()
    with pytest.raises(KvmfleetError, match=re.escape(message)):
        world.run(dict(FULL, **task))
    assert world.show() == before


@pytest.mark.parametrize(
    ("between", "what"),
    [
        ([{"name": "web01", "state": "rescued"}], "is rescued"),
        ([{"name": "web01", "memory": "128MiB", "resize": {"confirm": "manual"}}], "is being resized"),
    ],
)
def test_a_source_that_is_to_be_something_else_again_is_not_cloned(world, between, what):
    for task in [SOURCE, *between]:
        world.run(task)
    world.conn.lookupByName("web01").destroy()
    with pytest.raises(Conflict, match=f"clone_from.name: the guest 'web01' {what}; bring that to its end first"):
        world.plan(FULL)


def test_a_source_that_nobody_manages_is_copied_but_not_linked_to(world):
    disk = (
        "<volume><name>foreign.qcow2</name><capacity>1048576</capacity><target><format type='qcow2'/></target></volume>"
    )
    path = world.conn.storagePoolLookupByName("default").createXML(disk, 0).path()
    world.conn.defineXML(
        f"""<domain type='test'><name>foreign</name><memory>65536</memory><os><type>hvm</type></os><devices>
        <disk type='file'><driver type='qcow2'/><source file='{path}'/><target dev='vda'/></disk></devices></domain>"""
    )
    with pytest.raises(Conflict, match="'foreign' is not managed, so that nothing would keep it from being started"):
        world.plan(dict(LINKED, clone_from={"name": "foreign", "mode": "linked"}))
    world.run(dict(FULL, clone_from={"name": "foreign"}))
    assert metadata.read(definition(world, "copy01")).volumes[0].name == "copy01-vda.qcow2"
    assert metadata.read(definition(world, "foreign")) is None


def test_a_volume_of_somebody_else_is_not_taken_over(world):
    world.run(SOURCE)
    foreign = "<volume><name>copy01-vda.qcow2</name><capacity>1048576</capacity></volume>"
    world.conn.storagePoolLookupByName("default").createXML(foreign, 0)
    with pytest.raises(Conflict, match="clone_from: the volume 'copy01-vda.qcow2' exists in pool 'default'"):
        world.plan(FULL)


def test_a_clone_that_fails_removes_what_it_made_and_can_be_repeated(world, monkeypatch):
    world.run(SOURCE)
    before = world.show()[1]
    with monkeypatch.context() as patch:

        def fail(run, action):
            raise KvmfleetError("the host can't")

        patch.setitem(execute.ACTIONS, "start", fail)
        spec = world.spec(FULL)
        observed = resource.observe(world.conn, spec)
        with pytest.raises(KvmfleetError, match="the host can't"):
            resource.execute(world.conn, spec, observed, resource.plan(spec, observed))
    assert world.show()[1] == before
    with pytest.raises(Conflict, match="did not finish the disk"):
        world.run({"name": "copy01"})
    assert actions(world.run(FULL)) == ["create_volume", "create_volume", "create_volume", "start"]


WHOLE = """<domain type='kvm'><name>web01</name><uuid>8a53e7c5-6f0e-4b5a-9f53-0d8c8f2e2a10</uuid>
<genid>43dc0cf8-809b-4adb-9bea-a9abb5f3d90e</genid>
<os firmware='efi'><type>hvm</type><nvram template='/t.fd'>/var/lib/libvirt/qemu/nvram/web01_VARS.fd</nvram></os>
<sysinfo type='smbios'><system><entry name='uuid'>8a53e7c5-6f0e-4b5a-9f53-0d8c8f2e2a10</entry>
<entry name='serial'>S1</entry></system></sysinfo>
<devices>
<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><target dev='tap-web01'/>
<virtualport type='openvswitch'><parameters interfaceid='8a53e7c5-6f0e-4b5a-9f53-0d8c8f2e2a10'/></virtualport></interface>
<interface type='network'><mac address='52:54:00:00:00:02'/><source network='default'/></interface>
<serial type='pty'><log file='/var/log/libvirt/qemu/web01-serial0.log' append='off'/><target port='0'/></serial>
<serial type='file'><source path='/var/log/console.txt'/></serial>
<console type='pty'><log file='/var/log/libvirt/qemu/web01-serial0.log'/><target type='serial' port='0'/></console>
<channel type='unix'><source mode='bind' path='/run/agents/web01.sock'/><target type='virtio' name='a'/></channel>
<channel type='unix'><source mode='connect' path='/run/shared.sock'/><target type='virtio' name='b'/></channel>
<graphics type='vnc' port='5907' autoport='no' websocket='5707' passwd='geheim'/>
<graphics type='spice' port='-1' autoport='yes'><listen type='socket' socket='/run/web01-spice.sock'/></graphics>
<vsock model='virtio'><cid auto='no' address='7'/></vsock>
</devices></domain>"""


def test_all_that_belongs_to_one_guest_alone_is_new():
    root = identity.of_another(_xml.parse(WHOLE), "copy01", None, [None, "52:54:00:00:00:99"])
    text = _xml.to_text(root)
    assert "web01" not in text and "8a53e7c5" not in text and "43dc0cf8" not in text
    shown = {
        "genid": _xml.get(root, "genid"),
        "nvram": identity.nvram(root),
        "macs": [mac.get("address") for mac in root.findall("devices/interface/mac")],
        "log": [log.get("file") for log in root.findall("devices//log")],
        "paths": [source.get("path") for source in root.findall("devices//source[@path]")],
        "vnc": dict(root.find("devices/graphics[@type='vnc']").attrib),
        "spice": _xml.get(root, "devices/graphics/listen/@socket"),
        "cid": dict(root.find("devices/vsock/cid").attrib),
        "smbios": [entry.get("name") for entry in root.findall("sysinfo/system/entry")],
    }
    assert shown == {
        "genid": "",
        "nvram": "/var/lib/libvirt/qemu/nvram/copy01_VARS.fd",
        "macs": ["52:54:00:00:00:99"],
        "log": ["/var/log/libvirt/qemu/copy01-serial0.log"],
        "paths": ["/var/log/copy01-console.txt", "/run/agents/copy01.sock", "/run/shared.sock"],
        "vnc": {"type": "vnc", "port": "-1", "autoport": "yes", "websocket": "-1", "passwd": "geheim"},
        "spice": "/run/copy01-spice.sock",
        "cid": {"auto": "yes"},
        "smbios": ["serial"],
    }


def test_the_nvram_is_found_where_libvirt_keeps_it_unsaid():
    root = _xml.parse("<domain><name>web01</name><os firmware='efi'><type>hvm</type></os></domain>")
    assert identity.nvram(root) == "/var/lib/libvirt/qemu/nvram/web01_VARS.fd"
    del root.find("os").attrib["firmware"]
    assert identity.nvram(root) is None


def test_the_nvram_is_copied_whole_and_for_its_owner_alone(world, tmp_path):
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import clone
    from ansible_collections.kvmfleet.compute.plugins.module_utils._plan import Action

    directory = tmp_path / "nvram"
    directory.mkdir()
    source, copy = directory / "web01_VARS.fd", directory / "copy01_VARS.fd"
    source.write_bytes(b"keys")
    (directory / "copy01_VARS.fd.partial").write_bytes(b"of a run that was killed")
    run = execute.Run(world.conn, world.spec(FULL), None)
    for _time in range(2):
        clone.PROCEDURE.actions["copy_nvram"](run, Action("copy_nvram", "", (str(source), str(copy))))
        assert copy.read_bytes() == b"keys" and copy.stat().st_mode & 0o777 == 0o600
        assert len(list(directory.iterdir())) == 2


def test_an_nvram_that_was_not_made_for_the_clone_stays_as_it_is(world, tmp_path):
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import clone
    from ansible_collections.kvmfleet.compute.plugins.module_utils._plan import Action

    source, path = tmp_path / "web01_VARS.fd", tmp_path / "copy01_VARS.fd"
    source.write_bytes(b"keys")
    path.write_bytes(b"the only copy of somebody's keys")
    loader = "<loader readonly='yes' type='pflash'>/OVMF_CODE.fd</loader>"
    world.conn.defineXML(
        "<domain type='test'><name>web01</name><memory>65536</memory><os><type>hvm</type>"
        f"{loader}<nvram>{source}</nvram></os></domain>"
    )
    message = f"clone_from: the NVRAM '{path}' exists and was not made for this guest; remove it"
    for _run in range(2):
        with pytest.raises(Conflict, match=re.escape(message)):
            world.run(FULL)
    run = execute.Run(world.conn, world.spec(FULL), None)
    with pytest.raises(Conflict, match=re.escape(message)):
        clone.PROCEDURE.actions["copy_nvram"](run, Action("copy_nvram", "", (str(source), str(path))))
    assert path.read_bytes() == b"the only copy of somebody's keys"


def test_an_nvram_that_can_not_be_put_in_place_leaves_nothing_beside(world, tmp_path):
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import clone
    from ansible_collections.kvmfleet.compute.plugins.module_utils._plan import Action

    source, copy = tmp_path / "web01_VARS.fd", tmp_path / "copy01_VARS.fd"
    source.write_bytes(b"keys")
    copy.mkdir()
    run = execute.Run(world.conn, world.spec(FULL), None)
    with pytest.raises(KvmfleetError, match="copying the NVRAM"):
        clone.PROCEDURE.actions["copy_nvram"](run, Action("copy_nvram", "", (str(source), str(copy))))
    assert list(tmp_path.glob("*.partial")) == []
