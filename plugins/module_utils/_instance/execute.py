# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""execute: the one place that writes. Each action is safe to repeat; a failed run undoes what must not stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn, Domain
from ansible_collections.kvmfleet.compute.plugins.module_utils._execute import Run as BaseRun
from ansible_collections.kvmfleet.compute.plugins.module_utils._execute import carry_out
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.wait import wait_for
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.actions import (
    definition,
    devices,
    power,
    storage,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.observe import find
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import table

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils import _plan
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import procedure

ACTIONS = dict(
    **definition.ACTIONS,
    **storage.ACTIONS,
    **devices.ACTIONS,
    **power.ACTIONS,
    **table.actions(),
)


def execute(conn: Conn, spec: procedure.InstanceSpec, observed: procedure.Observed, plan: _plan.Plan) -> dict[str, Any]:
    """Carry a plan out, and see that the guest is in the state that was wanted.

    When the plan fails, what its actions said must not stay is undone, the latest first.
    """
    run = Run(conn, spec, observed)
    carry_out(plan, ACTIONS, run)
    with run.reporting():
        if run.done:
            power.check_goal(run)
        if spec.wait_for:
            wait_for(conn, run.domain(), spec.wait_for, before=run.leases_before)
    return {"warnings": run.warnings}


class Run(BaseRun):
    """What the actions of one run share, the guest's domain and what is to be warned of among it."""

    def __init__(self, conn: Conn, spec: procedure.InstanceSpec, observed: procedure.Observed) -> None:
        super().__init__(conn, spec, observed)
        self.warnings = []
        self.leases_before: dict[tuple[str, str], int] | None = None
        self._domain: Domain | None = None

    def domain(self) -> Domain:
        """The guest's domain. Raises LibvirtFailed when it is gone."""
        if self._domain is None:
            self._domain = find(self.conn, self.spec)
        if self._domain is None:
            raise _errors.LibvirtFailed(f"the guest {self.spec.name!r} has vanished meanwhile")
        return self._domain

    def defined(self, domain: Domain) -> None:
        self._domain = domain
