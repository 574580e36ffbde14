# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Find a guest by what people call it."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import doing, unless_gone
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import NotFound


def find(conn, guest):
    """Return the domain with this name, else the one with this UUID.

    Raises NotFound and LibvirtFailed. Source: virDomainLookupByName, virDomainLookupByUUIDString.
    """
    with doing(f"looking for the guest {guest!r}"):
        for lookup in (conn.lookupByName, conn.lookupByUUIDString):
            domain = unless_gone(lambda: lookup(guest), libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_INVALID_ARG)  # noqa: B023
            if domain is not None:
                return domain
    raise NotFound(f"there is no guest with the name or the UUID {guest!r} at {conn.getURI()}")
