# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses: which are told, whose they are, and who knew them."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.addresses import (
    DEFAULT_SOURCES,
    addresses,
    entry,
    leases,
    merged,
)

LEASE = {"address": "192.168.122.57", "prefix": 24, "family": "ipv4", "source": "lease"}


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "::1", "169.254.3.4", "fe80::5054:ff:fe12:3456", "fe80::5054:ff:fe12:3456%eth0"]
)
def test_addresses_that_mean_nothing_elsewhere_are_left_out(text):
    assert entry(text, 64, "agent") is None


@pytest.mark.parametrize("text", ["", "-oProxyCommand=id", "{{ 6 * 7 }}", "10.0.0.1; id"])
def test_what_is_no_address_is_left_out(text):
    assert entry(text, 24, "agent") is None


@pytest.mark.parametrize(
    ("text", "family"), [("192.168.122.57", "ipv4"), ("10.0.0.1", "ipv4"), ("2001:DB8::1", "ipv6"), ("fd00::1", "ipv6")]
)
def test_other_addresses_are_told(text, family):
    assert entry(text, 24, "lease") == {"address": text.lower(), "prefix": 24, "family": family, "source": "lease"}


def test_an_address_is_listed_once_with_the_first_who_knew_it():
    same = dict(LEASE, source="agent")
    other = {"address": "2001:db8::1", "prefix": 64, "family": "ipv6", "source": "agent"}
    assert merged(["a", "b"], [{"a": [LEASE]}, {"a": [same, other], "b": [other]}]) == {
        "a": [LEASE, other],
        "b": [other],
    }


def test_an_interface_that_is_only_inside_the_guest_is_not_one_of_its_definition():
    assert merged(["a"], [{"02:42:00:00:00:01": [LEASE]}]) == {"a": []}


@pytest.fixture
def guest():
    with connect("test:///default") as conn:
        domain = conn.lookupByName("test")
        yield conn, domain, _xml.parse(domain.XMLDesc(0))


def test_the_driver_is_asked_where_it_has_no_list_of_leases(guest):
    conn, domain, root = guest
    assert leases(conn) is None
    assert addresses(conn, domain, root) == {
        "aa:bb:cc:dd:ee:ff": [{"address": "192.168.122.3", "prefix": 24, "family": "ipv4", "source": "lease"}]
    }


def test_known_leases_are_not_asked_for_again(guest):
    conn, domain, root = guest
    known = {"aa:bb:cc:dd:ee:ff": [LEASE], "52:54:00:00:00:01": [dict(LEASE, address="192.168.122.58")]}
    assert addresses(conn, domain, root, ("lease",), known) == {"aa:bb:cc:dd:ee:ff": [LEASE]}


def test_only_the_sources_that_are_named_are_asked(guest):
    conn, domain, root = guest
    assert addresses(conn, domain, root, ("agent",)) == {"aa:bb:cc:dd:ee:ff": []}
    assert addresses(conn, domain, root, ()) == {"aa:bb:cc:dd:ee:ff": []}
    assert addresses(conn, domain, root, ("arp",))["aa:bb:cc:dd:ee:ff"][0]["source"] == "arp"


def test_a_guest_that_went_off_has_no_address(guest):
    conn, domain, root = guest
    domain.destroy()
    assert addresses(conn, domain, root, DEFAULT_SOURCES) == {"aa:bb:cc:dd:ee:ff": []}


def test_a_guest_without_interfaces_is_not_asked(guest):
    conn, domain, root = guest
    devices = root.find("devices")
    devices.remove(devices.find("interface"))
    assert addresses(conn, domain, root) == {}
