# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The IP addresses of guests: from the DHCP leases of the networks, the guest agent, and the host's ARP table."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Optional

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn, Domain, libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.guest_devices import agent_connected
from ansible_collections.kvmfleet.compute.plugins.module_utils._optional import if_available, unless_unreadable

SOURCES = ("lease", "agent", "arp")
DEFAULT_SOURCES = ("lease", "agent")
ASK = object()
# Whole seconds that an agent has to tell its addresses.
AGENT_TIMEOUT = 5


# {mac: [{address, prefix, family, source}]}; an interface of a definition may have no MAC address yet.
Addresses = dict[Optional[str], list[dict[str, Any]]]


@dataclass(frozen=True)
class Lease:
    """A DHCP lease as libvirt tells it. It may be from an earlier boot of the guest.

    address: as it is reported. end: when the lease ends unless the guest renews it, in seconds since 1970 by the host's clock; 0 when
    it never ends. interface: the host's interface that the network is on.
    """

    mac: str
    address: dict[str, Any]
    end: int
    interface: str | None


def read_leases(conn: Conn) -> list[Lease] | None:
    """Return all networks' DHCP leases, the newest first, one call per network; None where libvirt has no such list.

    Source: virNetworkGetDHCPLeases.
    """
    return if_available(lambda: sorted(_leases(conn), key=lambda lease: lease.end or float("inf"), reverse=True))


def leases(conn: Conn) -> Addresses | None:
    """Return {mac: [address]} of all networks' DHCP leases, the newest first; None where libvirt has no such list."""
    found = read_leases(conn)
    return None if found is None else table(found)


def table(found: Iterable[Lease]) -> Addresses:
    """Return {mac: [address]} of leases."""
    by_mac: Addresses = {}
    for lease in found:
        by_mac.setdefault(lease.mac, []).append(lease.address)
    return by_mac


def _leases(conn: Conn) -> Iterator[Lease]:
    # A network that stops or vanishes meanwhile has no leases.
    gone = (libvirt.VIR_ERR_NO_NETWORK, libvirt.VIR_ERR_OPERATION_INVALID)
    for network in conn.listAllNetworks(libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE):
        read = partial(_connection.unless_gone, network.DHCPLeases, *gone)
        for lease in unless_unreadable(f"the DHCP leases of the network {network.name()}", read) or ():
            known = entry(lease["ipaddr"], lease["prefix"], "lease")
            if known:
                yield Lease(lease["mac"].lower(), known, lease["expirytime"], lease["iface"])


def addresses(
    conn: Conn, domain: Domain, root: _xml.Element, sources: Sequence[str] = DEFAULT_SOURCES, known_leases: Any = ASK
) -> Addresses:
    """Return {mac: [{address, prefix, family, source}]} of a running guest's interfaces.

    Every source is asked; an address that several know is listed once, with the first. Link-local and loopback
    addresses are left out. The agent is asked only when it is connected, and one that fails or is silent knows no address.
    A lease may be from an earlier boot of the guest, and the ARP table may have an address that is not answered any more.
    Another source that fails knows none either, with a warning.
    known_leases: what leases() returned, so that it is asked for once for many guests.
    Source: virDomainInterfaceAddresses.
    """
    macs = [_xml.get(element, "mac/@address") for element in root.findall("devices/interface")]
    return merged(macs, (_ask(conn, domain, root, source, known_leases) for source in sources if macs))


def merged(macs: Iterable[str | None], tables: Iterable[Mapping[str | None, list[dict[str, Any]]]]) -> Addresses:
    """Return {mac: [address]} of the tables that the sources gave, for these MAC addresses only."""
    found: Addresses = {mac: [] for mac in macs}
    for table in tables:
        for mac, entries in found.items():
            listed = [item["address"] for item in entries]
            entries.extend(item for item in table.get(mac, ()) if item["address"] not in listed)
    return found


def _ask(conn: Conn, domain: Domain, root: _xml.Element, source: str, known_leases: Any) -> Addresses:
    if source == "lease":
        known = leases(conn) if known_leases is ASK else known_leases
        if known is not None:
            return known
        return _interface_addresses(domain, source, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE)
    if source == "arp":
        return _interface_addresses(domain, source, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP)
    if not agent_connected(root):
        return {}
    return _interface_addresses(domain, source, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)


def _interface_addresses(domain: Domain, source: str, number: int) -> Addresses:
    if source == "agent":
        answer = _agent_answer(domain, number)
    else:
        what = f"the addresses of {domain.name()} that the host knows ({source})"
        answer = unless_unreadable(what, partial(_answer, domain, number))
    found: Addresses = {}
    for interface in (answer or {}).values():
        known = [entry(item["addr"], item["prefix"], source) for item in interface["addrs"] or ()]
        found.setdefault((interface["hwaddr"] or "").lower(), []).extend(item for item in known if item)
    return found


def _agent_answer(domain: Domain, number: int) -> Any:
    # An agent may be busy, hang or go away.
    with suppress(libvirt.libvirtError), agent_limit(domain, AGENT_TIMEOUT):
        return _answer(domain, number)
    return None


@contextmanager
def agent_limit(domain: Domain, timeout: int) -> Iterator[None]:
    """Have libvirt wait so many seconds for each answer of the guest's agent, for the time of a `with` block.

    libvirt keeps the limit with the running guest, so its default, to wait for ever, is put back afterwards.
    Raises libvirtError. Source: virDomainAgentSetResponseTimeout.
    """
    domain.agentSetResponseTimeout(timeout, 0)
    try:
        yield
    finally:
        # What was done in the block is what counts; a guest that went off has no limit to put back.
        with suppress(libvirt.libvirtError):
            domain.agentSetResponseTimeout(libvirt.VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK, 0)


def _answer(domain: Domain, number: int) -> Any:
    # A guest that went off or away meanwhile has no address.
    gone = (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN)
    return if_available(lambda: _connection.unless_gone(lambda: domain.interfaceAddresses(number, 0), *gone))


def entry(text: str, prefix: int, source: str) -> dict[str, Any] | None:
    """Return one address as it is reported, None for what is none, or only means something on its own link."""
    try:
        address = ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        # A guest's agent says what it likes, and libvirt hands it on.
        return None
    if address.is_link_local or address.is_loopback:
        return None
    return {
        "address": str(address),
        "prefix": prefix,
        "family": f"ipv{address.version}",
        "source": source,
    }
