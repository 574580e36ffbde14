# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The IP addresses of guests: from the DHCP leases of the host's networks, the guest agent, and the host's ARP table."""

from __future__ import annotations

import ipaddress

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import unless_gone
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.guest_devices import agent_channel

SOURCES = ("lease", "agent", "arp")
DEFAULT_SOURCES = ("lease", "agent")


def leases(conn):
    """Return {mac: [address]} of all networks' DHCP leases, one call per network; None where libvirt has no such list.

    Source: virNetworkGetDHCPLeases.
    """
    found = {}
    try:
        for network in conn.listAllNetworks(libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE):
            gone = (libvirt.VIR_ERR_NO_NETWORK, libvirt.VIR_ERR_OPERATION_INVALID)
            for lease in unless_gone(network.DHCPLeases, *gone) or ():
                entry = _entry(lease["ipaddr"], lease["prefix"], "lease")
                if entry:
                    found.setdefault(lease["mac"].lower(), []).append(entry)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return None
    return found


def addresses(conn, domain, root, sources=DEFAULT_SOURCES, known_leases=None):
    """Return {mac: [{address, prefix, family, source}]} of a running guest's interfaces.

    Every source is asked; an address that several know is listed once, with the first. Link-local and loopback addresses
    are left out. The agent is asked only when it is connected, and one that fails knows no address.
    known_leases: what leases() returned, so that many guests need it once only.
    Source: virDomainInterfaceAddresses.
    """
    found = {_xml.get(element, "mac/@address"): [] for element in root.findall("devices/interface")}
    if not found:
        return found
    for source in sources:
        for mac, entries in _ask(conn, domain, root, source, known_leases).items():
            listed = {entry["address"] for entry in found.get(mac, ())}
            if mac in found:
                found[mac].extend(entry for entry in entries if entry["address"] not in listed)
    return found


def _ask(conn, domain, root, source, known_leases):
    if source == "lease":
        table = leases(conn) if known_leases is None else known_leases
        if table is not None:
            return table
        return _interface_addresses(domain, source, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE)
    if source == "arp":
        return _interface_addresses(domain, source, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP)
    channel = agent_channel(root)
    if channel is None or _xml.get(channel, "target/@state") != "connected":
        return {}
    return _interface_addresses(domain, source, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)


def _interface_addresses(domain, source, number):
    # A driver that lacks a source, and a guest that went off or away meanwhile, know no address.
    silent = (
        libvirt.VIR_ERR_NO_SUPPORT,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
        libvirt.VIR_ERR_OPERATION_INVALID,
        libvirt.VIR_ERR_NO_DOMAIN,
    )
    try:
        answer = domain.interfaceAddresses(number, 0) or {}
    except libvirt.libvirtError as exc:
        if source != "agent" and exc.get_error_code() not in silent:
            raise
        return {}
    found = {}
    for interface in answer.values():
        entries = [_entry(item["addr"], item["prefix"], source) for item in interface["addrs"] or ()]
        found.setdefault((interface["hwaddr"] or "").lower(), []).extend(entry for entry in entries if entry)
    return found


def _entry(text, prefix, source):
    """Return one address as it is reported, None for one that only means something on its own link."""
    address = ipaddress.ip_address(text.split("%")[0])
    if address.is_link_local or address.is_loopback:
        return None
    return {
        "address": str(address),
        "prefix": prefix,
        "family": f"ipv{address.version}",
        "source": source,
    }
