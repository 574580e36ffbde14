# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What libvirt tells of many guests in one call."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt


def statistics(conn, domains, groups):
    """Return (domain, parameters) of each of the domains; one that vanished is not in it.

    groups: flags of VIR_DOMAIN_STATS_*. A guest that is busy with a job of its own is not waited for: those values that
    only its QEMU process knows are missing then.
    Source: virDomainListGetStats.
    """
    if not domains:
        return []
    return conn.domainListGetStats(domains, groups, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT)


def uuids(conn, flag):
    """Return the UUIDs of the guests that a flag of VIR_CONNECT_LIST_DOMAINS_* selects.

    Source: virConnectListAllDomains.
    """
    return {domain.UUIDString() for domain in conn.listAllDomains(flag)}


def saved_uuids(conn):
    """Return the UUIDs of the guests that have a managed save image."""
    return uuids(conn, libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)
