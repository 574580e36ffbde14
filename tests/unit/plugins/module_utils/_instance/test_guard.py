# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What something else needs is neither written to nor deleted by a run for one guest; libvirt's in-memory driver."""

from __future__ import annotations

import re

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import batch, execute, resource
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import clone
from ansible_collections.kvmfleet.compute.plugins.module_utils._plan import Action
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import uses as _uses
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance import test_runs
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.test_runs import (
    LAUNCH,
    VOLUME,
    Killed,
    actions,
)

world = test_runs.world

STOPPED = dict(LAUNCH, state="stopped", autostart=False)
OTHER = """<domain type='test'><name>other</name><memory>65536</memory><os><type>hvm</type></os><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/><target dev='vda'/>{}</disk></devices></domain>"""


def path_of(world, name, pool="default"):
    return world.conn.storagePoolLookupByName(pool).storageVolLookupByName(name).path()


def give_to_other(world, path, more=""):
    """Have a guest that nobody manages have a path as its disk."""
    return world.conn.defineXML(OTHER.format(path, more))


def add_overlay(world, base, name="overlay.qcow2"):
    backing = f"<backingStore><path>{base}</path><format type='qcow2'/></backingStore></volume>"
    text = VOLUME.format(name).replace("</volume>", backing)
    return world.conn.storagePoolLookupByName("default").createXML(text, 0)


def add_image(world, directory):
    """Put an image into a store of real files; return its path."""
    store, infos = directory / "store", directory / "image-info"
    for made in (store, infos):
        made.mkdir()
    world.conn.storagePoolDefineXML(
        f"<pool type='dir'><name>store</name><target><path>{store}</path></target></pool>", 0
    ).create(0)
    image = store / "base.0123456789ab.qcow2"
    image.write_bytes(b"")
    (infos / f"{image.name}.json").write_text("{}")
    world.conn.storagePoolLookupByName("store").createXML(VOLUME.format(image.name), 0)
    return str(image)


def refused(world, task, message):
    """Assert that a task is refused before anything has changed."""
    before = world.show()
    with pytest.raises(Conflict, match=re.escape(message)):
        world.run(task)
    assert world.show() == before


GROWTHS = {
    "in place": ({"root_disk": "3GiB"}, "root_disk"),
    "by its target": ({"disks": [{"target": "vda", "size": "3GiB"}]}, "disks[0].size"),
    "with a way back": ({"root_disk": "3GiB", "state": "running", "resize": {"confirm": "manual"}}, "root_disk"),
}


@pytest.mark.parametrize("state", ["stopped", "running"])
@pytest.mark.parametrize("way", GROWTHS)
def test_a_disk_that_something_else_needs_does_not_grow(world, state, way):
    world.run(dict(STOPPED, state=state))
    options, option = GROWTHS[way]
    task = dict({"name": "web01", "state": state}, **options)
    message = f"{option}: '3GiB' is not allowed; the disk vda can't grow, since it is"
    path = path_of(world, "web01-vda.qcow2")
    overlay = add_overlay(world, path)
    refused(world, task, f"{message} the base of '{overlay.path()}'")
    overlay.delete(0)
    other = give_to_other(world, path)
    refused(world, task, f"{message} in use by the guest 'other'")
    other.undefine()
    give_to_other(world, path, "<readonly/>")
    grows = "resize" if "resize" in options else "grow_disk"
    assert grows in actions(world.plan(task)), "who only reads it sees what is written anyway"


def test_the_source_of_a_linked_clone_does_not_grow(world):
    world.run(STOPPED)
    world.run({"name": "copy01", "state": "stopped", "clone_from": {"name": "web01", "mode": "linked"}})
    refused(
        world,
        {"name": "web01", "state": "stopped", "disks": [{"target": "vdb", "size": "3GiB"}]},
        f"disks[0].size: '3GiB' is not allowed; the disk vdb can't grow, since it is the base of '{path_of(world, 'copy01-vdb.qcow2')}'",
    )


def test_a_shared_disk_grows(world):
    world.conn.storagePoolLookupByName("default").createXML(VOLUME.format("shared.qcow2"), 0)
    shared = {"target": "vdb", "volume": "shared.qcow2", "shareable": True}
    for name in ("web01", "web02"):
        world.run({"name": name, "memory": "64MiB", "vcpus": "1", "disks": [shared]})
    grown = world.plan({"name": "web01", "disks": [{"target": "vdb", "size": "2MiB"}]})
    assert actions(grown) == ["grow_disk"]


def test_an_image_is_neither_grown_nor_attached_to_be_written_nor_deleted(world, tmp_path):
    image = add_image(world, tmp_path)
    give_to_other(world, image)
    refused(
        world,
        {"name": "other", "state": "stopped", "disks": [{"target": "vda", "size": "1GiB"}]},
        "disks[0].size: '1GiB' is not allowed; the disk vda can't grow, since it is an image of the image store",
    )
    refused(
        world,
        {"name": "other", "state": "absent", "remove_storage": "all"},
        "remove_storage: the volume 'base.0123456789ab.qcow2' is an image of the image store; remove_storage: none",
    )
    world.conn.lookupByName("other").undefine()
    disk = {"target": "vdd", "source": image, "format": "qcow2"}
    refused(
        world, dict(LAUNCH, disks=[disk]), f"disks[0].source: '{image}' is an image of the image store; readonly: true"
    )
    world.run(dict(LAUNCH, disks=[dict(disk, readonly=True)]))


@pytest.mark.parametrize("more", [{}, {"shareable": True}, {"readonly": False}])
def test_the_base_of_an_overlay_is_attached_only_to_be_read(world, more):
    base = world.conn.storagePoolLookupByName("default").createXML(VOLUME.format("base.qcow2"), 0)
    overlay = add_overlay(world, base.path())
    disk = dict({"target": "vdd", "volume": "base.qcow2"}, **more)
    refused(world, dict(LAUNCH, disks=[disk]), f"disks[0].volume: 'base.qcow2' is the base of '{overlay.path()}'; ")
    world.run(dict(LAUNCH, disks=[{"target": "vdd", "volume": "base.qcow2", "readonly": True}]))
    again = dict(LAUNCH, disks=[{"target": "vdd", "volume": "base.qcow2"}, {"target": "vde", "size": "1GiB"}])
    assert "create_volume" in actions(world.plan(again)), "what the guest has already is not judged"
    writable = dict({"target": "vdd", "readonly": False}, **more)
    message = f"disks[0].readonly: False is not allowed; the disk vdd is the base of '{overlay.path()}'"
    refused(world, {"name": "web01", "disks": [writable]}, message)
    overlay.delete(0)
    assert world.plan({"name": "web01", "disks": [writable]}).changed


def test_a_disk_that_another_guest_has_is_not_made_anew(world):
    world.run(STOPPED)
    world.conn.storagePoolLookupByName("images").createXML(VOLUME.format("next.abcdef012345.qcow2"), 0)
    give_to_other(world, path_of(world, "web01-vda.qcow2"))
    refused(
        world,
        dict(STOPPED, image="next", rebuild="changed"),
        "rebuild: the root disk of 'web01' can't be made anew; it is in use by the guest 'other'",
    )


def test_what_an_interrupted_removal_left_stays_when_it_is_needed_since(world):
    world.run(STOPPED)
    with pytest.raises(Killed):
        test_runs._killed_after(world, {"name": "web01", "state": "absent"}, 2)
    overlay = add_overlay(world, path_of(world, "web01-vda.qcow2"))
    world.run({"name": "web01", "state": "absent"})
    assert world.show()[1]["default"] == [overlay.name(), "web01-vda.qcow2"]


def test_a_volume_that_was_replaced_stays_when_it_is_needed_since(world, monkeypatch):
    world.run(STOPPED)
    old = path_of(world, "web01-vda.qcow2")
    world.conn.storagePoolLookupByName("images").createXML(VOLUME.format("next.abcdef012345.qcow2"), 0)
    with pytest.raises(Killed):
        test_runs._killed_after(world, dict(STOPPED, image="next", rebuild="changed"), 3)
    give_to_other(world, old)
    spec = world.spec({"name": "web01", "state": "stopped"})
    observed = resource.observe(world.conn, spec)
    done = resource.execute(world.conn, spec, observed, resource.plan(spec, observed))
    assert done["warnings"] == [
        "the volume 'web01-vda.qcow2' of the pool 'default' can't be deleted; it is in use by the guest 'other'"
    ]
    assert path_of(world, "web01-vda.qcow2") == old
    root = _xml.parse(world.conn.lookupByName("web01").XMLDesc(2))
    assert old not in [volume.path for volume in metadata.read(root).volumes], "it is the other guest's now"
    assert actions(world.plan({"name": "web01", "state": "stopped"})) == []


def test_the_warnings_of_many_instances_name_them(world):
    entry = batch.Entry("web01")
    world.run(STOPPED)
    world.conn.storagePoolLookupByName("images").createXML(VOLUME.format("next.abcdef012345.qcow2"), 0)
    with pytest.raises(Killed):
        test_runs._killed_after(world, dict(STOPPED, image="next", rebuild="changed"), 3)
    give_to_other(world, path_of(world, "web01-vda.qcow2"))
    many = batch.BatchSpec(world.uri, (entry,), 1, False, ())
    entry.spec = world.spec({"name": "web01", "state": "stopped"})
    found = batch.observe(world.conn, many)
    done = batch.execute(world.conn, many, found, batch.plan(many, found))
    assert [warning.partition(" can't")[0] for warning in done["warnings"]] == [
        "web01: the volume 'web01-vda.qcow2' of the pool 'default'"
    ]


def test_what_took_the_name_of_an_unfinished_disk_is_not_replaced(world):
    with pytest.raises(Killed):
        test_runs._killed_after(world, STOPPED, 1)
    taken = world.conn.storagePoolLookupByName("default").createXML(VOLUME.format("web01-vda.qcow2"), 0)
    before = taken.XMLDesc(0)
    refused(
        world, STOPPED, "image: the volume 'web01-vda.qcow2' exists in pool 'default' and was not made for this guest"
    )
    world.run({"name": "web01", "state": "absent", "remove_storage": "all"})
    assert taken.XMLDesc(0) == before


@pytest.mark.parametrize("options", [{"action": "confirm"}, {"check": {"console": "login:"}}])
def test_a_resize_is_not_confirmed_into_a_disk_that_is_a_base(world, tmp_path, options):
    task = dict(LAUNCH, serial_console={"log_file": str(tmp_path / "console.log")})
    world.run(task)
    world.run(dict(task, root_disk="3GiB", resize={"confirm": "manual"}))
    confirm = {"name": "web01", "resize": options}
    assert actions(world.plan(confirm)) == ["confirm_resize", "drop_volume", "finish_resize"]
    path = path_of(world, "web01-vda.qcow2")
    overlay = add_overlay(world, path)
    message = (
        f"resize: the resize of 'web01' can't be confirmed; that writes to its old disk '{path}', which is the base of "
    )
    refused(world, confirm, f"{message}'{overlay.path()}'")


def test_the_nvram_of_another_guest_is_not_written_over(world, tmp_path):
    source, path = tmp_path / "source_VARS.fd", tmp_path / "web01_VARS.fd"
    for file in (source, path):
        file.write_bytes(file.name.encode())
    loader = "<loader readonly='yes' type='pflash'>/OVMF_CODE.fd</loader>"
    world.conn.defineXML(OTHER.format("/d.qcow2", "").replace("</os>", f"{loader}<nvram>{path}</nvram></os>"))
    run = execute.Run(world.conn, world.spec(STOPPED), None)
    with pytest.raises(Conflict, match="clone_from: the NVRAM .* can't be written; it is in use by the guest 'other'"):
        clone.PROCEDURE.actions["copy_nvram"](run, Action("copy_nvram", "", (str(source), str(path))))
    assert path.read_bytes() == b"web01_VARS.fd"


def test_a_run_that_changes_nothing_asks_for_nobody_else(world, monkeypatch):
    world.run(STOPPED)
    world.run({"name": "copy01", "state": "stopped", "clone_from": {"name": "web01", "mode": "linked"}})

    def asked(conn):
        pytest.fail("nothing is written, so nobody needs to be asked for")

    monkeypatch.setattr(_uses, "read", asked)
    tasks = [STOPPED, dict(STOPPED, rebuild="changed"), {"name": "copy01", "state": "stopped"}]
    assert [actions(world.plan(task)) for task in tasks] == [[], [], []]


def test_a_guest_is_not_removed_while_an_overlay_of_another_tool_needs_its_disk(world):
    world.run(STOPPED)
    overlay = add_overlay(world, path_of(world, "web01-vda.qcow2"))
    message = (
        f"remove_storage: the volume 'web01-vda.qcow2' is the base of '{overlay.path()}'; remove_storage: none keeps"
    )
    for owned in ({}, {"remove_storage": "owned"}, {"remove_storage": "all"}):
        refused(world, dict({"name": "web01", "state": "absent"}, **owned), message)
    overlay.delete(0)
    world.run({"name": "web01", "state": "absent"})
    assert world.show()[1]["default"] == []
