# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What the options mean in a network's definition: read from its XML, written into it. Pure.

Source: libvirt network XML format.
"""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _field, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._network import subnets

# The option's values, by those of libvirt's <forward mode>. A network without that element is isolated.
MODES = {"isolated": None, "nat": "nat", "routed": "route", "open": "open", "bridge": "bridge"}


class Mode:
    """How guests get out of the network."""

    option = "mode"

    @staticmethod
    def read(root):
        forward = root.find("forward")
        if forward is None:
            return "isolated"
        found = forward.get("mode", "nat")
        return next((mode for mode, value in MODES.items() if value == found), found)

    @staticmethod
    def write(root, mode):
        """What goes with another mode, such as NAT's range of ports, means nothing in the new one."""
        before = Mode.read(root)
        if "bridge" in (mode, before):
            # A bridge that the host has is another one than that which libvirt makes, with all that libvirt does there.
            for tag in ("bridge", "mac", "mtu", "domain", "dns", "ip"):
                _xml.drop(root, tag)
        if {mode, before} == {"nat", "routed"}:
            # The interfaces of the host that guests get out by are the same ones.
            _xml.put(root, "forward/@mode", MODES[mode])
            _xml.drop(root, "forward/nat")
            return
        _xml.drop(root, "forward")
        if MODES[mode] is not None:
            root.insert(1, _xml.element_of("forward", {"mode": MODES[mode]}))


NAT_IPV6 = _field.Field("nat_ipv6", "forward/nat/@ipv6", _field.YES_NO, empty=False)


class Addresses:
    """The host's addresses, with DHCP."""

    option = "addresses"
    read = staticmethod(subnets.read)
    write = staticmethod(subnets.write)


class _Domain(_field.Field):
    """Without a name, libvirt takes no <domain> at all."""

    def write(self, root, value):
        if value is None:
            _xml.drop(root, "domain")
        else:
            super().write(root, value)


FIELDS = (
    Mode,
    NAT_IPV6,
    _field.Field("bridge", "bridge/@name"),
    _field.Field("mtu", "mtu/@size", _field.INTEGER),
    _Domain("domain", "domain/@name"),
    _field.Field("dns", "dns/@enable", _field.YES_NO, empty=True),
    _field.Field("port_isolation", "port/@isolated", _field.YES_NO, empty=False),
    Addresses,
)


def new(name):
    """Return the definition of a network of which only the name is known: an isolated one."""
    root = _xml.element_of("network")
    root.append(_xml.element_of("name", text=name))
    return root


def read(root):
    """Return {option: value} of a definition."""
    return {field.option: field.read(root) for field in FIELDS}


def differing(root, wanted):
    """Return the options whose wanted values a definition does not have."""
    return [field.option for field in FIELDS if field.option in wanted and field.read(root) != wanted[field.option]]


def write(root, wanted):
    """Put those of the wanted values into a definition that it does not have.

    A network that comes to have NAT and an IPv6 address translates IPv6, too: by itself libvirt would route it, and let others in.
    """
    had_both = _has_nat_and_ipv6(root)
    for field in FIELDS:
        if field.option in wanted and field.read(root) != wanted[field.option]:
            field.write(root, wanted[field.option])
    if NAT_IPV6.option not in wanted and not had_both and _has_nat_and_ipv6(root):
        NAT_IPV6.write(root, True)


def _has_nat_and_ipv6(root):
    return Mode.read(root) == "nat" and subnets.has_ipv6(Addresses.read(root))
