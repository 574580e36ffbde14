# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A program that defines guests on a libvirt of its own, which ends with it, and says which of them libvirt refuses.

It reads JSON with `root` (the directory of that libvirt) and `definitions` (texts), and writes a list of [libvirt's message or null, the
definition in libvirt's words or null], one for each. A libvirt that crashes takes only this process with it.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Optional

from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn, libvirt

Answer = tuple[Optional[str], Optional[str]]


def answer(conn: Conn, definition: str) -> Answer:
    """Return (why libvirt refuses a definition, None), or (None, what libvirt makes of it). Source: virDomainDefineXMLFlags."""
    try:
        return None, _defined(conn, definition, getattr(libvirt, "VIR_DOMAIN_DEFINE_VALIDATE", 0))
    except libvirt.libvirtError as exc:
        if exc.get_error_code() != libvirt.VIR_ERR_XML_INVALID_SCHEMA:
            return str(exc), None
    try:
        _defined(conn, definition, 0)
    except libvirt.libvirtError as exc:
        # libvirt itself names the value, which the schema does not.
        return str(exc), None
    return "it does not match libvirt's schema", None


def _defined(conn: Conn, definition: str, flags: int) -> str:
    domain = conn.defineXMLFlags(definition, flags)
    try:
        return str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))
    finally:
        # So that several of one name can be asked about. The NVRAM and the TPM of the definition are those of the host's guest.
        keep = libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM | getattr(libvirt, "VIR_DOMAIN_UNDEFINE_KEEP_TPM", 0)
        domain.undefineFlags(keep | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)


def main(task: dict[str, Any]) -> list[Answer]:
    """Return the answer to each definition. Raises ConnectionFailed."""
    with connect(f"qemu:///embed?root={task['root']}") as conn:
        return [answer(conn, definition) for definition in task["definitions"]]


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
