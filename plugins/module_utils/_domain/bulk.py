# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What libvirt tells of many guests in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn, Domain, libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facts import Facts
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import has_save_file, state_words


def statistics(conn: Conn, domains: Sequence[Domain], groups: int) -> list[tuple[Domain, dict[str, Any]]]:
    """Return (domain, parameters) of each of the domains; one that vanished is not in it.

    groups: flags of VIR_DOMAIN_STATS_*. A guest that is busy with a job of its own is not waited for: those values that
    only its QEMU process knows are missing then.
    Source: virDomainListGetStats.
    """
    if not domains:
        return []
    return conn.domainListGetStats(domains, groups, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT)


def uuids(conn: Conn, flag: int) -> set[str]:
    """Return the UUIDs of the guests that a flag of VIR_CONNECT_LIST_DOMAINS_* selects.

    Source: virConnectListAllDomains.
    """
    return {domain.UUIDString() for domain in conn.listAllDomains(flag)}


def saved_uuids(conn: Conn) -> set[str]:
    """Return the UUIDs of the guests that have a managed save image, by one call for all and one for each that is saved."""
    saved = conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)
    return {domain.UUIDString() for domain in saved if has_save_file(domain)}


def read(conn: Conn, domains: Sequence[Domain], groups: int = 0) -> list[tuple[Domain, Facts, dict[str, Any]]]:
    """Return (domain, Facts, parameters) of each of the domains, by four calls for all of them and one for each that is saved.

    groups: further flags of VIR_DOMAIN_STATS_*, whose parameters are wanted.
    """
    found = statistics(conn, domains, groups | libvirt.VIR_DOMAIN_STATS_STATE)
    saved = saved_uuids(conn)
    persistent = uuids(conn, libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT)
    autostart = uuids(conn, libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART)
    guests = []
    for domain, parameters in found:
        key = domain.UUIDString()
        state, reason = state_words(parameters["state.state"], parameters["state.reason"], key in saved)
        facts = Facts(
            name=domain.name(),
            uuid=key,
            id=None if domain.ID() == -1 else domain.ID(),
            state=state,
            reason=reason,
            persistent=key in persistent,
            autostart=key in autostart,
        )
        guests.append((domain, facts, parameters))
    return guests


class Known:
    """All guests of a host as they were at one time; is asked for domains as a connection is, and for their Facts."""

    def __init__(self, conn: Conn) -> None:
        guests = read(conn, conn.listAllDomains(0))
        self._by_name = {facts.name: (domain, facts) for domain, facts, _parameters in guests}
        self._by_uuid = {facts.uuid: (domain, facts) for domain, facts, _parameters in guests}

    def lookupByName(self, name: str) -> Domain | None:  # noqa: N802
        return self._by_name.get(name, (None, None))[0]

    def lookupByUUIDString(self, uuid: str) -> Domain | None:  # noqa: N802
        return self._by_uuid.get(uuid, (None, None))[0]

    def facts(self, domain: Domain) -> Facts:
        return self._by_uuid[domain.UUIDString()][1]

    def domains(self) -> list[Domain]:
        return [domain for domain, _facts in self._by_name.values()]
