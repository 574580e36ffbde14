# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cold resize against libvirt's in-memory driver: what is done, what comes back, and runs that fail or are killed.

The driver has no block jobs, so a disk is confirmed in the lab alone. A guest is seen to be back by what a test writes to the
log of its console.
"""

from __future__ import annotations

import re

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import (
    Conflict,
    InvalidInput,
    KvmfleetError,
    TimedOut,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import resource
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance import test_runs
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.test_runs import (
    LAUNCH,
    Killed,
    actions,
)

world = test_runs.world

SEEN = {"check": {"console": "login:"}, "timeout": "5s"}
UNSEEN = {"check": {"console": "never"}, "timeout": "1s"}
MANUAL = {"confirm": "manual"}
REVERT = {"name": "web01", "resize": {"action": "revert"}}
CONFIRM = {"name": "web01", "resize": {"action": "confirm"}}
BIGGER = dict(LAUNCH, memory="128MiB", vcpus="4")
LARGER = dict(BIGGER, root_disk="3GiB")
# What libvirt refuses to define.
PATCH = {"xpath": "vcpu/@placement", "set": "nowhere", "add": None, "remove": None}
OVERLAY = "web01-vda.resize.qcow2"


@pytest.fixture
def launch(world, tmp_path):
    """Launch the guest; returns the task."""
    log = tmp_path / "console.log"
    log.write_text("Welcome\nlogin: ")
    task = dict(LAUNCH, serial_console={"log_file": str(log)})
    world.run(task)
    return task


def definition(world):
    return _xml.parse(world.conn.lookupByName("web01").XMLDesc(2))


def sizes(world):
    root = definition(world)
    disk = root.find("devices/disk/target[@dev='vda']/..")
    place = disk.find("source").get("file").rpartition("/")[2]
    return int(root.findtext("memory")) // 1024, int(root.findtext("vcpu")), place, disk.find("driver").get("type")


def resizing(world):
    return metadata.read(definition(world)).resize


def shown(world):
    """What there is, apart from the number of a boot and from the indentation, of which libvirt has two."""
    found, volumes = world.show()
    return re.sub(r' boot="\d+"|(\\n| )+', " ", repr(found)), volumes


OLD = (64, 2, "web01-vda.qcow2", "qcow2")
NEW = (128, 4, "web01-vda.qcow2", "qcow2")
ON_OVERLAY = (128, 4, OVERLAY, "qcow2")


@pytest.mark.parametrize("state", ["running", "stopped", "paused", "suspended"])
def test_sizes_change_cold_and_are_confirmed_when_the_guest_is_seen(world, launch, state):
    if state != "running":
        world.run({"name": "web01", "state": state})
    task = dict(BIGGER, resize=SEEN)
    foreseen, before = world.plan(task).describe(), world.show()
    assert world.show() == before
    done = world.run(task)
    assert done.describe() == foreseen
    stops = {"stopped": [], "running": ["shutdown"], "paused": ["resume", "shutdown"]}
    assert actions(done) == [
        "resize",
        *stops.get(state, ["restore", "shutdown"]),
        "start_resized",
        "confirm_resize",
        "finish_resize",
    ]
    assert sizes(world) == NEW and resizing(world) is None
    assert world.conn.lookupByName("web01").isActive()
    assert actions(world.plan(task)) == []


def test_without_other_sizes_there_is_nothing_to_resize(world, launch):
    assert actions(world.plan(dict(launch, resize=SEEN))) == []
    assert actions(world.plan(dict(launch, resize=SEEN, tags=["other"]))) == ["define", "update_live"]


def test_a_new_guest_is_launched_with_the_sizes(world):
    assert "start" in actions(world.run(dict(LAUNCH, resize=SEEN)))


def test_a_larger_root_disk_is_an_overlay_that_a_revert_drops(world, launch):
    task = dict(LARGER, resize=MANUAL)
    done = world.run(task)
    assert actions(done) == ["resize", "shutdown", "create_volume", "start_resized"] and done.warnings == ()
    assert sizes(world) == ON_OVERLAY
    overlay = world.conn.storagePoolLookupByName("default").storageVolLookupByName(OVERLAY)
    assert overlay.info()[1] == 3 * 1024**3
    assert "web01-vda.qcow2</path>" in overlay.XMLDesc(0).split("<backingStore>")[1]
    assert actions(world.plan(task)) == [], "it waits for somebody to confirm or revert"
    world.run({"name": "web01", "tags": ["meanwhile"], "description": "changed meanwhile"})
    foreseen = world.plan(REVERT)
    assert foreseen.warnings == ("resize: what the guest 'web01' wrote to the disk vda since its resize is dropped",)
    assert actions(world.run(REVERT)) == ["power_off", "revert_resize", "start", "drop_volume", "finish_resize"]
    assert sizes(world) == OLD and resizing(world) is None
    assert OVERLAY not in world.show()[1]["default"]
    assert definition(world).findtext("description") == "changed meanwhile"
    assert metadata.read(definition(world)).tags == ("meanwhile",)
    assert world.conn.lookupByName("web01").isActive()


def test_the_maximum_and_the_flavor_come_back(world, launch):
    flavors = {"old": {"memory": "64MiB", "vcpus": 1}, "new": {"memory": "256MiB", "vcpus": 3}}
    world.run({"name": "web01", "flavor": "old", "flavors": flavors, "max_vcpus": "2", "max_memory": "96MiB"})
    before = shown(world)
    world.run({"name": "web01", "flavor": "new", "flavors": flavors, "resize": MANUAL})
    assert metadata.read(definition(world)).flavor == "new" and sizes(world)[:2] == (256, 3)
    done = world.run(REVERT)
    assert actions(done) == ["shutdown", "revert_resize", "start", "finish_resize"] and done.warnings == ()
    assert shown(world) == before


def test_a_resize_without_a_larger_disk_is_confirmed_by_a_later_task(world, launch):
    world.run(dict(BIGGER, resize=MANUAL))
    assert actions(world.run(CONFIRM)) == ["confirm_resize", "finish_resize"]
    assert sizes(world) == NEW and resizing(world) is None


@pytest.mark.parametrize("task", [BIGGER, LARGER])
def test_a_guest_that_is_not_seen_gets_its_old_sizes_back(world, launch, task):
    before = shown(world)
    with pytest.raises(
        TimedOut,
        match=r"^resize.check: the console pattern 'never' of the guest 'web01' was not seen within 1 s; seen last: 'login:'; "
        "the resize was reverted and the guest runs with its old sizes$",
    ):
        world.run(dict(task, resize=UNSEEN))
    assert shown(world) == before


def test_a_resize_that_libvirt_refuses_leaves_the_guest_running(world, launch):
    before, run_id = shown(world), world.conn.lookupByName("web01").ID()
    with pytest.raises(KvmfleetError, match="resize web01"):
        world.run(dict(BIGGER, resize=SEEN, xml_patch=[PATCH]))
    assert shown(world) == before and world.conn.lookupByName("web01").ID() == run_id


def test_a_resize_whose_overlay_cannot_be_made_gives_the_guest_back(world, launch):
    before = shown(world)
    task = dict(LARGER, resize=MANUAL)
    spec = world.spec(task)
    observed = resource.observe(world.conn, spec)
    plan = resource.plan(spec, observed)
    # Somebody stops the pool between the plan and its execution.
    pool = world.conn.storagePoolLookupByName("default")
    pool.destroy()
    with pytest.raises(KvmfleetError, match=f"create volume default/{OVERLAY}"):
        resource.execute(world.conn, spec, observed, plan)
    pool.create(0)
    assert world.conn.lookupByName("web01").isActive() and sizes(world) == OLD
    world.run(launch)
    assert shown(world)[0] == before[0]


def test_a_volume_of_somebody_else_is_not_taken_for_the_overlay(world, launch):
    world.conn.storagePoolLookupByName("default").createXML(test_runs.VOLUME.format(OVERLAY), 0)
    with pytest.raises(Conflict, match=f"resize: the volume '{OVERLAY}' exists in pool 'default' and was not made for"):
        world.plan(dict(LARGER, resize=MANUAL))


PENDING = [dict(LARGER, resize=MANUAL)]


@pytest.mark.parametrize("count", range(1, 5))
def test_a_resize_that_was_killed_can_be_reverted(world, launch, count):
    before = shown(world)
    with pytest.raises(Killed):
        test_runs._killed_after(world, dict(LARGER, resize=UNSEEN), count)
    run_id = world.conn.lookupByName("web01").ID()
    world.run(REVERT)
    assert shown(world) == before
    if count == 1:
        assert world.conn.lookupByName("web01").ID() == run_id, "it was not shut down yet and ran on"


def test_a_killed_resize_goes_on_to_watch_the_guest_without_a_second_start(world, launch):
    task = dict(LARGER, resize=UNSEEN)
    before = shown(world)
    with pytest.raises(Killed):
        test_runs._killed_after(world, task, 4)
    assert actions(world.plan(task)) == ["confirm_resize", "drop_volume", "finish_resize"]
    with pytest.raises(TimedOut, match="the resize was reverted"):
        world.run(task)
    assert shown(world) == before


def test_a_guest_that_is_removed_takes_its_overlay_along(world, launch):
    world.run(PENDING[0])
    world.run({"name": "web01", "state": "absent"})
    assert world.show()[1]["default"] == []


def test_an_overlay_that_was_not_made_is_not_booted_from(world, launch):
    with pytest.raises(Killed):
        test_runs._killed_after(world, PENDING[0], 2)
    with pytest.raises(Conflict, match="the resize of 'web01' did not come as far as its disk vda"):
        world.run(launch | {"memory": None, "vcpus": None})


@pytest.mark.parametrize(
    ("first", "task", "message"),
    [
        ([], CONFIRM, "resize.action: there is no resize of the guest 'web01' to confirm"),
        ([], REVERT, "resize.action: there is no resize of the guest 'web01' to revert"),
        (
            PENDING,
            dict(LARGER, vcpus="1", resize=SEEN),
            "vcpus: 1 is not allowed; a resize of the guest 'web01' is pending; confirm or revert it first",
        ),
        (
            PENDING,
            {"name": "web01", "memory": "256MiB"},
            "memory: '256MiB' is not allowed; a resize of the guest 'web01' is pending",
        ),
        (
            PENDING,
            dict(LARGER, root_disk="4GiB"),
            "root_disk: '4GiB' is not allowed; a resize of the guest 'web01' is pending",
        ),
        (
            PENDING,
            dict(CONFIRM, tags=["other"]),
            "resize.action: 'confirm' is not allowed; it goes with no other change, and this task changes tags",
        ),
        (
            PENDING,
            {"name": "web01", "state": "rescued", "rescue": {"image": "tiny"}},
            "state: a resize of the guest 'web01' is pending; confirm or revert it before a rescue",
        ),
        (
            [{"name": "web01", "state": "rescued", "rescue": {"image": "tiny"}}],
            dict(BIGGER, resize=MANUAL),
            "resize: the guest 'web01' is rescued; bring it back first",
        ),
        ([], dict(LARGER, root_disk="1GiB", resize=SEEN), "disks are never shrunk"),
        (
            [],
            dict(BIGGER, resize={"timeout": "1s"}, agent=None),
            "resize.check.agent: True is not allowed; the guest has no agent channel",
        ),
    ],
)
def test_refused_in_one_sentence_and_nothing_changed(world, launch, first, task, message):
    for earlier in first:
        world.run(earlier)
    before = world.show()
    with pytest.raises(KvmfleetError) as caught:
        world.run(task)
    assert message in caught.value.message
    assert world.show() == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"state": "stopped", "resize": MANUAL}, "state: 'stopped' is not allowed; a guest that is resized runs"),
        ({"apply": "live", "resize": MANUAL}, "apply: 'live' is not allowed; with resize the guest is restarted"),
        ({"rebuild": "always", "image": "a", "resize": MANUAL}, "rebuild: 'always' is not allowed; a task either"),
        ({"resize": dict(MANUAL, check={"agent": True})}, "the guest is watched with action: resize and confirm: auto"),
        ({"resize": {"timeout": "soon"}}, "resize.timeout: 'soon' is not allowed; a time is a number"),
        ({"resize": {"check": {"cidr": "here"}}}, "resize.check.cidr: 'here' is not allowed; a network is needed"),
        ({"resize": {"check": {"console": "("}}}, "resize.check.console: '(' is not allowed; a regular expression"),
    ],
)
def test_bad_input(world, given, message):
    with pytest.raises(InvalidInput) as caught:
        world.spec(dict(LAUNCH, **given))
    assert message in caught.value.message
