# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rebuild against libvirt's in-memory driver: when it is due, what stays, and runs that fail or are killed."""

from __future__ import annotations

import re

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, InvalidInput, KvmfleetError
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import resource
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance import test_runs
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.test_runs import (
    LAUNCH,
    Killed,
    actions,
)

world = test_runs.world

REBUILD = dict(LAUNCH, rebuild="changed")
OTHER = dict(REBUILD, image="other")
ALWAYS = dict(LAUNCH, rebuild="always")


@pytest.fixture(autouse=True)
def images(world):
    add_image(world, "other", "abcdef012345")


def add_image(world, name, digest, size=1):
    world.conn.storagePoolLookupByName("images").createXML(
        f"""<volume><name>{name}.{digest}.qcow2</name><capacity unit='GiB'>{size}</capacity>
        <target><format type='qcow2'/></target></volume>""",
        0,
    )


def root_volume(world):
    """(name, base, capacity) of the root disk in the guest's definition."""
    text = world.conn.lookupByName("web01").XMLDesc(2)
    path = re.search(r"<source file='([^']*web01-vda[^']*)'", text).group(1)
    volume = world.conn.storageVolLookupByPath(path)
    base = re.search(r"<backingStore>\s*<path>(.*?)</path>", volume.XMLDesc(0)).group(1)
    return volume.name(), base.rpartition("/")[2], volume.info()[1]


def identity(world):
    text = world.conn.lookupByName("web01").XMLDesc(2)
    kept = r"<uuid>.*?</uuid>|<mac address=.*?/>|<name>.*?</name>|<source file='[^']*vd[bc][^']*'/>|tag[^>]*>web<"
    return re.findall(kept, text)


def volumes(world):
    return [name for name in world.show()[1]["default"] if "vda" in name]


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_another_image_makes_the_root_disk_anew_and_keeps_the_rest(world, state):
    world.run(LAUNCH)
    before = identity(world)
    task = dict(OTHER, state=state)
    foreseen, shown = world.plan(task).describe(), world.show()
    assert world.show() == shown
    done = world.run(task)
    assert done.describe() == foreseen and done.restart_required == ()
    start = ["start"] if state == "running" else []
    assert actions(done) == ["record_volume", "image_disk", "shutdown", "define", *start, "drop_volume"]
    assert root_volume(world) == ("web01-vda.1.qcow2", "other.abcdef012345.qcow2", 2 * 1024**3)
    assert volumes(world) == ["web01-vda.1.qcow2"]
    assert identity(world) == before and len(before) == 6
    assert actions(world.plan(task)) == []
    assert actions(world.plan(dict(task, rebuild="never"))) == [], "the image is recorded"
    assert actions(world.plan({"name": "web01", "state": "absent"})).count("delete_volume") == 3


def test_a_task_that_names_nothing_but_the_image(world):
    world.run(LAUNCH)
    task = {"name": "web01", "image": "other", "rebuild": "changed"}
    world.run(task)
    assert root_volume(world) == ("web01-vda.1.qcow2", "other.abcdef012345.qcow2", 2 * 1024**3)
    assert volumes(world) == ["web01-vda.1.qcow2"] and actions(world.plan(task)) == []


def test_a_newer_version_of_the_image_makes_it_anew(world):
    world.run(LAUNCH)
    assert actions(world.run(REBUILD)) == []
    world.conn.storagePoolLookupByName("images").storageVolLookupByName("tiny.0123456789ab.qcow2").delete(0)
    add_image(world, "tiny", "ffffffffffff")
    assert actions(world.plan(LAUNCH)) == [], "unless the task says so, a guest keeps its disk"
    assert "image_disk" in actions(world.run(REBUILD))
    assert root_volume(world)[1] == "tiny.ffffffffffff.qcow2"


def test_always_makes_it_anew_in_each_run(world):
    assert "image_disk" not in actions(world.run(ALWAYS)), "a launch makes it once"
    for number in (1, 2, 3):
        assert "image_disk" in actions(world.run(ALWAYS))
        assert volumes(world) == [f"web01-vda.{number}.qcow2"]


@pytest.mark.parametrize(
    ("root_disk", "image", "size"), [("3GiB", 1, 3), ("1GiB", 1, 1), (None, 1, 2), (None, 4, 4), ("4GiB", 4, 4)]
)
def test_its_size_is_what_is_asked_for_else_as_before_and_never_less_than_the_image(world, root_disk, image, size):
    world.run(LAUNCH)
    add_image(world, "sized", "000000000000", image)
    task = dict(OTHER, image="sized", root_disk=root_disk)
    world.run(task)
    assert root_volume(world)[2] == size * 1024**3
    assert actions(world.plan(task)) == []


def test_a_name_that_is_taken_is_not_taken_over(world):
    world.run(LAUNCH)
    foreign = "<volume><name>web01-vda.1.qcow2</name><capacity>1048576</capacity></volume>"
    world.conn.storagePoolLookupByName("default").createXML(foreign, 0)
    world.run(OTHER)
    assert volumes(world) == ["web01-vda.1.qcow2", "web01-vda.2.qcow2"]


@pytest.mark.parametrize(
    ("first", "task", "message"),
    [
        ({}, {"image": None, "rebuild": "always"}, "rebuild: 'always' is not allowed; it needs image, which the root"),
        ({}, {"image": "gone"}, "image: 'gone' is not in the image store; it has big.999999999999.qcow2, other"),
        ({}, {"state": "present"}, "state: 'present' is not allowed; a rebuild shuts the guest down: say whether"),
        ({}, {"state": "suspended"}, "state: 'suspended' is not allowed; a guest that is rebuilt has no memory"),
        (
            {"image": None, "root_disk": None, "disks": [{"target": "vda", "source": "/data/web01.qcow2"}]},
            {"disks": None},
            "rebuild: 'changed' is not allowed; the disk vda of the guest 'web01' is not a file that was made for it",
        ),
        ({}, {"image": "big"}, "root_disk: '2GiB' is not allowed; the image big needs at least 9GiB"),
    ],
)
def test_what_is_refused(world, first, task, message):
    add_image(world, "big", "999999999999", 9)
    world.run(dict(LAUNCH, **first))
    before = world.show()
    with pytest.raises(KvmfleetError, match=re.escape(message)):
        world.run(dict(OTHER, **task))
    assert world.show() == before


def test_without_rebuild_another_image_is_refused(world):
    world.run(LAUNCH)
    with pytest.raises(InvalidInput, match="was made from 'tiny'; rebuild: changed makes its root disk anew"):
        world.plan(dict(LAUNCH, image="other"))


def test_what_needs_the_old_disk_keeps_it(world):
    world.run(LAUNCH)
    overlay = f"""<volume><name>clone.qcow2</name><capacity unit='GiB'>2</capacity><target><format type='qcow2'/></target>
        <backingStore><path>{world.conn.storagePoolLookupByName("default").storageVolLookupByName("web01-vda.qcow2").path()}</path>
        <format type='qcow2'/></backingStore></volume>"""
    volume = world.conn.storagePoolLookupByName("default").createXML(overlay, 0)
    with pytest.raises(
        Conflict, match="the root disk of 'web01' can't be made anew; it is the base of '.*clone.qcow2'"
    ):
        world.plan(OTHER)
    volume.delete(0)
    world.conn.lookupByName("web01").snapshotCreateXML("<domainsnapshot/>")
    with pytest.raises(Conflict, match="the guest 'web01' has snapshots, which need its root disk"):
        world.plan(OTHER)


@pytest.mark.parametrize("failing", ["image_disk", "shutdown", "define", "start"])
def test_a_rebuild_that_fails_brings_the_old_disk_back(world, failing, monkeypatch):
    world.run(LAUNCH)
    before, volumes_before = root_volume(world), world.show()[1]
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import execute

    def fail(run, action):
        raise KvmfleetError("the host can't")

    with monkeypatch.context() as patch:
        patch.setitem(execute.ACTIONS, failing, fail)
        spec = world.spec(OTHER)
        observed = resource.observe(world.conn, spec)
        with pytest.raises(KvmfleetError, match="the host can't"):
            resource.execute(world.conn, spec, observed, resource.plan(spec, observed))
    assert root_volume(world) == before
    if failing != "image_disk":
        assert world.show()[1] == volumes_before
    world.run(dict(LAUNCH, rebuild="changed"))
    assert world.show()[1] == volumes_before and root_volume(world) == before
    world.run(OTHER)
    assert root_volume(world)[:2] == ("web01-vda.1.qcow2", "other.abcdef012345.qcow2")


@pytest.mark.parametrize("count", range(1, 7))
def test_a_rebuild_that_was_killed_and_given_up_leaves_nothing(world, count):
    world.run(LAUNCH)
    with pytest.raises(Killed):
        test_runs._killed_after(world, OTHER, count)
    world.run({"name": "web01"})
    assert len(volumes(world)) == 1
    assert actions(world.plan({"name": "web01"})) == []
    world.run({"name": "web01", "state": "absent"})
    assert volumes(world) == []
