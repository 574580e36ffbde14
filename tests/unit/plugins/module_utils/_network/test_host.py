# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the host has itself: how it is read, and that no network takes it."""

from __future__ import annotations

import ipaddress
import json
import subprocess

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict
from ansible_collections.kvmfleet.compute.plugins.module_utils._network import definition, host, subnets
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.host import HostFacts, Interface, Route
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.observe import NetworkFacts
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.plan import plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.spec import NetworkSpec

NODE = """\
<node>
  <device>
    <name>computer</name>
    <capability type="system">
      <hardware><vendor/><serial/><uuid>0f6d5c1e-7b8a-4f0e-9b43-6a1f5d1c2b3a</uuid></hardware>
      <firmware><vendor/><version/><release_date/></firmware>
    </capability>
  </device>
  <device>
    <name>net_br_0_52_54_00_00_00_01</name><parent>computer</parent>
    <capability type="net"><interface>br-0</interface><address>52:54:00:00:00:01</address></capability>
  </device>
</node>
"""


def interface(name, *addresses, kind=None, other=()):
    return Interface((name, *other), kind, tuple(map(ipaddress.ip_interface, addresses)))


HOST = HostFacts(
    (
        interface("lo", "127.0.0.1/8"),
        interface("br0", "198.51.100.5/24", "2001:db8:7::1/64", kind="bridge"),
        interface("veth0", kind="veth", other=("uplink",)),
    ),
    (
        Route(ipaddress.ip_network("203.0.113.0/24"), "br0"),
        Route(ipaddress.ip_network("10.0.0.0/8")),
        Route(ipaddress.ip_network("2001:db8:9::/64"), "veth0"),
    ),
)


def addresses(*given):
    return subnets.parse([{"address": address, "dhcp": (), "reservations": ()} for address in given])


def text(values):
    root = definition.new("lab")
    definition.write(root, values)
    return _xml.to_text(root)


def planned(wanted, defined=None, live=None, state="active", host=HOST):
    facts = NetworkFacts(host=host)
    if defined is not None:
        facts = NetworkFacts("uuid", False, text(defined), None if live is None else text(live), host=host)
    return plan(NetworkSpec("lab", state, None, wanted), facts)


NAME_TAKEN = "the host has an interface of this name; choose another name"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            {"bridge": "br0"},
            f"bridge: 'br0' is not allowed; {NAME_TAKEN}, or mode bridge to put guests on that bridge",
        ),
        ({"bridge": "veth0"}, f"bridge: 'veth0' is not allowed; {NAME_TAKEN}"),
        ({"bridge": "uplink"}, f"bridge: 'uplink' is not allowed; {NAME_TAKEN}"),
        (
            {"addresses": addresses("198.51.100.129/25")},
            "addresses: '198.51.100.129/25' is not allowed; it overlaps with 198.51.100.5/24 of the host's interface 'br0'",
        ),
        (
            {"addresses": addresses("192.0.2.1/24", "2001:db8:7::9/64")},
            "addresses: '2001:db8:7::9/64' is not allowed; it overlaps with 2001:db8:7::1/64 of the host's interface 'br0'",
        ),
        (
            {"addresses": addresses("203.0.113.1/24")},
            "addresses: '203.0.113.1/24' is not allowed; the host has a route to 203.0.113.0/24 by the interface 'br0'",
        ),
        (
            {"addresses": addresses("10.0.0.1/8")},
            "addresses: '10.0.0.1/8' is not allowed; the host has a route to 10.0.0.0/8",
        ),
        (
            {"addresses": addresses("2001:db8:9::1/64")},
            "addresses: '2001:db8:9::1/64' is not allowed; the host has a route to 2001:db8:9::/64 by the interface 'veth0'",
        ),
        (
            {"mode": "bridge", "bridge": "br9"},
            "bridge: 'br9' is not allowed; the host has no interface of this name; with mode bridge it must have the bridge",
        ),
        (
            {"mode": "bridge", "bridge": "veth0"},
            "bridge: 'veth0' is not allowed; the host has an interface of this name that is not a bridge; "
            "with mode bridge it must have the bridge",
        ),
    ],
)
# A network of that definition that is there, and is only started, takes as much as a new one.
@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("state", ["active", "inactive"])
def test_a_network_takes_nothing_that_the_host_has(wanted, message, there, state):
    if there and state == "inactive":
        assert planned(wanted, wanted, state=state).actions == ()
        return
    with pytest.raises(Conflict) as refused:
        planned({} if there else wanted, wanted if there else None, state=state)
    assert refused.value.message == message


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"bridge": "lab0"},
        {"mode": "bridge", "bridge": "br0"},
        # Narrower than a route, which gives way, and wider than one, which is kept.
        {"addresses": addresses("10.99.1.1/24", "203.0.112.1/23")},
    ],
)
def test_what_the_host_does_not_have_is_the_networks(wanted):
    made = planned(wanted)
    assert [action.name for action in made.actions] == ["define_network", "start_network", "enable_autostart"]
    assert made.warnings == ()


OWN = HostFacts(
    (interface("lab0", "192.0.2.1/24", kind="bridge"), interface("eth0", "192.0.2.77/24")),
    (Route(ipaddress.ip_network("192.0.2.0/24"), "lab0"),),
)
LAB = {"bridge": "lab0", "mtu": 1400, "addresses": addresses("192.0.2.1/24")}


def test_what_an_active_network_has_is_its_own():
    restarted = planned({"mtu": 1300}, LAB, LAB, host=OWN)
    assert [action.name for action in restarted.actions] == ["define_network", "stop_network", "start_network"]
    with pytest.raises(Conflict) as refused:
        planned({"addresses": addresses("192.0.2.1/25")}, LAB, LAB, host=OWN)
    assert "it overlaps with 192.0.2.77/24 of the host's interface 'eth0'" in refused.value.message
    with pytest.raises(Conflict) as refused:
        planned({"bridge": "eth0"}, LAB, LAB, host=OWN)
    assert refused.value.message == f"bridge: 'eth0' is not allowed; {NAME_TAKEN}"


def test_an_open_vswitch_bridge_is_no_bridge_of_the_kernel():
    root = definition.new("lab")
    definition.write(root, {"mode": "bridge", "bridge": "ovs0"})
    root.append(_xml.element_of("virtualport", {"type": "openvswitch"}))
    facts = NetworkFacts("uuid", False, _xml.to_text(root), host=HostFacts((interface("ovs0", kind="openvswitch"),)))
    assert plan(NetworkSpec("lab", "active", None, {}), facts).changed


def test_the_kernel_is_asked_where_libvirt_is_on_this_host(embed_uri):
    with connect(embed_uri) as conn:
        found = host.read(conn, "br0")
    loopback = next(item for item in found.interfaces if item.names == ("lo",))
    assert found.complete and ipaddress.ip_interface("127.0.0.1/8") in loopback.addresses
    assert all(item.names for item in found.interfaces)


def test_elsewhere_node_devices_are_asked_and_what_they_do_not_show_is_said(tmp_path, run_module):
    path = tmp_path / "node.xml"
    path.write_text(NODE)
    refused = run_module("vm_network", {"name": "lab", "uri": f"test://{path}", "bridge": "br-0"}, check=True)
    assert refused["msg"] == f"bridge: 'br-0' is not allowed; {NAME_TAKEN}"
    with connect(f"test://{path}") as conn:
        seen = host.read(conn, "br-01")
    assert seen == HostFacts(complete=False)
    (warning,) = planned({"bridge": "br-01"}, host=seen).warnings
    assert warning.startswith("uri: this connection does not show all interfaces, addresses and routes of the host; ")
    # Whether there is such a bridge can't be known.
    assert planned({"mode": "bridge", "bridge": "br1"}, host=seen).warnings == ()


@pytest.fixture
def neighbour():
    """Another host on a network of its own: (interface of this host, MAC address, function that gives it an address or takes it)."""

    def ip(*arguments):
        return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout

    ip("netns", "add", "kvmfleet-unit")
    try:
        ip("link", "add", "kvft0", "type", "veth", "peer", "name", "kvft1", "netns", "kvmfleet-unit")
        ip("address", "add", "198.18.77.1/24", "dev", "kvft0")
        ip("link", "set", "kvft0", "up")
        ip("-n", "kvmfleet-unit", "link", "set", "kvft1", "up")
        mac = json.loads(ip("-n", "kvmfleet-unit", "-json", "link", "show", "kvft1"))[0]["address"]
        yield "kvft0", mac, lambda verb, address: ip("-n", "kvmfleet-unit", "address", verb, address, "dev", "kvft1")
    finally:
        ip("netns", "delete", "kvmfleet-unit")


def test_who_answers_at_an_address_now(embed_uri, neighbour):
    interface, mac, change = neighbour
    with connect(embed_uri) as conn:
        assert host.answers(conn, interface, "198.18.77.2", mac) is False
        change("add", "198.18.77.2/24")
        assert host.answers(conn, interface, "198.18.77.2", mac) is True
        change("delete", "198.18.77.2/24")
        assert host.answers(conn, interface, "198.18.77.2", mac) is False
        change("add", "198.18.77.3/24")
        assert host.answers(conn, interface, "198.18.77.3", "52:54:00:00:00:01") is False
        subprocess.run(
            ["ip", "neigh", "replace", "198.18.77.3", "lladdr", mac, "dev", interface, "nud", "permanent"], check=True
        )
        assert host.answers(conn, interface, "198.18.77.3", mac) is None


def test_another_host_is_not_asked():
    with connect("test:///default") as conn:
        assert host.answers(conn, "lo", "127.0.0.1", "00:00:00:00:00:00") is None
