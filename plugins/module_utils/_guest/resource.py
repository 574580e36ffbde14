# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The system in a guest as a resource of the runner: the five verbs under one name."""

from __future__ import annotations

import base64

from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import files, information
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.errors import AgentError
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.execute import execute
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.observe import observe
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.plan import plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.spec import parse

__all__ = ["execute", "observe", "parse", "plan", "report"]


def report(conn, guest_spec, observed, executed):
    """Return the result's own keys: what the agent tells of the system, and the files that were asked for."""
    contents = [_content(observed.agent, path) for path in guest_spec.read]
    return {"guest": information.information(observed.domain, guest_spec.agent_timeout), "contents": contents}


def _content(agent, path):
    try:
        content = files.read(agent, path)
    except AgentError as exc:
        # In check mode it may be one that this run would make.
        if exc.no_such_file:
            return {"path": path, "size": None, "content": None}
        raise
    return {"path": path, "size": len(content), "content": base64.b64encode(content).decode()}
