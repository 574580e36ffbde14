# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A program that defines guests on a libvirt of its own, which ends with it, and says which of them libvirt refuses.

It reads JSON with `root` (the directory of that libvirt) and `definitions` (texts), and writes a list: libvirt's message or null for
each. A libvirt that crashes takes only this process with it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn, libvirt


def refusal(conn: Conn, definition: str) -> str | None:
    """Return why libvirt refuses a definition, None when it takes it. Source: virDomainDefineXMLFlags."""
    validate = getattr(libvirt, "VIR_DOMAIN_DEFINE_VALIDATE", 0)
    try:
        _define(conn, definition, validate)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() != libvirt.VIR_ERR_XML_INVALID_SCHEMA:
            return str(exc)
        return _without_schema(conn, definition) or "it does not match libvirt's schema"
    return None


def _without_schema(conn: Conn, definition: str) -> str | None:
    """Return what libvirt itself says of a definition against its schema: it names the value, which the schema does not."""
    try:
        _define(conn, definition, 0)
    except libvirt.libvirtError as exc:
        return str(exc)
    return None


def _define(conn: Conn, definition: str, flags: int) -> None:
    # Undefining it for each keeps those apart that have the same name.
    conn.defineXMLFlags(definition, flags).undefineFlags(
        libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    )


def main(task: dict[str, Any]) -> list[str | None]:
    """Return the refusal of each definition. Raises ConnectionFailed."""
    with connect(f"qemu:///embed?root={task['root']}") as conn:
        return [refusal(conn, definition) for definition in task["definitions"]]


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
