# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Many instances as one resource of the runner: one connection, one bulk read, each with its own plan and its own outcome."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _lock, _params, _plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import addresses, bulk, describe, recorded
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import resource
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.argspec import instance_options
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.observe import users_of
from ansible_collections.kvmfleet.compute.plugins.module_utils._runner import Convergence, converging

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.disks import DiskSpec

OPTIONS = {
    "instances": {"type": "list", "elements": "dict", "required": True},
    "defaults": {"type": "dict", "default": {}},
    "parallel": {"type": "int", "default": 4},
    "purge": {"type": "bool", "default": False},
    "purge_tags": {"type": "list", "elements": "str", "default": []},
}
# The options that AnsibleModule does not see: what is wrong with one instance is no error of the others.
INSIDE = {"instances": instance_options(), "defaults": instance_options()}


@dataclass
class Entry:
    """One instance on its way through the verbs; `error` ends the way."""

    name: str
    spec: Any = None
    convergence: Convergence = None  # type: ignore[assignment]
    error: _errors.KvmfleetError | None = None

    @property
    def observed(self) -> Any:
        return self.convergence.observed

    @property
    def plan(self) -> _plan.Plan:
        return _plan.Plan() if self.convergence is None else self.convergence.plan

    def attempt(self, step: Callable[[Entry], object]) -> None:
        """Do one step, unless an earlier one failed."""
        if self.error is None:
            try:
                step(self)
            except _errors.KvmfleetError as exc:
                self.error = exc


@dataclass
class BatchSpec:
    """The entries of a task; those to purge are found when the host is read.

    locks: by the name of each guest, what it needs locked; None where nothing is locked. missed: why that can't be had, by name.
    """

    uri: str
    entries: tuple[Entry, ...]
    parallel: int
    purge: bool
    purge_tags: tuple[str, ...]
    locks: dict[str, list[_lock.Lock]] | None = None
    missed: dict[str, _errors.TimedOut] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """What was read of the host: every entry with what was observed, and the leases of all its networks.

    opened: the entries' convergences, which end with the batch.
    """

    entries: tuple[Entry, ...]
    leases: addresses.Addresses | None
    opened: contextlib.ExitStack


@dataclass(frozen=True)
class BatchPlan:
    """The plans of all entries as one; a value like _plan.Plan."""

    entries: tuple[Entry, ...]

    @property
    def changed(self) -> bool:
        return any(entry.plan.changed for entry in self.entries)

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(f"{entry.name}: {warning}" for entry in self.entries for warning in entry.plan.warnings)

    def describe(self) -> facet.Values:
        plans = [entry.plan for entry in self.entries]
        return {
            "changed": self.changed,
            "actions": [action.describe() for plan in plans for action in plan.actions],
            "restart_required": sorted({entry.name for entry in self.entries if entry.plan.restart_required}),
            "diff": [
                {
                    "before_header": entry.name,
                    "after_header": entry.name,
                    "before": entry.plan.before,
                    "after": entry.plan.after,
                }
                for entry in self.entries
                if entry.plan.changed
            ],
        }


def parse(params: facet.Values) -> BatchSpec:
    """Return the BatchSpec of a task. What is wrong with one instance is that one's error; raises InvalidInput for the list."""
    if params["parallel"] < 1:
        raise _errors.InvalidInput.of("parallel", params["parallel"], "at least one guest is started at a time")
    validator = ArgumentSpecValidator(INSIDE["instances"])
    entries = tuple(
        _entry(index, dict(params["defaults"], **given), validator, params["uri"])
        for index, given in enumerate(params["instances"])
    )
    _check_distinct(entries)
    return BatchSpec(params["uri"], entries, params["parallel"], params["purge"], tuple(params["purge_tags"]))


def _entry(index: int, given: facet.Values, validator: ArgumentSpecValidator, uri: str) -> Entry:
    option = f"instances[{index}]"
    if not isinstance(given.get("name"), str):
        raise _errors.InvalidInput.of(f"{option}.name", given.get("name"), "each instance needs a name of its own")
    _params.check({"name": {}}, given, f"{option}.")
    entry = Entry(given["name"])

    def check(found: Entry) -> None:
        misfit = _params.explain(INSIDE["instances"], given, f"{option}.")
        if misfit:
            raise _errors.InvalidInput(misfit)
        checked = validator.validate(given)
        if checked.error_messages:
            raise _errors.InvalidInput(f"{option}: {_errors.shorten('; '.join(checked.error_messages), 2000)}")
        _params.check(INSIDE["instances"], checked.validated_parameters, f"{option}.")
        found.spec = resource.parse(dict(checked.validated_parameters, uri=uri))

    entry.attempt(check)
    return entry


def _check_distinct(entries: Iterable[Entry]) -> None:
    """Two instances can't have one name, MAC address or disk; what exists already is looked at with each instance."""
    specs = [entry.spec for entry in entries if entry.spec is not None]
    nics = [item for spec in specs for item in spec.wanted.get("interfaces", ())]
    disks = [disk for spec in specs for disk in spec.disks if not _is_shared(disk)]
    for option, values, what in (
        ("name", [entry.name for entry in entries], "name"),
        ("interfaces.mac", [item["mac"] for item in nics if "mac" in item], "MAC address"),
        ("disks.source", [disk.source for disk in disks if disk.source is not None], "disk"),
        ("disks.volume", [f"{disk.pool}/{disk.volume}" for disk in disks if disk.volume is not None], "disk"),
    ):
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise _errors.InvalidInput.of(f"instances.{option}", twice, f"two instances of the list have this {what}")


def _is_shared(disk: DiskSpec) -> bool:
    given = disk.attributes
    return given.get("shareable") or given.get("readonly") or given.get("device") == "cdrom"


def locks(conn: Conn, batch_spec: BatchSpec) -> list[_lock.Lock]:
    """Return the Locks of all guests of a task, those to purge among them."""
    entries = [entry for entry in batch_spec.entries if entry.error is None]
    if batch_spec.purge:
        entries += _unlisted(batch_spec, bulk.Known(conn))
    batch_spec.locks = {entry.name: resource.locks(conn, entry.spec) for entry in entries}
    return [lock for needed in batch_spec.locks.values() for lock in needed]


def miss(batch_spec: BatchSpec, errors: dict[_lock.Lock, _errors.TimedOut]) -> None:
    """Keep why some instances can't be touched now: their locks can't be had."""
    for name, needed in (batch_spec.locks or {}).items():
        for lock in needed:
            if lock in errors:
                batch_spec.missed[name] = errors[lock]


def observe(conn: Conn, batch_spec: BatchSpec) -> Batch:
    """Return the Batch: all guests of the host by one bulk read, those to purge among them, each with its plan."""
    with contextlib.ExitStack() as opened:
        known, users = bulk.Known(conn), users_of(conn)
        entries = list(batch_spec.entries)
        if batch_spec.purge:
            # One that has appeared since the guests were locked is left to the next run.
            entries += [
                e for e in _unlisted(batch_spec, known) if batch_spec.locks is None or e.name in batch_spec.locks
            ]
        for entry in entries:
            entry.error = entry.error or batch_spec.missed.get(entry.name)
            if entry.error is None:
                entry.convergence = opened.enter_context(converging(resource, conn, entry.spec))
            entry.attempt(lambda found: found.convergence.look(known, users))
        return Batch(tuple(entries), addresses.leases(conn), opened.pop_all())


def _unlisted(batch_spec: BatchSpec, known: bulk.Known) -> list[Entry]:
    """Managed guests with the tags to purge that the task does not list, to be removed; never those of somebody else."""
    listed = {entry.name for entry in batch_spec.entries}
    validator = ArgumentSpecValidator(INSIDE["instances"])
    found = []
    for domain in known.domains():
        name = domain.name()
        ours = recorded.of_domain(domain) if name not in listed else None
        if ours is not None and set(batch_spec.purge_tags) <= set(ours.tags):
            params = validator.validate({"name": name, "state": "absent"}).validated_parameters
            found.append(Entry(name, resource.parse(dict(params, uri=batch_spec.uri))))
    return sorted(found, key=lambda entry: entry.name)


def plan(batch_spec: BatchSpec, batch: Batch) -> BatchPlan:
    """Return the BatchPlan, complete before the first write."""
    return BatchPlan(batch.entries)


def check(conn: Conn, batch_spec: BatchSpec, batch: Batch, batch_plan: BatchPlan) -> None:
    """Give the entries whose planned definition libvirt would refuse their error; all are asked about at once."""
    entries = [entry for entry in batch.entries if entry.error is None and resource.defines(entry.plan)]
    if entries:
        from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import check as checks

        found = checks.refusals(conn, [(entry.spec, entry.observed, entry.plan) for entry in entries])
        for entry, error in zip(entries, found):
            entry.error = error


def execute(conn: Conn, batch_spec: BatchSpec, batch: Batch, batch_plan: BatchPlan) -> facet.Values:
    """Carry the plans out, so many at a time; one that fails does not keep the others from going on."""

    def carry_out(entry: Entry) -> None:
        entry.attempt(lambda found: told.extend(_execute(found)))

    told: list[str] = []
    with ThreadPoolExecutor(batch_spec.parallel) as pool:
        list(pool.map(carry_out, batch.entries))
    return {"warnings": sorted(told)}


def _execute(entry: Entry) -> list[str]:
    """Carry the plan of one instance out; return its warnings."""
    done = entry.convergence.execute() or {}
    return [f"{entry.name}: {warning}" for warning in done.get("warnings", ())]


def report(conn: Conn, batch_spec: BatchSpec, batch: Batch, executed: bool) -> facet.Values:
    """Return the result of each instance. Raises KvmfleetError, with the same results, when one of them failed."""
    batch.opened.close()
    results = [_result(conn, entry, executed, batch.leases) for entry in batch.entries]
    failed = [f"{entry.name}: {entry.error.message}" for entry in batch.entries if entry.error is not None]
    if failed:
        told = "; ".join(failed)
        raise _errors.KvmfleetError(
            f"{len(failed)} of {len(results)} instances failed: {told}",
            instances=results,
            done=[action for result in results for action in result["done" if "done" in result else "actions"]]
            if executed
            else [],
            changed=executed and any(result["changed"] for result in results),
        )
    return {"instances": results}


def _result(conn: Conn, entry: Entry, executed: bool, leases: addresses.Addresses | None) -> facet.Values:
    found = entry.plan.describe()
    result: facet.Values = {
        "name": entry.name,
        "changed": found["changed"],
        "actions": found["actions"],
        "restart_required": found["restart_required"],
        "failed": entry.error is not None,
        "instance": None,
    }
    if entry.error is not None:
        result["msg"] = entry.error.message
        result["changed"] = entry.error.details.get("changed", False)
        result["done"] = entry.error.details.get("done", [])
    elif executed and (entry.plan.changed or entry.spec.wait_for):
        result.update(resource.report(conn, entry.spec, entry.observed, True))
    elif entry.observed.exists:
        result["instance"] = describe.observed(conn, entry.observed, leases)
    return result
