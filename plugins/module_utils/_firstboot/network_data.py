# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The network as OpenStack's network_data.json. Pure.

Source: OpenStack network_data.json schema (nova, doc/api_schemas/network_data.json); `name`, `dns_nameservers` and `dns_search` are
what cloud-init reads beyond it.
"""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._firstboot.network import each_addressing


def check(interfaces):
    """Refuse what network_data.json has no way to say. Raises InvalidInput."""
    for option, addressing in each_addressing(interfaces):
        for number, route in enumerate(addressing.routes):
            if route.on_link:
                raise _errors.InvalidInput.of(
                    f"{option}.routes[{number}].via",
                    str(route.via),
                    "with label: config-2 a gateway is in the network of one of the interface's own addresses; "
                    "label: cidata allows others",
                )


def render(interfaces):
    """Return the content of network_data.json."""
    links, networks = [], []
    for interface in interfaces:
        link = {"id": interface.name, "name": interface.name, "type": "phy", "ethernet_mac_address": interface.mac}
        links.append(_with_mtu(link, interface.addressing))
        networks += _networks(interface.name, interface.addressing)
        for vlan in interface.vlans:
            name = f"{interface.name}.{vlan.id}"
            link = {"id": name, "type": "vlan", "vlan_link": interface.name, "vlan_id": vlan.id}
            link["vlan_mac_address"] = interface.mac
            links.append(_with_mtu(link, vlan.addressing))
            networks += _networks(name, vlan.addressing)
    for index, network in enumerate(networks):
        network["id"] = f"network{index}"
    # cloud-init gives the name servers of the whole system to each link, so there are none where there are several links.
    services = _services(interfaces[0].addressing) if len(links) == 1 else []
    return {"links": links, "networks": networks, "services": services}


def _with_mtu(link, addressing):
    return link if addressing.mtu is None else {**link, "mtu": addressing.mtu}


def _networks(link, addressing):
    """Static networks go first: cloud-init drops the routes of one that DHCP configures when it writes for netplan."""
    found = []
    for address in addressing.addresses:
        own = {"ip_address": str(address.ip), "netmask": str(address.netmask)}
        found.append((f"ipv{address.version}", address.version, own))
    found += [("ipv4_dhcp", 4, {})] if addressing.dhcp4 else []
    found += [("ipv6_dhcp", 6, {})] if addressing.dhcp6 else []
    versions = [version for _kind, version, _own in found]
    return [
        {**_network(link, kind, version, addressing, version not in versions[:index], index == 0), **own}
        for index, (kind, version, own) in enumerate(found)
    ]


def _network(link, kind, version, addressing, first, lead):
    """Routes and name servers belong to a link, but stand in its networks: once, routes in the first of their IP version.

    Name servers of both versions are in the first network of the link: cloud-init numbers them anew in each network for ifcfg files, so
    that those of a second one would replace them. Its later versions read `services`, the earlier ones `dns_nameservers`.
    first: whether it is the first of its IP version; lead: whether it is the first of the link.
    """
    # Nova has Neutron's network there; ours is known by its link alone.
    network = {"id": None, "link": link, "network_id": link, "type": kind}
    routes = [route for route in addressing.routes if route.to.version == version] if first else []
    if routes:
        network["routes"] = [_route(route) for route in routes]
    if addressing.dns_servers and lead:
        network["services"] = _services(addressing)
        network["dns_nameservers"] = [str(server) for server in addressing.dns_servers]
    if addressing.dns_search and lead:
        network["dns_search"] = list(addressing.dns_search)
    return network


def _route(route):
    found = {
        "network": str(route.to.network_address),
        "netmask": str(route.to.netmask),
        "gateway": str(route.via),
    }
    return found if route.metric is None else {**found, "metric": route.metric}


def _services(addressing):
    return [{"type": "dns", "address": str(server)} for server in addressing.dns_servers]
