# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two tasks on one guest at once, driven step by step: one stops at an action, and the other begins there.

The other waits, or is refused when it may not wait; in the end all is as when one had run after the other.
"""

from __future__ import annotations

import re
import threading

import libvirt
import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _runner
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import batch, resource
from ansible_collections.kvmfleet.compute.tests.unit.plugins.kill import Stop, chosen
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance import test_runs
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.test_rebuild import add_image
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.test_runs import LAUNCH, actions

world = test_runs.world

OFF = dict(LAUNCH, state="stopped", autostart=False)
ABSENT = {"name": "web01", "state": "absent"}
RESIZE = dict(LAUNCH, memory="128MiB", root_disk="3GiB", resize={"confirm": "manual"})
SIZES = dict(LAUNCH, memory="128MiB", resize={"confirm": "manual"})
CONFIRM = {"name": "web01", "resize": {"action": "confirm"}}
REVERT = {"name": "web01", "resize": {"action": "revert"}}
REBUILD = dict(LAUNCH, image="other", rebuild="changed")
CLONE = {"name": "copy01", "clone_from": {"name": "web01"}}
# (what has run before, the task that is stopped at each of its actions, the one that begins then).
PAIRS = {
    "the same launch": ([], LAUNCH, LAUNCH),
    "two launches that differ": ([], LAUNCH, dict(LAUNCH, memory="128MiB", disks=[{"target": "vdb", "size": "2GiB"}])),
    "a launch and its removal": ([], LAUNCH, ABSENT),
    "two rebuilds": ([LAUNCH], REBUILD, dict(REBUILD, rebuild="always")),
    "a rebuild and a change": ([LAUNCH], REBUILD, {"name": "web01", "state": "restarted", "tags": ["b"]}),
    "a resize is reverted and confirmed": ([LAUNCH, SIZES], REVERT, CONFIRM),
    "a resize is confirmed and reverted": ([LAUNCH, SIZES], CONFIRM, REVERT),
    "a resize and its revert": ([LAUNCH], RESIZE, REVERT),
    "two reverts": ([LAUNCH, RESIZE], REVERT, REVERT),
    "a removal and a change": ([LAUNCH], ABSENT, {"name": "web01", "state": "running", "tags": ["b"]}),
    "a removal and a launch": ([LAUNCH], ABSENT, LAUNCH),
    "a change and a removal": ([LAUNCH], dict(LAUNCH, memory="128MiB", state="restarted"), ABSENT),
    "a rescue and a stop": ([LAUNCH], {"name": "web01", "state": "rescued"}, {"name": "web01", "state": "stopped"}),
    "a clone and a start of its source": ([OFF], CLONE, {"name": "web01", "state": "running"}),
    "a change of a source and its clone": ([OFF], {"name": "web01", "memory": "128MiB", "state": "running"}, CLONE),
}


def converge(world, params, lock_timeout):
    """Run as a module does, once the locks are had."""
    with _runner.converging(resource, world.conn, world.spec(params), lock_timeout) as convergence:
        convergence.look()
        convergence.execute()


def attempt(world, params, lock_timeout=30):
    """Return what a run says when it fails."""
    try:
        converge(world, params, lock_timeout)
    except _errors.KvmfleetError as exc:
        return exc.message
    return None


def shown(world):
    found, volumes = world.show()
    return sorted(re.sub(r' boot="\d+"|(\\n| )+', " ", repr(one)) for one in found), volumes


def clear(world):
    for domain in world.conn.listAllDomains():
        if domain.name() != "test":
            world.run({"name": domain.name(), "state": "absent"})


def prepared(world, before):
    clear(world)
    for params in before:
        world.run(params)


def cases():
    """(name, moment, count): the first action of each pair; all of them where all is wanted."""
    every = [(name, moment, count) for name in PAIRS for count in range(1, 10) for moment in ("before", "after")]
    return chosen(every, [(name, "after", 1) for name in PAIRS])


@pytest.mark.parametrize(("name", "moment", "count"), cases())
def test_of_two_tasks_on_one_guest_one_waits(world, locks, name, moment, count, record_property):
    add_image(world, "other", "abcdef012345")
    before, first, second = PAIRS[name]
    prepared(world, before)
    if count > len(world.plan(first).actions):
        assert count > 1
        return
    record_property("races", 1)
    outcome = [attempt(world, first), attempt(world, second)]
    one_after_the_other = shown(world)

    prepared(world, before)
    with Stop(moment, count, lambda: attempt(world, first)) as stopped:
        meanwhile = shown(world)
        refused = attempt(world, second, lock_timeout=0)
        assert refused is not None and "is being used by another task" in refused
        assert shown(world) == meanwhile, "who is refused changes nothing"
        waiting = threading.Thread(target=lambda: outcome.append(attempt(world, second)))
        waiting.start()
        stopped.go_on()
    waiting.join()
    assert [stopped.result, outcome.pop()] == outcome
    assert shown(world) == one_after_the_other
    assert list(locks.iterdir()) == []


def test_check_mode_waits_for_nobody(world):
    with Stop("after", 1, lambda: attempt(world, LAUNCH)):
        with _runner.converging(resource, world.conn, world.spec(LAUNCH), None) as convergence:
            convergence.look()
        assert convergence.plan.changed


def test_clones_of_one_guest_do_not_wait_for_each_other(world):
    prepared(world, [OFF])
    with Stop("after", 1, lambda: attempt(world, CLONE)):
        assert attempt(world, dict(CLONE, name="copy02"), lock_timeout=0) is None


def entries(world, *tasks):
    params = {
        "instances": list(tasks),
        "defaults": {},
        "parallel": 2,
        "purge": False,
        "purge_tags": [],
        "uri": world.uri,
    }
    return batch.parse(params)


def run_batch(world, spec, lock_timeout):
    with _runner.converging(batch, world.conn, spec, lock_timeout) as convergence:
        convergence.look()
        convergence.execute()
        return {entry.name: entry.error and entry.error.message for entry in convergence.observed.entries}


def test_a_batch_goes_on_with_the_guests_that_nobody_uses(world):
    one, two = ({"name": name, "memory": "64MiB", "vcpus": "1"} for name in ("web01", "web02"))
    with Stop("after", 1, lambda: attempt(world, one)):
        errors = run_batch(world, entries(world, one, two), 0)
    assert errors["web02"] is None and "the guest 'web01' is being used by" in errors["web01"]


def test_a_guest_that_is_used_is_not_purged(world):
    one, two = (dict(LAUNCH, name=name, disks=[]) for name in ("web01", "web02"))
    world.run(one)
    spec = entries(world, two)
    spec.purge, spec.purge_tags = True, ("web",)
    with Stop("after", 1, lambda: attempt(world, dict(one, memory="128MiB"))):
        errors = run_batch(world, spec, 0)
    assert errors["web02"] is None and "the guest 'web01' is being used by" in errors["web01"]
    assert ">131072</memory>" in world.conn.lookupByName("web01").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert run_batch(world, entries(world, two), 0) == {"web02": None}


def test_two_batches_in_other_orders_end(world):
    names = ["a", "b", "c", "d"]
    tasks = [{"name": name, "memory": "64MiB", "vcpus": "1"} for name in names]
    results = []

    def work(order):
        for size in ("64MiB", "96MiB", "64MiB"):
            spec = entries(world, *(dict(task, memory=size, state="stopped") for task in order))
            results.append(run_batch(world, spec, 30))

    threads = [threading.Thread(target=work, args=(order,)) for order in (tasks, tasks[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [dict.fromkeys(names)] * 3 + [dict.fromkeys(names)] * 3


def user_of(disk):
    return {"name": "db01", "memory": "64MiB", "vcpus": "1", "disks": [{"volume": disk}]}


@pytest.mark.parametrize("task", [ABSENT, {"name": "copy01", "state": "absent"}])
def test_a_disk_that_another_guest_has_got_since_is_not_deleted(world, task):
    """The guest is undefined before its disks are deleted, and then nobody has them."""
    world.run(OFF)
    if task is not ABSENT:
        world.run(CLONE)
    disk = f"{task['name']}-vda.qcow2"
    undefined = actions(world.plan(task)).index("undefine") + 1
    with Stop("after", undefined, lambda: attempt(world, task)) as stopped:
        assert attempt(world, user_of(disk)) is None
    assert stopped.result is None
    assert disk in world.show()[1]["default"] and f"{task['name']}-vdb.qcow2" not in world.show()[1]["default"]
    assert actions(world.plan(task)) == []


def test_a_disk_that_is_deleted_meanwhile_is_not_attached(world):
    world.run(OFF)
    undefined = actions(world.plan(ABSENT)).index("undefine") + 1
    with Stop("after", undefined, lambda: attempt(world, ABSENT)) as removal:
        spec = world.spec(user_of("web01-vda.qcow2"))
        observed = resource.observe(world.conn, spec)
        plan = resource.plan(spec, observed)
        removal.go_on()
        removal.join()
        with pytest.raises(_errors.KvmfleetError, match="web01-vda.qcow2"):
            resource.execute(world.conn, spec, observed, plan)
    assert "db01" not in [domain.name() for domain in world.conn.listAllDomains()]


def test_two_guests_do_not_get_one_disk(world):
    world.conn.storagePoolLookupByName("default").createXML(test_runs.VOLUME.format("data.qcow2"), 0)
    one = user_of("data.qcow2")
    with Stop("before", 1, lambda: attempt(world, one)) as stopped:
        assert attempt(world, dict(one, name="db02")) is None
    assert "data.qcow2" in stopped.result and "in use by the guest 'db02'" in stopped.result
    assert "db01" not in [domain.name() for domain in world.conn.listAllDomains()]
