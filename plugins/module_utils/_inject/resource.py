# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What is in the disks of a guest that is off, as a resource of the runner: the five verbs under one name."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _lock
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import lookup
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject.execute import execute
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject.observe import observe
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject.plan import plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject.spec import parse

__all__ = ["execute", "locks", "observe", "parse", "plan", "report"]


def locks(conn, inject_spec):
    """Return the Locks of a task."""
    return [_lock.guest(lookup.name_of(conn, inject_spec.name))]


def report(conn, inject_spec, observed, executed):
    """Return the guest's state, and what was found; after a write execute has told that."""
    found = {"state": observed.state}
    return found if executed else dict(found, system=observed.system)
