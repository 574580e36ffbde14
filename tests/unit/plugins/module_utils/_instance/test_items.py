# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which device an item of a list means that has no name: what we made for it, and never another device of the guest."""

from __future__ import annotations

import re

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, InvalidInput
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance import test_runs
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.test_runs import VOLUME, actions
from lxml import etree

world = test_runs.world

FOREIGN = """<domain type='test'><name>foreign</name><memory>65536</memory><os><type machine='pc'>hvm</type></os>
<devices>{0}</devices></domain>"""
DISK = "<disk type='file' device='disk'><source file='{1}'/><target dev='{0}' bus='{2}'/></disk>"
POOLS = "/var/lib/libvirt/images"
INTERFACE = "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface>"
LAUNCH = {"name": "web01", "memory": "64MiB", "vcpus": "1", "state": "stopped"}


@pytest.fixture
def foreign(world):
    """Define a guest of another tool with these devices; returns a function that runs a task on it, twice."""

    def define(devices):
        world.conn.defineXML(FOREIGN.format(devices))
        before = shown(world, "foreign")

        def run(**params):
            task = dict(params, name="foreign", state="stopped")
            world.run(task)
            assert actions(world.plan(task)) == [], "the second run changes nothing"
            after = shown(world, "foreign")
            assert after[: len(before)] == before, "what was there is as it was"
            return [etree.fromstring(text) for text in after[len(before) :]]

        return run

    return define


def definition(world, name):
    return _xml.parse(world.conn.lookupByName(name).XMLDesc(2))


def shown(world, name):
    root = definition(world, name)
    return [_xml.to_text(element) for kind in ("disk", "interface") for element in root.findall(f"devices/{kind}")]


def targets(root):
    return [element.get("dev") for element in root.findall("devices/disk/target")]


def capacity(world, name):
    return world.conn.storagePoolLookupByName("default").storageVolLookupByName(name).info()[1]


def test_a_drive_does_not_take_the_root_disk(foreign):
    new = foreign(DISK.format("hda", "/data/root.img", "ide"))(disks=[{"device": "cdrom"}])
    assert [(disk.get("device"), _xml.get(disk, "target/@dev")) for disk in new] == [("cdrom", "hdb")]


def test_a_disk_of_a_size_does_not_grow_and_rename_another(world, foreign):
    world.conn.storagePoolLookupByName("default").createXML(VOLUME.format("root.qcow2"), 0)
    new = foreign(DISK.format("vda", f"{POOLS}/root.qcow2", "virtio"))(disks=[{"size": "2GiB", "serial": "data"}])
    assert [(disk.findtext("serial"), _xml.get(disk, "target/@dev")) for disk in new] == [("data", "vdb")]
    assert (capacity(world, "root.qcow2"), capacity(world, "foreign-vdb.qcow2")) == (1 << 20, 2 << 30)


def test_a_file_does_not_take_a_disk_on_another_bus(foreign):
    new = foreign(DISK.format("sda", "/data/root.img", "sata"))(
        disks=[{"source": "/x.img", "bus": "scsi", "serial": "data"}]
    )
    assert [(_xml.get(disk, "source/@file"), _xml.get(disk, "target/@dev")) for disk in new] == [("/x.img", "sdb")]


@pytest.mark.parametrize(("target", "bus"), [("hda", "ide"), ("sda", "sata"), ("vdb", "virtio")])
def test_the_root_disk_is_the_first_disk_whatever_its_name_is(world, foreign, target, bus):
    world.conn.storagePoolLookupByName("default").createXML(VOLUME.format("root.qcow2"), 0)
    drive = "<disk type='file' device='cdrom'><target dev='hdd' bus='ide'/><readonly/></disk>"
    assert foreign(drive + DISK.format(target, f"{POOLS}/root.qcow2", bus))(root_disk="1MiB") == []
    grown = world.plan({"name": "foreign", "state": "stopped", "root_disk": "2MiB"})
    assert [action.data for action in grown.actions] == [(target, 2 << 20)]


@pytest.mark.parametrize(
    ("source", "there"),
    [
        ("type='network'><source protocol='rbd' name='pool/image'><host name='mon'/></source>", "rbd:pool/image"),
        ("type='network'><source protocol='iscsi' name='iqn.a:b/1'><host name='san'/></source>", "iscsi:iqn.a:b/1"),
        (
            "type='nvme'><source type='pci' managed='yes' namespace='1'><address domain='0' bus='1' slot='0' function='0'/></source>",
            "nvme",
        ),
    ],
)
def test_a_disk_that_is_no_file_is_not_replaced(world, foreign, source, there):
    run = foreign(
        f"<disk device='disk' {source}<driver name='qemu' type='raw'/><target dev='vda' bus='virtio'/></disk>"
    )
    with pytest.raises(Conflict) as refusal:
        run(disks=[{"target": "vda", "source": "/x.img"}])
    assert refusal.value.message == (
        f"disks[0].source: the guest has {there!r} as this disk, not '/x.img'; a disk is not replaced in place: detach it first"
    )
    assert [_xml.get(disk, "target/@dev") for disk in run(disks=[{"source": "/x.img"}])] == ["vdb"]


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (
            {"target": "hda", "device": "cdrom"},
            "disks[0].device: 'cdrom' is not allowed; the item means the disk hda of the guest, whose device is 'disk'",
        ),
        (
            {"source": "/data/root.img", "bus": "scsi"},
            "disks[0].bus: 'scsi' is not allowed; the item means the disk hda of the guest, whose bus is 'ide'; give target: hda to "
            "change it",
        ),
    ],
)
def test_a_disk_is_made_no_other_device(foreign, item, said):
    with pytest.raises(InvalidInput) as refusal:
        foreign(DISK.format("hda", "/data/root.img", "ide"))(disks=[item])
    assert refusal.value.message == said


def test_an_item_that_could_mean_two_disks_is_refused(foreign):
    twice = "<disk type='file' device='cdrom'><source file='/a.iso'/><target dev='{}' bus='ide'/><readonly/></disk>"
    run = foreign(twice.format("hda") + twice.format("hdb"))
    assert run(disks=[{"device": "cdrom", "source": "/a.iso"}]) == [], "neither has to be changed"
    with pytest.raises(Conflict) as refusal:
        run(disks=[{"device": "cdrom", "source": "/a.iso", "boot_order": 1}])
    assert refusal.value.message == "disks[0]: hda and hdb of the guest have this origin; give a target"


@pytest.mark.parametrize("machine", [None, "pc", "q35"])
def test_a_drive_is_found_again_on_every_machine_type(world, machine):
    task = dict(LAUNCH, disks=[{"size": "1MiB"}, {"device": "cdrom"}], **({"machine": machine} if machine else {}))
    world.run(task)
    assert targets(definition(world, "web01")) == ["vda", "hda" if machine == "pc" else "sda"]
    assert actions(world.plan(task)) == []


@pytest.mark.parametrize("item", [{"bridge": "br0"}, {"network": "default", "model": "e1000e"}])
def test_an_interface_is_not_made_another(foreign, item):
    new = foreign(INTERFACE)(interfaces=[item])
    assert [element.tag for element in new] == ["interface"]


def test_an_interface_that_fulfils_an_item_is_found(foreign):
    assert foreign(INTERFACE)(interfaces=[{"network": "default"}]) == []


def macs(world):
    root = definition(world, "web01")
    return [
        (_xml.get(element, "mac/@address"), _xml.get(element, "source/@bridge") or _xml.get(element, "source/@network"))
        for element in root.findall("devices/interface")
    ]


def test_the_interfaces_that_we_made_are_found_and_changed(world):
    world.run(dict(LAUNCH, interfaces=[{"network": "default"}, {"bridge": "br0"}]))
    (first, _network), (second, _bridge) = macs(world)
    for items, expected in (
        ([{"bridge": "br0"}, {"network": "default"}], [(first, "default"), (second, "br0")]),
        ([{"network": "default", "mtu": 1400}, {"bridge": "br0"}], [(first, "default"), (second, "br0")]),
        ([{"bridge": "br1"}, {"bridge": "br0"}], [(first, "br1"), (second, "br0")]),
        ([{"bridge": "br1"}, {"bridge": "br0"}, {"bridge": "br0"}], [(first, "br1"), (second, "br0")]),
    ):
        task = dict(LAUNCH, interfaces=items)
        world.run(task)
        assert macs(world)[:2] == expected and len(macs(world)) == len(items)
        assert actions(world.plan(task)) == []


def test_an_interface_that_was_plugged_in_by_others_stays(world):
    world.run(dict(LAUNCH, interfaces=[{"network": "default"}]))
    text = world.conn.lookupByName("web01").XMLDesc(2)
    world.conn.defineXML(text.replace("<interface ", f"{INTERFACE}<interface ", 1))
    world.run(dict(LAUNCH, interfaces=[{"bridge": "br0"}, {"bridge": "br1"}]))
    assert ("52:54:00:00:00:01", "default") in macs(world) and len(macs(world)) == 3


def test_a_disk_that_we_made_is_found_at_its_place_and_grows(world, foreign):
    run = foreign(DISK.format("vda", "/data/root.img", "virtio"))
    assert len(run(disks=[{"size": "1MiB"}])) == 1
    assert len(run(disks=[{"size": "1MiB", "cache": "none"}])) == 1
    grown = world.plan({"name": "foreign", "state": "stopped", "disks": [{"size": "2MiB"}]})
    assert [action.data for action in grown.actions] == [("vdb", 2 << 20)]
    assert len(run(disks=[{"size": "1MiB"}, {"size": "3MiB"}])) == 2
    assert len(run(disks=[{"target": "vdz", "size": "5MiB"}, {"size": "3MiB"}])) == 3


def test_a_size_alone_does_not_mean_the_root_disk(world):
    world.run(dict(LAUNCH, image="tiny"))
    world.run(dict(LAUNCH, disks=[{"size": "2GiB"}]))
    assert targets(definition(world, "web01")) == ["vda", "vdb"]
    assert capacity(world, "web01-vda.qcow2") == 1 << 30


@pytest.mark.parametrize(
    "params",
    [
        {"image": "tiny", "disks": [{"size": "1MiB"}, {"device": "cdrom"}]},
        {"root_disk": "1MiB", "disks": [{"size": "2MiB", "bus": "scsi"}]},
        {"disks": [{"size": "1MiB"}, {"image": "tiny"}], "interfaces": [{"network": "default"}]},
    ],
)
def test_a_guest_of_an_earlier_version_is_left_alone(world, params):
    """Its records have no place."""
    world.run(dict(LAUNCH, **params))
    text = re.sub(' place="[^"]*"|<kvmfleet:interface [^>]*>', "", world.conn.lookupByName("web01").XMLDesc(2))
    assert not metadata.read(_xml.parse(text)).volumes[0].place
    world.conn.defineXML(text)
    assert actions(world.plan(dict(LAUNCH, **params))) == []


def test_a_disk_in_the_place_of_ours_is_refused(world):
    world.run(dict(LAUNCH, disks=[{"size": "1MiB"}]))
    text = world.conn.lookupByName("web01").XMLDesc(2)
    path = f"file='{POOLS}/web01-vda.qcow2'"
    assert path in text
    world.conn.defineXML(text.replace(path, "file='/data/other.qcow2'"))
    with pytest.raises(Conflict) as refusal:
        world.plan(dict(LAUNCH, disks=[{"size": "2MiB"}]))
    assert refusal.value.message == (
        "disks[0]: the guest has '/data/other.qcow2' as the disk vda, not the volume 'web01-vda.qcow2' that was made for this item; "
        "give a target"
    )


def test_two_items_for_one_disk_are_refused(foreign):
    run = foreign(DISK.format("vda", "/data/root.img", "virtio"))
    for params in (
        {"root_disk": "2GiB", "disks": [{"target": "vda", "cache": "none"}]},
        {"disks": [{"target": "vda", "cache": "none"}, {"source": "/data/root.img"}]},
    ):
        with pytest.raises(InvalidInput, match="'vda' is not allowed; another disk of the list has this target"):
            run(**params)


def test_a_clone_moves_its_own_interface_and_keeps_the_copies(world):
    source = dict(LAUNCH, disks=[{"size": "1MiB"}, {"size": "2MiB"}], interfaces=[{"network": "default"}])
    world.run(source)
    task = {
        "name": "copy01",
        "state": "stopped",
        "clone_from": {"name": "web01"},
        "disks": [{"size": "1MiB"}, {"size": "2MiB"}, {"size": "3MiB"}],
        "interfaces": [{"bridge": "br0"}],
    }
    world.run(task)
    root = definition(world, "copy01")
    assert targets(root) == ["vda", "vdb", "vdc"] and capacity(world, "copy01-vdb.qcow2") == 2 << 20
    assert [_xml.get(element, "source/@bridge") for element in root.findall("devices/interface")] == ["br0"]
    assert actions(world.plan(task)) == []
    world.run(dict(task, interfaces=[{"bridge": "br1"}]))
    assert len(definition(world, "copy01").findall("devices/interface")) == 1


def test_several_serial_ports_are_not_removed(foreign):
    run = foreign("<serial type='pty'><target port='0'/></serial><serial type='pty'><target port='1'/></serial>")
    with pytest.raises(InvalidInput) as refusal:
        run(serial_console={"enabled": False})
    assert refusal.value.message == (
        "serial_console.enabled: False is not allowed; the guest has 2 serial ports; remove them with xml_patch"
    )
