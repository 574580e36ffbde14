# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The network as cloud-init's network configuration, version 2, which NoCloud takes. Pure.

Source: cloud-init, "Networking config Version 2".
"""

from __future__ import annotations


def render(interfaces):
    """Return the content of network-config."""
    found = {"version": 2, "ethernets": {}}
    vlans = {}
    for interface in interfaces:
        found["ethernets"][interface.name] = {
            "match": {"macaddress": interface.mac},
            "set-name": interface.name,
            **_addressing(interface.addressing),
        }
        for vlan in interface.vlans:
            vlans[f"{interface.name}.{vlan.id}"] = {
                "id": vlan.id,
                "link": interface.name,
                **_addressing(vlan.addressing),
            }
    return {**found, "vlans": vlans} if vlans else found


def _addressing(addressing):
    found = {"dhcp4": addressing.dhcp4, "dhcp6": addressing.dhcp6}
    if addressing.mtu is not None:
        found["mtu"] = addressing.mtu
    if addressing.addresses:
        found["addresses"] = [str(address) for address in addressing.addresses]
    routes = [route for route in addressing.routes if not _is_gateway6(route)]
    if routes:
        found["routes"] = [_route(route) for route in routes]
    if len(routes) < len(addressing.routes):
        found["gateway6"] = str(next(route.via for route in addressing.routes if _is_gateway6(route)))
    servers = {
        "addresses": [str(server) for server in addressing.dns_servers],
        "search": list(addressing.dns_search),
    }
    if any(servers.values()):
        found["nameservers"] = {key: value for key, value in servers.items() if value}
    return found


def _is_gateway6(route):
    """For ifupdown, cloud-init 22.4 (Debian 12) makes a route to ::/64 of one to ::/0, and the right one of gateway6."""
    return route.to.version == 6 and route.is_default and route.metric is None and not route.on_link


def _route(route):
    found = {"to": str(route.to), "via": str(route.via)}
    if route.on_link:
        found["on-link"] = True
    return found if route.metric is None else {**found, "metric": route.metric}
