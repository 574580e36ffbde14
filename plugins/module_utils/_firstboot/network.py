# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The network of a guest's first boot: interfaces found by their MAC addresses, with what they are configured to. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._inet import (
    parse_domain,
    parse_interface,
    parse_ip,
    parse_mac,
)

# Linux: IFNAMSIZ is 16 with the byte that ends it; a VLAN's name has up to five characters more.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,9}")
# netplan takes the largest number of 32 bits for none, and refuses all of its file for one that is out of range.
MAX_METRIC = 2**32 - 2


@dataclass(frozen=True)
class Route:
    """A route to a network of the ipaddress library by a gateway; the default route is to the network of all addresses.

    on_link: the gateway is in none of the interface's networks, and reached on its link all the same.
    """

    to: object
    via: object
    metric: int = None
    on_link: bool = False

    @property
    def is_default(self):
        return self.to.prefixlen == 0


@dataclass(frozen=True)
class Addressing:
    """How an interface or a VLAN is configured; addresses are interfaces of the ipaddress library."""

    mtu: int
    dhcp4: bool
    dhcp6: bool
    addresses: tuple
    routes: tuple
    dns_servers: tuple
    dns_search: tuple


@dataclass(frozen=True)
class Vlan:
    id: int
    addressing: Addressing


@dataclass(frozen=True)
class Interface:
    mac: str
    name: str
    addressing: Addressing
    vlans: tuple


def parse(given):
    """Return the Interfaces of the option `network`. Raises InvalidInput."""
    interfaces = tuple(_interface(index, item) for index, item in enumerate(given or ()))
    _unique("mac", "MAC address", [interface.mac for interface in interfaces])
    _unique("name", "name", [interface.name for interface in interfaces])
    seen = {}
    for option, addressing in each_addressing(interfaces):
        for address in addressing.addresses:
            if address.ip in seen:
                raise _errors.InvalidInput.of(
                    f"{option}.addresses", str(address), f"{seen[address.ip]} has this address already"
                )
            seen[address.ip] = option
    _check_default_routes(interfaces)
    return interfaces


def _check_default_routes(interfaces):
    """Of several, only the metric tells which one counts."""
    seen = {}
    for option, addressing in each_addressing(interfaces):
        for number, route in enumerate(addressing.routes):
            if not route.is_default:
                continue
            other = seen.setdefault((route.to, route.metric), option)
            if other != option:
                raise _errors.InvalidInput.of(
                    f"{option}.routes[{number}].to",
                    str(route.to),
                    f"{other} has a default route of IPv{route.to.version} with the same metric; give them different metrics",
                )


def each_addressing(interfaces):
    """Yield (option, Addressing) of all interfaces and VLANs."""
    for index, interface in enumerate(interfaces):
        yield f"network[{index}]", interface.addressing
        for number, vlan in enumerate(interface.vlans):
            yield f"network[{index}].vlans[{number}]", vlan.addressing


def _unique(key, what, values, option="network"):
    for index, value in enumerate(values):
        if value in values[:index]:
            shown = str(value[0]) if isinstance(value, tuple) else value
            raise _errors.InvalidInput.of(f"{option}[{index}].{key}", shown, f"another one of the list has this {what}")


def _interface(index, given):
    option = f"network[{index}]"
    mac = parse_mac(f"{option}.mac", str(given["mac"]))
    name = given.get("name") or f"eth{index}"
    if not _NAME.fullmatch(name):
        raise _errors.InvalidInput.of(
            f"{option}.name",
            name,
            "a name begins with a letter, has letters, digits, - and _, and 10 characters at most",
        )
    vlans = tuple(_vlan(f"{option}.vlans[{number}]", vlan) for number, vlan in enumerate(given.get("vlans") or ()))
    _unique("id", "number", [vlan.id for vlan in vlans], f"{option}.vlans")
    return Interface(mac, name, _addressing(option, given), vlans)


def _vlan(option, given):
    if not 1 <= given["id"] <= 4094:
        raise _errors.InvalidInput.of(f"{option}.id", given["id"], "a VLAN has a number from 1 to 4094")
    return Vlan(given["id"], _addressing(option, given))


def _addressing(option, given):
    addresses = tuple(parse_interface(f"{option}.addresses", text) for text in given.get("addresses") or ())
    routes = tuple(
        _route(f"{option}.routes[{number}]", route, addresses) for number, route in enumerate(given.get("routes") or ())
    )
    found = Addressing(
        mtu=given.get("mtu"),
        dhcp4=bool(given.get("dhcp4")),
        dhcp6=bool(given.get("dhcp6")),
        addresses=addresses,
        routes=routes,
        dns_servers=tuple(parse_ip(f"{option}.dns_servers", text) for text in given.get("dns_servers") or ()),
        dns_search=tuple(parse_domain(f"{option}.dns_search", text) for text in given.get("dns_search") or ()),
    )
    _check_mtu(f"{option}.mtu", found)
    for key, values in (("dns_servers", found.dns_servers), ("dns_search", found.dns_search)):
        if values and not addresses:
            # cloud-init drops them when it writes a config drive's network for netplan.
            raise _errors.InvalidInput.of(
                f"{option}.{key}",
                str(values[0]),
                "it needs one of addresses; where DHCP configures alone, it brings these",
            )
    _check_one_default(option, routes)
    _unique("to", "destination", [(route.to, route.metric) for route in routes], f"{option}.routes")
    return found


def _route(option, given, addresses):
    via = parse_ip(f"{option}.via", given["via"])
    to = given["to"]
    if to == "default":
        to = "0.0.0.0/0" if via.version == 4 else "::/0"
    try:
        network = ipaddress.ip_network(to)
    except ValueError as exc:
        raise _errors.InvalidInput.of(
            f"{option}.to", to, "default or a network is needed, such as 198.51.100.0/24 or 2001:db8:1::/48"
        ) from exc
    if network.version != via.version:
        raise _errors.InvalidInput.of(
            f"{option}.via", given["via"], f"the way to {to} is an address of IPv{network.version}"
        )
    metric = given.get("metric")
    if metric is not None and not 0 <= metric <= MAX_METRIC:
        raise _errors.InvalidInput.of(f"{option}.metric", metric, f"it is from 0 to {MAX_METRIC}")
    return Route(network, via, metric, _is_on_link(f"{option}.via", via, addresses))


def _check_one_default(option, routes):
    """Where an interface has two of one IP version, cloud-init fails on systems that are configured by ifcfg files."""
    for number, route in enumerate(routes):
        if route.is_default and any(route.to == other.to for other in routes[:number]):
            raise _errors.InvalidInput.of(
                f"{option}.routes[{number}].to",
                str(route.to),
                f"cloud-init configures one default route of IPv{route.to.version} for each interface",
            )


def _check_mtu(option, addressing):
    # IPv4 needs 68 (RFC 791), IPv6 1280 (RFC 8200).
    least = 1280 if addressing.dhcp6 or any(address.version == 6 for address in addressing.addresses) else 68
    if addressing.mtu is not None and not least <= addressing.mtu <= 65535:
        raise _errors.InvalidInput.of(option, addressing.mtu, f"it is from {least} to 65535 bytes")


def _is_on_link(option, via, addresses):
    """Tell whether a gateway is beyond the interface's networks; it may be where the interface has a single address.

    Where DHCP configures alone, it brings the routes too, and cloud-init would drop others. Raises InvalidInput.
    """
    own = [address for address in addresses if address.version == via.version]
    if own and (via.is_link_local or any(via in address.network for address in own)):
        return False
    if any(address.network.prefixlen == address.max_prefixlen for address in own):
        return True
    raise _errors.InvalidInput.of(
        option, str(via), "a gateway is in the network of one of the interface's own addresses"
    )
