# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The addresses that the host has on a network, with what it gives out by DHCP: from options and from XML, and into XML. Pure.

Source: libvirt network XML, "Addressing".
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._inet import parse_interface, parse_ip, parse_mac

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True)
class Reservation:
    """The address that a guest with a MAC address always gets, and perhaps a name."""

    mac: str
    ip: object
    name: str = None

    def describe(self):
        return {"mac": self.mac, "ip": str(self.ip), "name": self.name}


@dataclass(frozen=True)
class Subnet:
    """An address of the host, an interface of the ipaddress library; ranges are pairs of first and last address."""

    address: object
    ranges: tuple = ()
    reservations: tuple = ()

    @property
    def dhcp(self):
        return bool(self.ranges or self.reservations)

    def describe(self):
        return {
            "address": str(self.address),
            "dhcp": [{"start": str(first), "end": str(last)} for first, last in self.ranges],
            "reservations": [item.describe() for item in self.reservations],
        }


def parse(given):
    """Return the Subnets of the option `addresses`. Raises InvalidInput."""
    found = tuple(_subnet(f"addresses[{index}]", item) for index, item in enumerate(given))
    for index, subnet in enumerate(found):
        option = f"addresses[{index}].address"
        for other in found[:index]:
            if subnet.address.network.overlaps(other.address.network):
                raise _errors.InvalidInput.of(option, str(subnet.address), f"it overlaps with {other.address}")
            if subnet.dhcp and other.dhcp and subnet.address.version == other.address.version:
                raise _errors.InvalidInput.of(
                    option, str(subnet.address), "only one address of each IP version can have DHCP"
                )
    _check_once([(f"addresses[{index}]", item) for index, subnet in enumerate(found) for item in subnet.reservations])
    return found


def _check_once(items):
    for what in ("mac", "ip", "name"):
        seen = set()
        for option, item in items:
            value = getattr(item, what)
            if value is not None and value in seen:
                raise _errors.InvalidInput.of(f"{option}.reservations.{what}", str(value), "another reservation has it")
            seen.add(value)


def _subnet(option, given):
    address = _interface(f"{option}.address", given["address"])
    ranges = tuple(_range(f"{option}.dhcp[{index}]", item, address) for index, item in enumerate(given["dhcp"] or ()))
    for index, (first, last) in enumerate(ranges):
        for other_first, other_last in ranges[:index]:
            if first <= other_last and other_first <= last:
                raise _errors.InvalidInput.of(
                    f"{option}.dhcp[{index}].start", str(first), "it overlaps with another range"
                )
    reservations = tuple(
        _reservation(f"{option}.reservations[{index}]", item, address)
        for index, item in enumerate(given["reservations"] or ())
    )
    return Subnet(address, tuple(sorted(ranges)), _by_ip(reservations))


def _interface(option, text):
    address = parse_interface(option, text)
    for what in ("loopback", "multicast", "reserved", "unspecified"):
        # The addresses of IPv6 that are not assigned yet count as reserved.
        if getattr(address.ip, f"is_{what}") and (what != "reserved" or address.version == 4):
            raise _errors.InvalidInput.of(
                option, text, f"it is a {what} address, and guests need one that they can reach"
            )
    if not _is_host(address.ip, address.network):
        raise _errors.InvalidInput.of(
            option, text, f"it is the network {address.network} or its broadcast address, not a host's"
        )
    return address


def _is_host(ip, network):
    """Two addresses of an IPv4 network are not for hosts, unless it has no more (RFC 3021)."""
    return network.prefixlen >= network.max_prefixlen - 1 or ip not in (
        network.network_address,
        network.broadcast_address,
    )


def _ip(option, text, address):
    """Return an address of the subnet that the host does not have itself."""
    ip = parse_ip(option, text)
    if ip.version != address.version or ip not in address.network or not _is_host(ip, address.network):
        raise _errors.InvalidInput.of(option, text, f"it is not an address of a guest in {address.network}")
    if ip == address.ip:
        raise _errors.InvalidInput.of(option, text, "the host itself has this address")
    return ip


def _range(option, given, address):
    first = _ip(f"{option}.start", given["start"], address)
    last = _ip(f"{option}.end", given["end"], address)
    if last < first:
        raise _errors.InvalidInput.of(f"{option}.end", given["end"], f"the range begins at {first}")
    if int(first) >> 16 != int(last) >> 16:
        # Source: libvirt, virSocketAddrGetRange.
        raise _errors.InvalidInput.of(
            f"{option}.end", given["end"], f"libvirt wants all of it but the last 16 bits as in {first}"
        )
    if first < address.ip < last:
        raise _errors.InvalidInput.of(
            f"{option}.start", given["start"], f"the range has the host's own address {address.ip}"
        )
    return first, last


def _reservation(option, given, address):
    if address.version != 4:
        raise _errors.InvalidInput.of(option, given["ip"], "only IPv4 addresses can be reserved by MAC address")
    mac = parse_mac(f"{option}.mac", given["mac"])
    name = given.get("name")
    if name is not None and not _HOST.fullmatch(name):
        raise _errors.InvalidInput.of(f"{option}.name", name, "a host name is needed, such as db01 or db01.example.com")
    return Reservation(mac, _ip(f"{option}.ip", given["ip"], address), name)


def has_ipv6(found):
    """Tell whether one of the Subnets is of IPv6."""
    return any(subnet.address.version == 6 for subnet in found)


def read(root):
    """Return the Subnets of a definition, in its order."""
    return tuple(_read_subnet(element) for element in root.findall("ip"))


def _read_subnet(element):
    # libvirt: without a prefix or netmask, an IPv4 network has that of its class, an IPv6 one 64.
    length = element.get("prefix") or element.get("netmask") or _usual_prefix(element.get("address"))
    ranges, reservations = _items(element)
    return Subnet(
        ipaddress.ip_interface(f"{element.get('address')}/{length}"), tuple(sorted(ranges)), _by_ip(reservations)
    )


def _items(element):
    """Return {range: element} and {reservation: element} of an <ip>."""
    ranges = {
        (ipaddress.ip_address(item.get("start")), ipaddress.ip_address(item.get("end"))): item
        for item in element.findall("dhcp/range")
    }
    reservations = {
        Reservation(host.get("mac").lower(), ipaddress.ip_address(host.get("ip")), host.get("name")): host
        for host in element.findall("dhcp/host")
        if host.get("mac") and host.get("ip")
    }
    return ranges, reservations


def _by_ip(reservations):
    """Their order means nothing, and libvirt appends those that an active network gets."""
    return tuple(sorted(reservations, key=lambda item: item.ip))


def _usual_prefix(address):
    ip = ipaddress.ip_address(address)
    if ip.version == 6:
        return 64
    first = int(ip) >> 24
    return 8 if first < 128 else 16 if first < 192 else 24


def write(root, subnets):
    """Put the Subnets into a definition. An address that it has keeps what else is said of it, such as TFTP."""
    existing = {_read_subnet(element).address: element for element in root.findall("ip")}
    place = next((index for index, child in enumerate(root) if child.tag in ("ip", "route", "portgroup")), len(root))
    _xml.drop(root, "ip")
    for index, subnet in enumerate(subnets):
        element = existing.get(subnet.address)
        root.insert(place + index, _element(subnet) if element is None else _updated(element, subnet))


def _element(subnet):
    version = subnet.address.version
    element = _xml.element_of(
        "ip",
        {
            "family": "ipv6" if version == 6 else "ipv4",
            "address": subnet.address.ip,
            "prefix": subnet.address.network.prefixlen,
        },
    )
    return _updated(element, subnet)


def _updated(element, subnet):
    """Give an <ip> the ranges and reservations; one that stays keeps what else is said of it, such as the time of a lease."""
    ranges, reservations = _items(element)
    for found, wanted in ((ranges, subnet.ranges), (reservations, subnet.reservations)):
        for item in set(found) - set(wanted):
            found[item].getparent().remove(found[item])
    if subnet.dhcp:
        dhcp = _xml.ensure(element, "dhcp")
        _insert(dhcp, "range", [range_element(item) for item in subnet.ranges if item not in ranges])
        _insert(dhcp, "host", [reservation_element(item) for item in subnet.reservations if item not in reservations])
    else:
        dhcp = element.find("dhcp")
        if dhcp is not None and not len(dhcp):
            element.remove(dhcp)
    return element


def _insert(dhcp, tag, elements):
    """Put elements after those of the same kind; the schema wants ranges first, then hosts, then the rest."""
    before = ("range",) if tag == "range" else ("range", "host")
    place = sum(child.tag in before for child in dhcp)
    for index, element in enumerate(elements):
        dhcp.insert(place + index, element)


def range_element(item):
    first, last = item
    return _xml.element_of("range", {"start": first, "end": last})


def reservation_element(item):
    return _xml.element_of("host", {"mac": item.mac, "name": item.name, "ip": item.ip})
