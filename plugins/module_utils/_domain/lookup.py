# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Find a guest by what people call it."""

from __future__ import annotations

import re

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn, Domain, libvirt

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}")


def by_name(conn: Conn, name: str) -> Domain | None:
    """Return the domain with this name, None when there is none. Source: virDomainLookupByName."""
    return _connection.unless_gone(
        lambda: conn.lookupByName(name), libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_INVALID_ARG
    )


def by_uuid(conn: Conn, uuid: str) -> Domain | None:
    """Return the domain with this UUID, None when there is none. Source: virDomainLookupByUUIDString."""
    return _connection.unless_gone(
        lambda: conn.lookupByUUIDString(uuid), libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_INVALID_ARG
    )


def find(conn: Conn, guest: str) -> Domain | None:
    """Return the domain with this name, else the one with this UUID, None when there is none.

    `conn` can be a bulk.Known, as for the other functions. Raises libvirt's errors.
    """
    domain = by_name(conn, guest)
    return by_uuid(conn, guest) if domain is None else domain


def require(conn: Conn, guest: str, sentence: str | None = None) -> Domain:
    """Return the domain that find returns. Raises NotFound, with the module's own sentence if it has one."""
    domain = find(conn, guest)
    if domain is None:
        raise _errors.NotFound(sentence or f"there is no guest with the name or the UUID {guest!r} at {conn.getURI()}")
    return domain


def name_of(conn: Conn, guest: str) -> str:
    """Return the name of the guest with this name or this UUID, or the text itself when there is none. Raises libvirt's errors."""
    if not _UUID.fullmatch(guest):
        return guest
    domain = find(conn, guest)
    return guest if domain is None else domain.name()
