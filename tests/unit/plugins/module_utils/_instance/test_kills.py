# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every procedure, killed at every point: the first run after that succeeds and leaves what an undisturbed one does, the second
changes nothing, no file is left, and no drift is shown at any time."""

from __future__ import annotations

import re

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _temporary, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import applied, state
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import config_drive
from ansible_collections.kvmfleet.compute.tests.unit.plugins.kill import chosen, count_points, kill_at
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance import test_runs
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.test_rebuild import add_image
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.test_runs import LAUNCH, actions

RESCUE = {"name": "web01", "state": "rescued"}
ABSENT = {"name": "web01", "state": "absent"}
SUSPEND = {"name": "web01", "state": "suspended"}
OFF = dict(LAUNCH, state="stopped", autostart=False)
BIGGER = dict(LAUNCH, memory="128MiB", vcpus="4")
LARGER = dict(BIGGER, root_disk="3GiB")
MANUAL = {"confirm": "manual"}
SEEN = {"check": {"console": "login:"}, "timeout": "5s"}
REVERT = {"name": "web01", "resize": {"action": "revert"}}
CONFIRM = {"name": "web01", "resize": {"action": "confirm"}}
REBUILD = dict(LAUNCH, image="other", rebuild="changed")
FULL = {"name": "copy01", "clone_from": {"name": "web01"}}
LINKED = {"name": "copy01", "clone_from": {"name": "web01", "mode": "linked"}}
DRIVE = dict(LAUNCH, config_drive={"hostname": "web01.example.com"})
OTHER_DRIVE = dict(DRIVE, config_drive={"hostname": "other.example.com"})

base = test_runs.world

# (what has run before, the task that is killed, and the one that runs after that where it is another).
PROCEDURES = {
    "launch": ([], LAUNCH),
    "launch of a guest that is off": ([], OFF),
    "change": ([LAUNCH], dict(LAUNCH, memory="128MiB", tags=["other"], apply="restart")),
    "change of autostart": ([LAUNCH], {"name": "web01", "autostart": False, "title": "other"}),
    "disk more": ([LAUNCH], dict(LAUNCH, disks=[*LAUNCH["disks"], {"target": "vdx", "size": "1GiB"}], apply="restart")),
    "adoption": ([], {"name": "foreign", "adopt": True, "state": "stopped", "tags": ["ours"]}),
    "suspend": ([LAUNCH], SUSPEND),
    "suspend and back": ([LAUNCH, SUSPEND], {"name": "web01", "state": "stopped"}),
    "removal": ([LAUNCH], ABSENT),
    "removal that keeps the disks": ([LAUNCH], dict(ABSENT, remove_storage="none")),
    "removal of a suspended guest": ([LAUNCH, SUSPEND], ABSENT),
    "rescue": ([LAUNCH], RESCUE),
    "end of a rescue": ([LAUNCH, RESCUE], {"name": "web01", "state": "running"}),
    "removal of a rescued guest": ([LAUNCH, RESCUE], ABSENT),
    "rebuild of a running guest": ([LAUNCH], REBUILD),
    "rebuild of a stopped guest": ([OFF], dict(REBUILD, state="stopped")),
    "rebuild of a suspended guest": ([LAUNCH, SUSPEND], dict(REBUILD, state="stopped")),
    "rebuild with other changes": (
        [LAUNCH],
        dict(REBUILD, memory="128MiB", disks=[*LAUNCH["disks"], {"size": "1GiB"}]),
    ),
    "resize of the sizes": ([], dict(BIGGER, resize=SEEN)),
    "resize of the root disk": ([], dict(LARGER, resize=MANUAL)),
    "revert of a root disk": ([dict(LARGER, resize=MANUAL)], REVERT),
    "revert of sizes": ([dict(BIGGER, resize=MANUAL)], REVERT),
    "confirmation of sizes": ([dict(BIGGER, resize=MANUAL)], CONFIRM),
    "clone": ([OFF], FULL),
    "linked clone": ([OFF], LINKED),
    "linked clone with disks of its own": (
        [OFF],
        dict(LINKED, root_disk="3GiB", disks=[{"target": "vde", "size": "1GiB"}]),
    ),
    "removal of a linked clone": ([OFF, LINKED], {"name": "copy01", "state": "absent"}),
    "config drive of a new guest": ([], DRIVE),
    "another config drive": ([DRIVE], OTHER_DRIVE),
    "removal with a config drive": ([DRIVE], ABSENT),
    "removal, and a launch": ([LAUNCH], ABSENT, LAUNCH),
    "removal of a suspended guest, and a launch": ([LAUNCH, SUSPEND], ABSENT, LAUNCH),
}
FOREIGN = """<domain type='test'><name>foreign</name><memory>65536</memory><os><type>hvm</type></os></domain>"""
# More than any procedure has.
MOST = 40


@pytest.fixture
def world(base, tmp_path, monkeypatch):
    """The world with a further image, a console with a log, and private files in a directory of the test."""
    world = base
    add_image(world, "other", "abcdef012345")
    log = tmp_path / "console.log"
    log.write_text("Welcome\nlogin: ")
    world.console = {"serial_console": {"log_file": str(log)}}
    world.temporary = tmp_path / "temporary"
    monkeypatch.setattr(_temporary, "DIRECTORY", str(world.temporary))
    # libvirt's in-memory driver has no upload.
    monkeypatch.setattr(config_drive, "_upload", lambda conn, volume, content: content.read())
    return world


def prepare(world, name):
    before, task, again = (*PROCEDURES[name], None)[:3]
    for domain in world.conn.listAllDomains():
        if domain.name() == "copy01":
            world.run({"name": "copy01", "state": "absent"})
    for domain in world.conn.listAllDomains():
        if domain.name() != "test":
            world.run({"name": domain.name(), "state": "absent", "remove_storage": "all"})
    for pool in world.conn.listAllStoragePools():
        for volume in pool.listAllVolumes():
            if volume.name().startswith(("web01", "copy01")):
                volume.delete(0)
    if "adopt" in task:
        world.conn.defineXML(FOREIGN)
    if "resize" in task:
        before = [dict(LAUNCH, **world.console), *before]
    for params in before:
        world.run(params)
    return task, again or task


def shown(world):
    """What there is, apart from the number of a boot and from the indentation, of which libvirt has two."""
    found, volumes = world.show()
    return sorted(re.sub(r' boot="\d+"|(\\n| )+', " ", repr(one)) for one in found), volumes


def drift(world):
    """{name: whether it is shown as drifted, None where nothing is known} of all guests but those that nobody manages."""
    found = {}
    for domain in world.conn.listAllDomains():
        if domain.name() not in ("test", "foreign"):
            root = _xml.parse(domain.XMLDesc(0))
            found[domain.name()] = applied.has_drifted(domain, state.read_facts(domain), root)
    return found


def files(world, tmp_path):
    """What runs keep beside the guests' files."""
    kept = [*(tmp_path / "state").glob("*"), *world.temporary.glob("*")]
    return [path.name for path in kept]


@pytest.mark.parametrize("name", PROCEDURES)
def test_a_procedure_that_is_killed_is_completed_by_running_it_again(world, tmp_path, name, record_property):
    task, again = prepare(world, name)
    points = count_points(lambda: world.run(task))
    assert 1 < len(points) < MOST
    if again is not task:
        world.run(again)
    undisturbed = shown(world)
    assert actions(world.plan(again)) == [] and files(world, tmp_path) == []
    assert not any(drift(world).values())
    numbers = chosen(range(1, len(points) + 1), [len(points) // 2])
    record_property("kills", len(numbers))
    for number in numbers:
        prepare(world, name)
        where = f"killed at {kill_at(number, lambda: world.run(task))!r}, point {number} of {points}"
        assert True not in drift(world).values(), where
        world.run(again)
        assert shown(world) == undisturbed, where
        assert actions(world.plan(again)) == [], where
        assert files(world, tmp_path) == [], where
        assert set(drift(world).values()) <= {False}, where
