# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""An instance as a resource of the runner: the five verbs under one name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _lock
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import describe, lookup
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.observe import find, observe
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.plan import plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.spec import parse

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils import _plan
    from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import procedure

__all__ = ["check", "execute", "locks", "observe", "parse", "plan", "report"]


# The actions that define the guest.
_DEFINES = ("define", "resize")


def defines(the_plan: _plan.Plan) -> bool:
    """Tell whether a plan gives the guest another definition."""
    return any(action.name in _DEFINES for action in the_plan.actions)


def check(
    conn: Conn, instance_spec: procedure.InstanceSpec, observed: procedure.Observed, the_plan: _plan.Plan
) -> None:
    """Refuse a planned definition that libvirt would refuse. Raises InvalidInput."""
    if defines(the_plan):
        from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import check as checks

        for error in filter(None, checks.refusals(conn, [(instance_spec, observed, the_plan)])):
            raise error


def locks(conn: Conn, instance_spec: procedure.InstanceSpec) -> list[_lock.Lock]:
    """Return the Locks of a task: the guest's, and that of the guest that it is to be a clone of, which others may clone, too."""
    found = [_lock.guest(instance_spec.name)]
    cloned = instance_spec.procedures.get("clone_from")
    if cloned is not None:
        found.append(_lock.guest(lookup.name_of(conn, cloned.name), shared=True))
    return found


def execute(
    conn: Conn, instance_spec: procedure.InstanceSpec, observed: procedure.Observed, the_plan: _plan.Plan
) -> dict[str, Any]:
    """Carry a plan out. Most runs find nothing to do, and are spared what it takes to do something."""
    if not the_plan.actions and instance_spec.wait_for is None:
        return {}
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.execute import execute as carry_out

    return carry_out(conn, instance_spec, observed, the_plan)


def report(
    conn: Conn, instance_spec: procedure.InstanceSpec, observed: procedure.Observed, executed: bool
) -> dict[str, Any]:
    """Return the result's own key: the instance as it is now, None when there is none."""
    if executed or instance_spec.wait_for:
        domain = find(conn, instance_spec)
        return {"instance": None if domain is None else describe.instance(conn, domain)}
    return {"instance": describe.observed(conn, observed) if observed.exists else None}
