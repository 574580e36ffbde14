# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Pruning of an image store as a resource of the runner: versions that are old, and that nobody needs, are deleted."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, replace
from itertools import groupby

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors, _lock, _plan, _units
from ansible_collections.kvmfleet.compute.plugins.module_utils._execute import Run, carry_out
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import store as image_store
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.info import age, known, versions
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.observe import find_pool, is_ours, pool_directory
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.naming import check_name
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.uses import Uses, read, still

OPTIONS = {
    "name": {"type": "str"},
    "pool": {"type": "str", "default": "images"},
    "older_than": {"type": "str", "required": True},
    "keep": {"type": "int", "default": 1},
    "timeout": {"type": "str", "default": "5m"},
}


@dataclass(frozen=True)
class PruneSpec:
    """Which versions may go: older_than and timeout in seconds; keep: how many of each image stay in any case."""

    name: str
    pool: str
    older_than: float
    keep: int
    timeout: float


@dataclass(frozen=True)
class Observed:
    """directory: the store's; found: (name, Version, current) of each version that is ours; now_ns: the time."""

    directory: str
    found: tuple
    uses: Uses
    now_ns: int


def parse(params):
    """Return the PruneSpec of a task's parameters. Raises InvalidInput."""
    if params["keep"] < 0:
        raise _errors.InvalidInput.of("keep", params["keep"], "it is a number of versions, 0 or more")
    return PruneSpec(
        name=params["name"] if params["name"] is None else check_name("name", params["name"]),
        pool=params["pool"],
        older_than=_units.parse_duration("older_than", params["older_than"]),
        keep=params["keep"],
        timeout=_units.parse_duration("timeout", params["timeout"]),
    )


def observe(conn, spec):
    """Return the Observed for a spec. Raises KvmfleetError."""
    with _connection.doing(f"reading the storage pool {spec.pool}"):
        directory = pool_directory(find_pool(conn, spec.pool), spec.pool)
        found = tuple(entry for entry in versions(directory, spec.name) if is_ours(directory, entry[1]))
        uses = read(conn)
    return Observed(directory, found, uses, time.time_ns())


def plan(spec, observed):
    """Return the Plan that deletes what is old and not needed. Pure."""
    goes = _prunable(spec, observed)
    actions = [_plan.Action("delete", version.file, (name, version)) for name, version, _current in goes]
    if actions:
        actions.append(_plan.Action("refresh_pool", spec.pool))
    stays = [version.file for _name, version, _current in observed.found]
    before = "".join(f"{file}\n" for file in stays)
    after = "".join(f"{file}\n" for file in stays if file not in {version.file for _name, version, _current in goes})
    return _plan.Plan(actions=tuple(actions), before=before, after=after)


def _prunable(spec, observed):
    goes = []
    for _name, found in groupby(observed.found, key=lambda entry: entry[0]):
        for entry in list(found)[spec.keep :]:
            version = entry[1]
            if age(version, observed.now_ns) >= spec.older_than and not observed.uses.user(version.path):
                goes.append(entry)
    return goes


def execute(conn, spec, observed, plan):
    """Carry a plan out; a version that has come into use since is left alone. Raises KvmfleetError."""
    run = Run(conn, spec, observed)
    run.deadline = time.monotonic() + spec.timeout
    carry_out(plan, ACTIONS, run)
    return replace(plan, actions=tuple(run.done)).describe()


def _delete(run, action):
    name, version = action.data
    directory = run.observed.directory
    left = run.deadline - time.monotonic()
    with (
        _lock.held_all(directory, [_lock.image(name)], left, option="timeout"),
        _connection.doing(f"looking for what needs {action.subject}"),
        still(run.conn),
    ):
        needed = read(run.conn).user(version.path)
        if not needed:
            _delete_files(directory, version)
    return not needed


def _refresh_pool(run, action):
    if not run.done:
        return False
    with _connection.doing(f"refreshing the storage pool {action.subject}"):
        find_pool(run.conn, action.subject).refresh(0)
    return True


ACTIONS = {"delete": _delete, "refresh_pool": _refresh_pool}


def _delete_files(directory, version):
    # What is known goes first: a version without it is still a version, and is deleted by the next run.
    with _errors.file_errors(f"delete {version.path}"):
        image_store.forget_info(directory, version.file)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(version.path)


def report(conn, spec, observed, executed):
    """Return the result's own key: the versions that were deleted, in check mode those that would be."""
    goes = _prunable(spec, observed)
    if executed:
        goes = [entry for entry in goes if not os.path.exists(entry[1].path)]
    return {"pruned": [known(entry, spec.pool, observed.uses, observed.now_ns) for entry in goes]}
