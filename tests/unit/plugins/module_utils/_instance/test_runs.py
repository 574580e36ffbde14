# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole runs against libvirt's in-memory driver: idempotence, check mode, failures, and runs that die half-way."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading

import libvirt
import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _journal
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, InvalidInput, KvmfleetError
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import resource
from ansible_collections.kvmfleet.compute.tests.unit.plugins.kill import Killed, killing
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.specs import PARAMETERS, complete
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# libvirt's in-memory driver copies volumes within one pool alone, so the copy is made where the image is.
LAUNCH = {
    "name": "web01",
    "memory": "64MiB",
    "vcpus": "2",
    "image": "tiny",
    "root_disk": "2GiB",
    "disks": [
        {"target": "vdb", "size": "1GiB"},
        {"target": "vdc", "image": "tiny", "image_mode": "copy", "pool": "images"},
        {"device": "cdrom"},
    ],
    "interfaces": [{"network": "default"}],
    "tags": ["web"],
    "autostart": True,
}
IMAGE = """<volume><name>tiny.0123456789ab.qcow2</name><capacity unit='GiB'>1</capacity>
<target><format type='qcow2'/></target></volume>"""

# A volume that was not made for a guest.
VOLUME = """<volume><name>{0}</name><capacity>1048576</capacity><target><format type='qcow2'/></target></volume>"""


@pytest.fixture
def world(test_uri, tmp_path, monkeypatch):
    """A connection to a host of its own, with an image in the store."""
    monkeypatch.setattr(_journal, "DIRECTORY", str(tmp_path / "state"))
    with connect(test_uri) as conn:
        conn.storagePoolLookupByName("images").createXML(IMAGE, 0)
        yield World(conn, test_uri)


class _OutOfReach:
    """libvirt's C library, which one thread can't call."""

    def __init__(self, library):
        self._library = library
        self._thread = threading.current_thread()

    def __getattr__(self, name):
        assert threading.current_thread() is not self._thread, f"a plan is made of what was observed, and asks {name}"
        return getattr(self._library, name)


@contextlib.contextmanager
def no_host():
    """Have whatever asks libvirt fail, while a plan is made."""
    library = libvirt.libvirtmod
    libvirt.libvirtmod = _OutOfReach(library)
    try:
        yield
    finally:
        libvirt.libvirtmod = library


class World:
    def __init__(self, conn, uri):
        self.conn = conn
        self.uri = uri

    def spec(self, params):
        return resource.parse(complete(params, self.uri))

    def plan(self, params):
        return self._planned(params)[2]

    def _planned(self, params):
        spec = self.spec(params)
        observed = resource.observe(self.conn, spec)
        with no_host():
            return spec, observed, resource.plan(spec, observed)

    def run(self, params):
        spec, observed, plan = self._planned(params)
        resource.execute(self.conn, spec, observed, plan)
        return plan

    def show(self):
        """All that a run could have changed, without what libvirt makes up anew each time."""
        domains = [domain for domain in self.conn.listAllDomains() if domain.name() != "test"]
        found = [(d.name(), d.state()[0], d.autostart(), _stable(d.XMLDesc(2))) for d in domains]
        volumes = {p.name(): sorted(p.listVolumes()) for p in self.conn.listAllStoragePools(2)}
        return found, volumes


def _stable(text):
    ends = r"<kvmfleet:(?:applied|resized)[^>]*>[^<]*</kvmfleet:(?:applied|resized)>\s*"
    text = re.sub(rf"<uuid>.*?</uuid>|<mac address=.*?/>| mac=.[0-9a-f:]*.|{ends}", "", text)
    return re.sub(r"testnet\d+", "testnet", text)


def actions(plan):
    return [action.name for action in plan.actions]


def test_launch_once(world):
    foreseen = world.plan(LAUNCH)
    before = world.show()
    assert world.plan(LAUNCH).describe() == foreseen.describe() and world.show() == before, "planning changes nothing"
    done = world.run(LAUNCH)
    assert done.describe() == foreseen.describe()
    assert actions(done) == ["define", "create_volume", "create_volume", "create_volume", "set_autostart", "start"]
    assert actions(world.plan(LAUNCH)) == []
    assert world.show()[1] == {
        "default": ["web01-vda.qcow2", "web01-vdb.qcow2"],
        "images": ["tiny.0123456789ab.qcow2", "web01-vdc.qcow2"],
    }


def test_volumes_are_what_was_asked_for(world):
    world.run(LAUNCH)
    root = world.conn.storagePoolLookupByName("default").storageVolLookupByName("web01-vda.qcow2").XMLDesc(0)
    assert "<capacity unit='bytes'>2147483648</capacity>" in root
    assert "/images/tiny.0123456789ab.qcow2</path>" in root.split("<backingStore>")[1]
    copied = world.conn.storagePoolLookupByName("images").storageVolLookupByName("web01-vdc.qcow2").XMLDesc(0)
    assert "<backingStore>" not in copied and "<capacity unit='bytes'>1073741824</capacity>" in copied


def test_remove_all_that_was_made_and_nothing_else(world):
    before = world.show()
    world.run(LAUNCH)
    volume = world.conn.storagePoolLookupByName("default").createXML(VOLUME.format("foreign.qcow2"), 0)
    world.run({"name": "web01", "state": "absent"})
    assert world.show()[1]["default"] == ["foreign.qcow2"]
    assert actions(world.plan({"name": "web01", "state": "absent"})) == []
    volume.delete(0)
    assert world.show() == before


@pytest.mark.parametrize(("mode", "left"), [("none", 4), ("owned", 1), ("all", 1)])
def test_remove_storage(world, mode, left):
    world.run(LAUNCH)
    world.run({"name": "web01", "state": "absent", "remove_storage": mode})
    assert sum(len(names) for names in world.show()[1].values()) == left, "the image is one of them and stays"


@pytest.mark.parametrize(("mode", "left"), [("owned", ["data.qcow2"]), ("all", [])])
def test_a_volume_that_was_there_before_goes_only_with_all(world, mode, left):
    world.conn.storagePoolLookupByName("default").createXML(VOLUME.format("data.qcow2"), 0)
    world.run({"name": "db01", "memory": "64MiB", "vcpus": "1", "disks": [{"volume": "data.qcow2"}]})
    world.run({"name": "db01", "state": "absent", "remove_storage": mode})
    assert world.show()[1]["default"] == left


# A guest that another tool has made, whose disk is named by pool and volume.
WITH_A_VOLUME = """<domain type='test'><name>db01</name><memory>65536</memory><os><type>hvm</type></os><devices>
<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/><source pool='default' volume='data.qcow2'/>
<target dev='vda' bus='virtio'/></disk></devices></domain>"""


@pytest.fixture
def foreign(world):
    """The world with that guest, and another volume beside its own."""
    for name in ("data.qcow2", "other.qcow2"):
        world.conn.storagePoolLookupByName("default").createXML(VOLUME.format(name), 0)
    world.conn.defineXML(WITH_A_VOLUME)
    return world


def test_a_disk_that_is_named_by_its_pool_has_a_user(foreign):
    with pytest.raises(Conflict, match="'data.qcow2' is in use by the guest 'db01'"):
        foreign.plan(dict(LAUNCH, disks=[{"volume": "data.qcow2"}]))
    foreign.conn.lookupByName("test").destroy()
    foreign.run({"name": "db02", "memory": "64MiB", "vcpus": "1", "disks": [{"volume": "other.qcow2"}]})
    foreign.conn.defineXML(WITH_A_VOLUME.replace("db01", "db03").replace("data.qcow2", "other.qcow2"))
    with pytest.raises(Conflict, match="db03"):
        foreign.plan({"name": "db02", "state": "absent", "remove_storage": "all"})


@pytest.mark.parametrize(("mode", "left"), [("owned", ["data.qcow2", "other.qcow2"]), ("all", ["other.qcow2"])])
def test_a_disk_that_is_named_by_its_pool_is_removed_only_with_all(foreign, mode, left):
    foreign.run({"name": "db01", "state": "absent", "remove_storage": mode})
    assert foreign.show()[1]["default"] == left


def test_a_disk_that_is_named_by_its_pool_is_not_replaced(foreign):
    disk = {"target": "vda", "volume": "data.qcow2"}
    assert "grow_disk" in actions(foreign.plan({"name": "db01", "disks": [dict(disk, size="2MiB")]}))
    with pytest.raises(Conflict, match="the guest has .*data.qcow2' as this disk, not .*other.qcow2'"):
        foreign.plan({"name": "db01", "disks": [{"target": "vda", "volume": "other.qcow2"}]})
    foreign.run({"name": "db01", "disks": [disk]})
    assert actions(foreign.plan({"name": "db01", "disks": [disk]})) == []


def test_a_disk_that_is_named_by_its_pool_is_not_resized_with_a_way_back(foreign):
    foreign.run({"name": "db01", "adopt": True, "state": "stopped"})
    sizes = {"name": "db01", "disks": [{"target": "vda", "size": "2MiB"}], "resize": {"confirm": "manual"}}
    with pytest.raises(Conflict, match="give it in disks with target: vda and its volume"):
        foreign.plan(sizes)
    foreign.run({"name": "db01", "state": "stopped", "disks": [{"target": "vda", "volume": "data.qcow2"}]})
    assert "resize" in actions(foreign.plan(sizes))


def test_a_volume_of_somebody_else_is_not_taken_over(world):
    world.conn.storagePoolLookupByName("default").createXML(VOLUME.format("web01-vda.qcow2"), 0)
    before = world.show()
    with pytest.raises(Conflict, match="'web01-vda.qcow2' exists in pool 'default' and was not made for this guest"):
        world.run(LAUNCH)
    assert world.show() == before


def test_a_disk_grows_and_never_shrinks(world):
    world.run(dict(LAUNCH, state="stopped"))
    with pytest.raises(
        InvalidInput, match=r"disks\[0\].size: '512MiB' is not allowed; the disk vdb has 1GiB; disks are never shrunk"
    ):
        world.run({"name": "web01", "state": "stopped", "disks": [{"target": "vdb", "size": "512MiB"}]})
    grown = world.plan({"name": "web01", "state": "stopped", "disks": [{"target": "vdb", "size": "3GiB"}]})
    assert [action.describe() for action in grown.actions] == [{"action": "grow_disk", "subject": "vdb to 3GiB"}]


def test_a_failed_launch_removes_what_it_made_and_can_be_repeated(world):
    """The second pool goes away between the plan and its execution."""
    other = world.conn.storagePoolDefineXML(
        "<pool type='dir'><name>other</name><target><path>/other</path></target></pool>", 0
    )
    other.create(0)
    params = dict(LAUNCH, disks=[{"target": "vdb", "size": "1GiB", "pool": "other"}])
    spec = world.spec(params)
    observed = resource.observe(world.conn, spec)
    plan = resource.plan(spec, observed)
    other.destroy()
    with pytest.raises(KvmfleetError, match="create volume other/web01-vdb.qcow2"):
        resource.execute(world.conn, spec, observed, plan)
    found, volumes = world.show()
    assert volumes["default"] == [] and [(name, state) for name, state, _a, _x in found] == [("web01", 5)]
    other.create(0)
    again = world.run(params)
    assert actions(again) == ["create_volume", "create_volume", "set_autostart", "start"]
    assert actions(world.plan(params)) == []


def test_an_unfinished_launch_is_not_started_without_its_disks(world):
    with pytest.raises(Killed):
        _killed_after(world, LAUNCH, 1)
    with pytest.raises(Conflict, match="did not finish the disk"):
        world.run({"name": "web01", "state": "running"})


def _killed_after(world, params, count):
    """Run and die after some actions. Raises Killed when there were as many."""
    with killing("after", count):
        world.run(params)


# The journal of the version that knew removals alone, in a file whose name is removal- and the start of a SHA-256.
OLD_REMOVAL = """{"uri": "%s", "name": "web01", "volumes": [\
{"pool": "default", "name": "web01-vda.qcow2", "path": "/var/lib/libvirt/images/web01-vda.qcow2"}, \
{"pool": "images", "name": "web01-vdc.qcow2", "path": "/var/lib/kvmfleet/images/web01-vdc.qcow2"}]}"""


@pytest.mark.parametrize("undefined", [True, False])
def test_a_removal_that_an_earlier_version_began_is_finished(world, tmp_path, undefined):
    world.run(dict(LAUNCH, state="stopped"))
    (tmp_path / "state").mkdir(mode=0o700)
    digest = hashlib.sha256(f"{world.uri}\nweb01".encode()).hexdigest()
    file = tmp_path / "state" / f"removal-{digest[:32]}.json"
    file.write_text(OLD_REMOVAL % world.uri)
    if undefined:
        world.conn.lookupByName("web01").undefine()
    done = world.run({"name": "web01", "state": "absent"})
    assert actions(done)[-3:] == ["delete_volume", "delete_volume", "finish_removal"]
    assert world.show()[1] == {
        "default": ["web01-vdb.qcow2"] if undefined else [],
        "images": ["tiny.0123456789ab.qcow2"],
    }
    assert not file.exists() and actions(world.plan({"name": "web01", "state": "absent"})) == []


# 250 guests of four transitions each.
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            PARAMETERS,
            st.sampled_from(["running", "stopped", "present", "restarted", "paused", "suspended"]),
        ),
        min_size=4,
        max_size=4,
    )
)
def test_random_specs_converge_and_check_mode_foresees_each(world, steps):
    try:
        for params, state in steps:
            # Secure Boot is refused where an earlier step made the guest's NVRAM without keys.
            left_out = ("vnc", "agent", "rng", "cpu", "secure_boot")
            params = {key: value for key, value in params.items() if key not in left_out}
            wanted = dict({"memory": "64MiB", "vcpus": "1"}, **params, name="random", state=state)
            # Else most steps would be refused for the cells of an earlier one, which have another size.
            wanted["numa"] = dict({"cells": []}, **wanted.get("numa", {}))
            before = world.show()
            try:
                foreseen = world.plan(wanted).describe()
            except InvalidInput as exc:
                expected = ("memory to save", "memory could be saved", "filesystems need it to be shared")
                assert any(text in exc.message for text in expected)
                assert world.show() == before
                continue
            assert world.show() == before
            if any(action["action"].endswith("_paused") for action in foreseen["actions"]):
                continue  # libvirt's in-memory driver can't start a guest paused
            assert world.run(wanted).describe() == foreseen
            if state != "restarted":
                assert world.plan(wanted).describe()["actions"] == []
    finally:
        world.run({"name": "random", "state": "absent", "delete_protection": False})
