# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A network as a resource of the runner: the five verbs under one name."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _lock
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.describe import describe
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.execute import execute
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.observe import observe
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.plan import plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.spec import parse

__all__ = ["execute", "locks", "observe", "parse", "plan", "report"]


def locks(conn, network_spec):
    """Return the Locks of a task."""
    return [_lock.networks()]


def report(conn, network_spec, observed, executed):
    """Return the result's own key: the network as it is now, None when there is none."""
    found = observe(conn, network_spec) if executed else observed
    return {"network": describe(network_spec.name, found) if found.exists else None}
