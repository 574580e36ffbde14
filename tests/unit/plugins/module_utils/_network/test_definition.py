# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Definitions of networks, for any options: what is written is read again, and nothing else is touched."""

from __future__ import annotations

import copy
import ipaddress
from dataclasses import replace

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._network import definition
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.subnets import Reservation, Subnet
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

SCHEMA = "/usr/share/libvirt/schemas/network.rng"
FOREIGN = _xml.parse(
    """
<network>
  <name>lab</name>
  <forward mode="nat"><nat><port start="1024" end="65535"/></nat></forward>
  <bridge name="virbr9" stp="on" delay="0"/>
  <mac address="52:54:00:00:00:99"/>
  <domain name="old.example.com" localOnly="yes"/>
  <dns><host ip="192.0.2.9"><hostname>printer</hostname></host></dns>
  <ip address="192.0.2.1" netmask="255.255.255.0">
    <tftp root="/srv/tftp"/>
    <dhcp>
      <range start="192.0.2.10" end="192.0.2.20"><lease expiry="2" unit="hours"/></range>
      <host mac="52:54:00:00:00:01" name="one" ip="192.0.2.30"/>
      <bootp file="pxelinux.0"/>
    </dhcp>
  </ip>
  <route address="198.51.100.0" prefix="24" gateway="192.0.2.5"/>
</network>
"""
)


def _subnet(number, ranged, reserved):
    # The address that a foreign definition has, and another one.
    network = ipaddress.ip_network("192.0.2.0/24" if number == 0 else f"10.{number}.0.0/24")
    return Subnet(
        ipaddress.ip_interface(f"{network[1]}/24"),
        ((network[10], network[99]),) if ranged else (),
        tuple(Reservation(f"52:54:00:00:00:{last:02x}", network[last], f"guest{last}") for last in sorted(reserved)),
    )


def _subnet6(ranged):
    network = ipaddress.ip_network("2001:db8::/64")
    return Subnet(ipaddress.ip_interface("2001:db8::1/64"), ((network[10], network[99]),) if ranged else ())


SUBNETS = st.tuples(
    st.lists(st.builds(_subnet6, st.booleans()), max_size=1),
    st.lists(
        st.builds(_subnet, st.integers(0, 3), st.booleans(), st.sets(st.integers(100, 200), max_size=3)),
        max_size=2,
        unique_by=lambda subnet: subnet.address,
    ),
    st.booleans(),
).map(lambda found: tuple(found[0] + found[1] if found[2] else found[1] + found[0]))
WANTED = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["isolated", "nat", "routed", "open"]),
        "bridge": st.sampled_from(["virbr7", "lab0"]),
        "mtu": st.sampled_from([1400, 9000]),
        "domain": st.sampled_from(["lab.example.com", "example.org"]),
        "dns": st.booleans(),
        "port_isolation": st.booleans(),
        "addresses": SUBNETS,
    },
)
BASES = st.sampled_from(["new", "foreign"])


def _base(kind):
    return definition.new("lab") if kind == "new" else copy.deepcopy(FOREIGN)


@given(BASES, WANTED)
def test_what_is_written_is_read_again_and_written_once(kind, wanted):
    root = _base(kind)
    definition.write(root, wanted)
    assert definition.differing(root, wanted) == []
    text = etree.tostring(root)
    definition.write(root, wanted)
    assert etree.tostring(root) == text


@given(BASES, WANTED, WANTED)
def test_the_second_of_two_tasks_counts_and_keeps_what_only_the_first_said(kind, first, second):
    root = _base(kind)
    definition.write(root, first)
    definition.write(root, second)
    assert {option: definition.read(root)[option] for option in {**first, **second}} == {**first, **second}


@given(WANTED)
def test_what_nobody_manages_survives(wanted):
    root = _base("foreign")
    definition.write(root, wanted)
    kept = ["dns/host", "route"]
    kept += ["forward/nat/port"] if wanted.get("mode", "nat") == "nat" else []
    kept += ["ip/tftp", "ip/dhcp/bootp"] if "addresses" not in wanted else []
    for path in kept:
        assert etree.tostring(root.find(path)) == etree.tostring(FOREIGN.find(path))
    assert root.find("bridge").get("stp") == "on" and root.find("domain").get("localOnly") == "yes"


V4, V6 = Subnet(ipaddress.ip_interface("192.0.2.1/24")), Subnet(ipaddress.ip_interface("2001:db8::1/64"))


@pytest.mark.parametrize(
    ("wanted", "nat"),
    [
        ({"addresses": (V4, V6)}, "yes"),
        ({"addresses": (V6,), "nat_ipv6": False}, None),
        ({"addresses": (V4,)}, None),
        ({"addresses": (V6,), "mode": "routed"}, None),
    ],
)
def test_nat_of_a_network_that_gets_an_ipv6_address_is_for_that_too(wanted, nat):
    root = _base("foreign")
    definition.write(root, wanted)
    assert _xml.get(root, "forward/nat/@ipv6") == nat


@pytest.mark.parametrize(("before", "mode"), [("routed", "nat"), ("isolated", "nat"), ("open", "nat")])
def test_a_network_with_an_ipv6_address_that_gets_nat_has_it_for_both(before, mode):
    root = definition.new("lab")
    definition.write(root, {"mode": before, "addresses": (V6,)})
    definition.write(root, {"mode": mode})
    assert definition.read(root)["nat_ipv6"]


def test_nat_of_a_network_that_routes_ipv6_is_left_alone():
    root = _base("foreign")
    definition.write(root, {"addresses": (V4, V6), "nat_ipv6": False})
    definition.write(root, {"mtu": 1400, "addresses": (V6, V4)})
    assert not definition.read(root)["nat_ipv6"]


def test_the_interface_that_guests_get_out_by_stays_with_another_mode():
    root = _base("foreign")
    root.find("forward").set("dev", "eth0")
    root.find("forward").append(_xml.element_of("interface", {"dev": "eth0"}))
    definition.write(root, {"mode": "routed"})
    assert etree.tostring(root.find("forward")) == b'<forward mode="route" dev="eth0"><interface dev="eth0"/></forward>'
    definition.write(root, {"mode": "open"})
    assert etree.tostring(root.find("forward")) == b'<forward mode="open"/>'


def test_an_address_that_stays_keeps_what_else_is_said_of_it():
    root = _base("foreign")
    definition.write(root, {"addresses": (Subnet(ipaddress.ip_interface("192.0.2.1/24")),)})
    assert root.find("ip/tftp") is not None and root.find("ip/dhcp/bootp") is not None
    assert root.find("ip/dhcp/range") is None and root.find("ip/dhcp/host") is None


def test_a_range_and_a_reservation_that_stay_keep_what_else_is_said_of_them():
    root = _base("foreign")
    root.find("ip/dhcp/host").append(_xml.parse('<lease expiry="1" unit="days"/>'))
    (subnet,) = definition.read(root)["addresses"]
    more = Reservation("52:54:00:00:00:02", ipaddress.ip_address("192.0.2.31"))
    definition.write(root, {"addresses": (replace(subnet, reservations=(*subnet.reservations, more)),)})
    assert [child.tag for child in root.find("ip/dhcp")] == ["range", "host", "host", "bootp"]
    assert root.find("ip/dhcp/range/lease") is not None and root.find("ip/dhcp/host/lease") is not None


@given(BASES, WANTED)
def test_the_definition_is_valid_by_the_schema_of_libvirt(kind, wanted):
    root = _base(kind)
    definition.write(root, wanted)
    schema = etree.RelaxNG(file=SCHEMA)
    assert schema.validate(etree.fromstring(_xml.to_text(root))), schema.error_log


def test_a_network_that_is_on_a_bridge_of_the_host_has_nothing_else():
    root = _base("foreign")
    definition.write(root, {"mode": "bridge", "bridge": "br0"})
    assert [child.tag for child in root] == ["name", "forward", "route", "bridge"]
    definition.write(root, {"mode": "isolated"})
    assert definition.read(root)["bridge"] is None
