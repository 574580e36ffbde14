# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest's config drive in the plan, against libvirt's in-memory driver, which can't be written to: the lab shows the drive itself."""

from __future__ import annotations

import json
import re

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _temporary, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, InvalidInput, KvmfleetError
from ansible_collections.kvmfleet.compute.plugins.module_utils._firstboot import drive
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import config_drive
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance import test_runs
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.test_runs import (
    LAUNCH,
    Killed,
    actions,
)

world = test_runs.world


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """Drives are made in a directory of the test's own."""
    monkeypatch.setattr(_temporary, "DIRECTORY", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))


DRIVE = {"hostname": "web01.example.com", "admin_password_hash": "$6$saltsalt$digestdigest"}
OTHER = dict(DRIVE, hostname="other.example.com")
TASK = dict(LAUNCH, config_drive=DRIVE)


def subjects(plan, name):
    return [action.subject for action in plan.actions if action.name == name]


def definition(world):
    return _xml.parse(world.conn.lookupByName("web01").XMLDesc(2))


def made(world):
    """Have the guest as it is once its drive was made: the driver has no upload, so the volume is made here."""
    world.run(dict(LAUNCH, state="present"))
    with pytest.raises(Killed):
        test_runs._killed_after(world, dict(TASK, state="present"), 1)
    drive = config_drive.recorded(metadata.read(definition(world)), "web01")
    text = f"<volume><name>{drive.name}</name><capacity unit='bytes'>1024</capacity></volume>"
    world.conn.storagePoolLookupByName(drive.pool).createXML(text, 0)
    root = definition(world)
    found = metadata.read(root)
    for volume in found.volumes:
        if volume.status == "planned":
            found = metadata.with_volume_status(found, volume, "ready")
    metadata.write(root, found)
    world.conn.defineXML(_xml.to_text(root))
    return drive


def test_a_new_guest_gets_a_drive_that_is_named_by_its_content(world):
    plan, again, other = (world.plan(task) for task in (TASK, TASK, dict(TASK, config_drive=OTHER)))
    assert actions(plan)[:2] == ["define", "create_volume"] and "create_config_drive" in actions(plan)
    (name,) = subjects(plan, "create_config_drive")
    assert re.fullmatch(r"default/web01-config-[0-9a-f]{16}\.iso", name)
    assert subjects(again, "create_config_drive") == [name] != subjects(other, "create_config_drive")
    assert "digestdigest" not in plan.after and "digestdigest" not in str(plan.describe())


def test_the_content_is_where_the_next_run_removes_it(world, monkeypatch, tmp_path):
    seen = []

    def build(files, label, image_format, path):
        seen.append(path)
        raise KvmfleetError("no tool")

    monkeypatch.setattr(drive, "build", build)
    with pytest.raises(KvmfleetError, match="no tool"):
        world.run(TASK)
    assert [path for path in seen if path.startswith(f"{tmp_path}/")] == seen != []


def test_the_drive_is_a_cdrom_beside_the_guests_own(world):
    drive = made(world)
    disk = definition(world).find(f"devices/disk/target[@dev='{drive.target}']/..")
    assert disk.get("device") == "cdrom" and _xml.get(disk, "source/@file").endswith(drive.name)
    assert len(definition(world).findall("devices/disk[@device='cdrom']")) == 2
    assert actions(world.plan(dict(TASK, state="present"))) == []
    assert actions(world.plan(dict(LAUNCH, state="present"))) == [], "a task that says nothing of it leaves it alone"


def test_another_content_is_another_volume_in_the_same_place(world):
    drive = made(world)
    plan = world.plan(dict(TASK, config_drive=OTHER, state="present"))
    assert actions(plan) == ["define", "create_config_drive", "drop_volume"]
    assert subjects(plan, "drop_volume") == [f"{drive.pool}/{drive.name}"]
    after = metadata.read(plan.actions[0].data)
    states = {volume.name: (volume.target, volume.status) for volume in after.volumes if "config" in volume.name}
    assert sorted(states.values()) == [(drive.target, "obsolete"), (drive.target, "planned")]


def test_a_run_that_was_killed_before_the_drive_was_made_makes_it(world):
    with pytest.raises(Killed):
        test_runs._killed_after(world, TASK, 1)
    assert "create_config_drive" in actions(world.plan(TASK))
    with pytest.raises(Conflict, match="an earlier launch of 'web01' did not finish the disk 'vda'"):
        world.plan({"name": "web01"})


def test_a_drive_that_can_not_be_made_leaves_nothing_but_the_definition(world):
    before = world.show()[1]
    with pytest.raises(KvmfleetError, match="create config drive default/web01-config-"):
        world.run(TASK)
    assert world.show()[1] == before
    assert "create_config_drive" in actions(world.plan(TASK))


def test_each_drive_that_is_made_has_random_bytes_of_its_own(world, monkeypatch):
    built, build = [], config_drive.drive.build

    def watched(files, *given):
        built.append(files)
        return build(files, *given)

    monkeypatch.setattr(config_drive.drive, "build", watched)
    for _time in range(2):
        with pytest.raises(KvmfleetError, match="create config drive"):
            world.run(TASK)
    seeds = {json.loads(files["openstack/latest/meta_data.json"])["random_seed"] for files in built}
    assert len(seeds) == 2


def test_it_goes_with_its_guest(world):
    drive = made(world)
    world.run({"name": "web01", "state": "absent"})
    assert drive.name not in world.show()[1]["default"]


def test_a_volume_of_somebody_else_is_not_written_to(world):
    (subject,) = subjects(world.plan(TASK), "create_config_drive")
    foreign = f"<volume><name>{subject.partition('/')[2]}</name><capacity>1024</capacity></volume>"
    world.conn.storagePoolLookupByName("default").createXML(foreign, 0)
    with pytest.raises(
        Conflict, match="config_drive: the volume 'web01-config-.*' exists in pool 'default' and was not"
    ):
        world.plan(TASK)


MAC = "52:54:00:12:34:56"
WITH_MAC = dict(DRIVE, network=[{"mac": MAC.upper(), "dhcp4": True}])
OTHER_MAC = f"config_drive.network[0].mac: '{MAC}' is not allowed; no interface of the guest has this MAC address: give it in interfaces"


def test_an_interface_that_the_guest_does_not_have_is_refused(world):
    with pytest.raises(InvalidInput) as caught:
        world.plan(dict(TASK, config_drive=WITH_MAC))
    assert caught.value.message == OTHER_MAC
    plan = world.plan(dict(TASK, config_drive=WITH_MAC, interfaces=[{"network": "default", "mac": MAC}]))
    assert "create_config_drive" in actions(plan) and plan.warnings == ()


def test_an_interface_that_may_be_a_device_of_the_host_is_warned_of(world):
    plan = world.plan(dict(TASK, config_drive=WITH_MAC, host_devices=[{"pci": "0000:01:00.0"}]))
    assert plan.warnings == (
        f"config_drive.network[0].mac: no interface of the guest has the MAC address '{MAC}', "
        "unless it is that of one of its host devices",
    )


def test_an_interface_that_is_gone_matters_to_a_new_drive_alone(world, monkeypatch):
    monkeypatch.setitem(TASK, "config_drive", WITH_MAC)
    monkeypatch.setitem(LAUNCH, "interfaces", [{"network": "default", "mac": MAC}])
    monkeypatch.setitem(TASK, "interfaces", [{"network": "default", "mac": MAC}])
    made(world)
    gone = dict(
        TASK, interfaces=[{"network": "default", "mac": "52:54:00:00:00:01"}], purge=["interfaces"], state="present"
    )
    assert "create_config_drive" not in actions(world.plan(gone))
    with pytest.raises(InvalidInput) as caught:
        world.plan(dict(gone, config_drive=dict(WITH_MAC, hostname="other")))
    assert caught.value.message == OTHER_MAC


def test_a_guest_s_name_that_gives_no_host_name_needs_one(world):
    task = dict(TASK, name="__", config_drive={})
    with pytest.raises(InvalidInput) as caught:
        world.plan(task)
    assert caught.value.message == (
        "config_drive.hostname: it is needed, as no host name can be made of the guest's name '__'"
    )
    assert "create_config_drive" in actions(world.plan(dict(task, config_drive=DRIVE)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hostname": "-"}, "config_drive.hostname: '-' is not allowed; "),
        ({"admin_password_hash": "swordfish"}, "config_drive.admin_password_hash: it is not a hash of crypt"),
        ({"user_data": "#cloud-config\n: ["}, "config_drive.user_data: "),
        ({"user_data": "x" * 65536}, "config_drive.user_data: it has 65536 bytes; 65535 bytes are allowed"),
        (
            {"write_files": [{"path": "/etc/../shadow", "content": ""}]},
            "config_drive.write_files[0].path: '/etc/../shadow' is not allowed; an absolute path without .. is needed",
        ),
    ],
)
def test_bad_input(world, given, message):
    with pytest.raises(InvalidInput) as caught:
        world.plan(dict(TASK, config_drive=given))
    assert caught.value.message.startswith(message) and "swordfish" not in caught.value.message
