# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""An instance as a resource of the runner: the five verbs under one name."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import describe
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.execute import execute
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.observe import find, observe
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.plan import plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.spec import spec

__all__ = ["execute", "observe", "plan", "report", "spec"]


def report(conn, instance_spec):
    """Return the result's own key: the instance as it is now, None when there is none."""
    domain = find(conn, instance_spec)
    return {"instance": None if domain is None else describe.instance(conn, domain)}
