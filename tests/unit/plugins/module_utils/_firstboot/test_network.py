# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The network of a first boot: both formats, read by cloud-init's own code, and what is refused."""

from __future__ import annotations

import json
from ipaddress import ip_address

import pytest
import yaml
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._firstboot import description, layout, network
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._firstboot.descriptions import NETWORK, UUID

LABELS = ["config-2", "cidata"]
MAC = "52:54:00:12:34:56"


def rendered(cloud_init, label, interfaces):
    """Return the network's files that cloud-init makes; see read.py."""
    return cloud_init(label, layout.files(label, description.parse({"network": interfaces}), "web1", UUID))["network"]


def read(cloud_init, label, interfaces):
    """Return the network's files of netplan and ifupdown that cloud-init makes."""
    found = rendered(cloud_init, label, interfaces)
    return yaml.safe_load(found["netplan"])["network"], found["eni"]


@pytest.mark.parametrize("label", LABELS)
def test_netplan_gets_what_was_described(cloud_init, label):
    found, _eni = read(cloud_init, label, NETWORK)
    first, lan, vlan = found["ethernets"]["eth0"], found["ethernets"]["lan"], found["vlans"]["eth0.100"]
    assert set(found["ethernets"]) == {"eth0", "lan"}
    assert (first["match"], first["set-name"]) == ({"macaddress": MAC}, "eth0")
    assert first["addresses"] == ["192.0.2.5/24", "2001:db8::5/64"]
    assert first["mtu"] == 9000
    assert first["nameservers"] == {"addresses": ["192.0.2.53", "2001:db8::53"], "search": ["example.com"]}
    assert not first.get("dhcp4")
    assert {"to": "0.0.0.0/0", "via": "192.0.2.1"} in first["routes"]
    assert {"to": "198.51.100.0/24", "via": "192.0.2.2", "metric": 50} in first["routes"]
    assert first.get("gateway6") == "2001:db8::1" or {"to": "::/0", "via": "2001:db8::1"} in first["routes"]
    assert (lan["match"], lan["set-name"], lan["dhcp4"]) == ({"macaddress": "52:54:00:12:34:57"}, "lan", True)
    assert (vlan["id"], vlan["link"], vlan["mtu"], vlan["addresses"]) == (100, "eth0", 1500, ["203.0.113.5/28"])


@pytest.mark.parametrize("label", LABELS)
def test_ifupdown_gets_what_was_described(cloud_init, label):
    _netplan, found = read(cloud_init, label, NETWORK)
    stanzas = {stanza.splitlines()[-0]: stanza for stanza in found.replace("auto ", "\nauto ").split("\niface ")}
    first, six = stanzas["eth0 inet static"], stanzas["eth0 inet6 static"]
    for line in ("address 192.0.2.5/24", "mtu 9000", "dns-search example.com", "route add default gw 192.0.2.1"):
        assert line in first
    assert "route add -net 198.51.100.0/24 gw 192.0.2.2" in first
    assert "address 2001:db8::5/64" in six
    assert "gateway 2001:db8::1" in six or "route add -A inet6 default gw 2001:db8::1" in six
    assert "192.0.2.53" in found
    assert "2001:db8::53" in found
    assert "lan inet dhcp" in stanzas
    assert "vlan-raw-device eth0" in stanzas["eth0.100 inet static"]
    assert "address 203.0.113.5/28" in stanzas["eth0.100 inet static"]


@pytest.mark.parametrize("label", LABELS)
def test_dhcp_of_both_versions_and_more_than_one_address(cloud_init, label):
    interfaces = [
        {
            "mac": MAC,
            "dhcp4": True,
            "dhcp6": True,
            "addresses": ["10.0.0.5/24", "10.0.1.5/24"],
            "routes": [{"to": "10.9.0.0/16", "via": "10.0.0.1"}],
            "dns_servers": ["10.0.0.53"],
        },
    ]
    found, _eni = read(cloud_init, label, interfaces)
    first = found["ethernets"]["eth0"]
    assert (first["dhcp4"], first["dhcp6"], first["addresses"]) == (True, True, ["10.0.0.5/24", "10.0.1.5/24"])
    assert first["routes"] == [{"to": "10.9.0.0/16", "via": "10.0.0.1"}]
    assert "10.0.0.53" in first["nameservers"]["addresses"]


@pytest.mark.parametrize("label", LABELS)
def test_an_interface_without_addresses_is_named_all_the_same(cloud_init, label):
    found, _eni = read(cloud_init, label, [{"mac": MAC, "name": "idle"}])
    assert found["ethernets"]["idle"]["match"] == {"macaddress": MAC}
    assert "addresses" not in found["ethernets"]["idle"]


ON_LINK = [
    {"mac": MAC, "addresses": ["192.0.2.5/32", "2001:db8::5/128"]}
    | {"routes": [{"to": "default", "via": via} for via in ("198.51.100.1", "2001:db8:1::1")]}
]


def test_a_gateway_beyond_a_single_address_is_on_the_link(cloud_init):
    found, _eni = read(cloud_init, "cidata", ON_LINK)
    assert found["ethernets"]["eth0"]["routes"] == [
        {"to": "0.0.0.0/0", "via": "198.51.100.1", "on-link": True},
        {"to": "::/0", "via": "2001:db8:1::1", "on-link": True},
    ]


def test_a_gateway_beyond_a_single_address_can_not_be_on_an_openstack_drive():
    with pytest.raises(InvalidInput) as refused:
        layout.check("config-2", description.parse({"network": ON_LINK}), "web1")
    assert str(refused.value) == (
        "network[0].routes[0].via: '198.51.100.1' is not allowed; with label: config-2 "
        "a gateway is in the network of one of the interface's own addresses; label: cidata allows others"
    )
    layout.check("cidata", description.parse({"network": ON_LINK}), "web1")


@pytest.mark.parametrize(
    "item",
    [
        {"addresses": ["2001:db8::5/128"], "routes": [{"to": "default", "via": "fe80::1"}]},
        {"addresses": ["192.0.2.5/32", "192.0.2.6/24"], "routes": [{"to": "default", "via": "192.0.2.1"}]},
        {"addresses": ["192.0.2.5/32"]},
    ],
)
def test_a_gateway_that_is_reached_needs_nothing(item):
    found = description.parse({"network": [{"mac": MAC, **item}]})
    layout.check("config-2", found, "web1")
    assert "on-link" not in str(layout.files("cidata", found, "web1", UUID))


# What Nova's schema asks for (nova, doc/api_schemas/network_data.json): the keys that each item needs, by its type.
LINK_KEYS = {
    "phy": {"id", "type", "ethernet_mac_address"},
    "vlan": {"id", "type", "vlan_mac_address", "vlan_link", "vlan_id"},
}
ROUTE_KEYS = {"network", "netmask", "gateway"}
NETWORK_KEYS = {"id", "type", "link", "network_id"}
VERSIONS = {"ipv4": 4, "ipv4_dhcp": 4, "ipv6": 6, "ipv6_dhcp": 6}
DESCRIBED = [
    NETWORK,
    [{"mac": MAC, "dhcp4": True, "dhcp6": True}],
    [{"mac": MAC, "name": "idle", "mtu": 1500}],
    [{"mac": MAC, "dhcp6": True, "addresses": ["10.0.0.5/8"], "dns_servers": ["10.0.0.53", "2001:db8::53"]}],
    [{"mac": MAC, "vlans": [{"id": 7, "dhcp4": True}, {"id": 8, "addresses": ["2001:db8::5/48"]}]}],
    [
        {"mac": MAC, "addresses": ["192.0.2.5/31"], "routes": [{"to": "default", "via": "192.0.2.4", "metric": 0}]},
        {"mac": f"{MAC[:-1]}7", "addresses": ["192.0.2.9/32"], "dns_servers": ["192.0.2.53"]},
    ],
]


@pytest.mark.parametrize("interfaces", DESCRIBED)
def test_openstack_s_network_data_is_as_nova_s_schema_has_it(interfaces):
    files = layout.files("config-2", description.parse({"network": interfaces}), "web1", UUID)
    found = json.loads(files["openstack/latest/network_data.json"])
    assert set(found) == {"links", "networks", "services"}
    for link in found["links"]:
        assert LINK_KEYS[link["type"]] <= set(link)
        assert isinstance(link.get("mtu", 1500), int)
    ids = [item["id"] for item in found["networks"]]
    assert len(ids) == len(set(ids))
    for item in found["networks"]:
        assert set(item) >= NETWORK_KEYS
        assert item["link"] in [link["id"] for link in found["links"]]
        assert all(isinstance(item[key], str) for key in NETWORK_KEYS)
        version = VERSIONS[item["type"]]
        addresses = [item[key] for key in ("ip_address", "netmask") if key in item]
        for route in item.get("routes", []):
            assert set(route) >= ROUTE_KEYS
            addresses += [route[key] for key in ROUTE_KEYS]
        assert [ip_address(address).version for address in addresses] == [version] * len(addresses)
    for service in found["services"]:
        assert service["type"] == "dns"
        assert ip_address(service["address"])


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("interfaces", DESCRIBED)
def test_each_renderer_of_cloud_init_takes_what_was_described(cloud_init, label, interfaces):
    found = rendered(cloud_init, label, interfaces)
    for item in description.parse({"network": interfaces}).interfaces:
        for address in item.addressing.addresses:
            for text in (found["netplan"], found["networkd"][f"10-cloud-init-{item.name}.network"], found["eni"]):
                assert str(address) in text
            assert str(address.ip) in found["sysconfig"][f"ifcfg-{item.name}"]


def values(text, key):
    return [word for line in text.splitlines() if line.startswith(key) for word in line.partition("=")[2].split()]


@pytest.mark.parametrize("label", LABELS)
def test_each_interface_has_its_own_name_servers_and_no_others(cloud_init, label):
    servers = {"eth0": ["192.0.2.53", "2001:db8::53"], "eth1": ["198.51.100.53"], "eth2": []}
    addresses = {"eth0": ["192.0.2.5/24"], "eth1": ["198.51.100.5/24", "2001:db8:1::5/64"], "eth2": ["203.0.113.5/24"]}
    interfaces = [
        {"mac": f"{MAC[:-1]}{index}", "addresses": addresses[name], "dns_servers": servers[name]}
        for index, name in enumerate(servers)
    ]
    found = rendered(cloud_init, label, interfaces)
    ethernets = yaml.safe_load(found["netplan"])["network"]["ethernets"]
    stanzas = found["eni"].split("\nauto ")[1:]
    for name, stanza in zip(servers, stanzas):
        wanted = servers[name]
        assert ethernets[name].get("nameservers", {}).get("addresses", []) == wanted
        assert values(found["networkd"][f"10-cloud-init-{name}.network"], "DNS=") == wanted
        assert values(found["sysconfig"][f"ifcfg-{name}"], "DNS") == wanted
        assert [server for server in sum(servers.values(), []) if f" {server}" in stanza] == wanted


@pytest.mark.parametrize("label", LABELS)
def test_a_single_interface_s_name_servers_are_those_of_the_system(cloud_init, label):
    """On SUSE's systems cloud-init configures no others."""
    found = rendered(cloud_init, label, [{"mac": MAC, "addresses": ["192.0.2.5/24"], "dns_servers": ["192.0.2.53"]}])
    assert "nameserver 192.0.2.53" in found["sysconfig"]["resolv.conf"]


@pytest.mark.parametrize(
    "item",
    [
        {"addresses": ["192.0.2.5/32"], "routes": [{"to": "default", "via": "198.51.100.1"}]},
        {"addresses": ["2001:db8::5/64"], "routes": [{"to": "default", "via": "fe80::1"}]},
        {
            "addresses": ["192.0.2.5/24"],
            "routes": [{"to": "10.0.0.0/8", "via": "192.0.2.1", "metric": m} for m in (0, 2)],
        },
    ],
)
def test_gateways_that_may_be_right_are_taken(item):
    (interface,) = network.parse([{"mac": MAC, **item}])
    assert [str(route.via) for route in interface.addressing.routes] == [route["via"] for route in item["routes"]]


def one(**options):
    return [{"mac": MAC, **options}]


ADDRESS = "it needs one of addresses; where DHCP configures alone, it brings these"
PREFIX = "an address with the length of its prefix is needed, such as 192.0.2.5/24 or 2001:db8::5/64"
DESTINATION = "default or a network is needed, such as 198.51.100.0/24 or 2001:db8:1::/48"
SECOND = "cloud-init configures one default route of IPv4 for each interface"
GATEWAY = "a gateway is in the network of one of the interface's own addresses"
BAD = [
    (
        [{"mac": "52:54:00"}],
        "network[0].mac: '52:54:00' is not allowed; a MAC address of one device is needed, such as 52:54:00:12:34:56",
    ),
    (
        [{"mac": "53:54:00:12:34:56"}],
        "network[0].mac: '53:54:00:12:34:56' is not allowed; a MAC address of one device is needed, such as 52:54:00:12:34:56",
    ),
    (
        one() + [{"mac": MAC.upper()}],
        f"network[1].mac: '{MAC}' is not allowed; another one of the list has this MAC address",
    ),
    (
        one(name="lan") + [{"mac": "52:54:00:12:34:57", "name": "lan"}],
        "network[1].name: 'lan' is not allowed; another one of the list has this name",
    ),
    (
        one(name="../eth0"),
        "network[0].name: '../eth0' is not allowed; a name begins with a letter, has letters, digits, - and _, and 10 characters at most",
    ),
    (
        one(addresses=["192.0.2.5"]),
        "network[0].addresses: '192.0.2.5' is not allowed; " + PREFIX,
    ),
    (
        one(addresses=["192.0.2.5/33"]),
        "network[0].addresses: '192.0.2.5/33' is not allowed; " + PREFIX,
    ),
    (
        one(addresses=["192.0.2.5/24"], vlans=[{"id": 5, "addresses": ["192.0.2.5/25"]}]),
        "network[0].vlans[0].addresses: '192.0.2.5/25' is not allowed; network[0] has this address already",
    ),
    (
        one(routes=[{"to": "default", "via": "gateway"}]),
        "network[0].routes[0].via: 'gateway' is not allowed; an IP address is needed, such as 192.0.2.1 or 2001:db8::1",
    ),
    (
        one(routes=[{"to": "192.0.2.5/24", "via": "192.0.2.1"}]),
        "network[0].routes[0].to: '192.0.2.5/24' is not allowed; " + DESTINATION,
    ),
    (
        one(routes=[{"to": "::/0", "via": "192.0.2.1"}]),
        "network[0].routes[0].via: '192.0.2.1' is not allowed; the way to ::/0 is an address of IPv6",
    ),
    (
        one(dhcp4=True, routes=[{"to": "default", "via": "192.0.2.1"}]),
        f"network[0].routes[0].via: '192.0.2.1' is not allowed; {GATEWAY}",
    ),
    (
        one(addresses=["192.0.2.5/24"], routes=[{"to": "default", "via": "192.0.3.1"}]),
        f"network[0].routes[0].via: '192.0.3.1' is not allowed; {GATEWAY}",
    ),
    (
        one(routes=[{"to": "default", "via": "fe80::1"}]),
        f"network[0].routes[0].via: 'fe80::1' is not allowed; {GATEWAY}",
    ),
    (
        one(addresses=["192.0.2.5/24"], routes=[{"to": to, "via": "192.0.2.1"} for to in ("default", "0.0.0.0/0")]),
        f"network[0].routes[1].to: '0.0.0.0/0' is not allowed; {SECOND}",
    ),
    (
        one(addresses=["192.0.2.5/24"], routes=[{"to": "10.0.0.0/8", "via": "192.0.2.1"} for _number in range(2)]),
        "network[0].routes[1].to: '10.0.0.0/8' is not allowed; another one of the list has this destination",
    ),
    (
        one(
            addresses=["192.0.2.5/24"],
            routes=[{"to": "default", "via": "192.0.2.1"}, {"to": "default", "via": "192.0.2.2", "metric": 50}],
        ),
        f"network[0].routes[1].to: '0.0.0.0/0' is not allowed; {SECOND}",
    ),
    (
        one(addresses=["192.0.2.5/24"], routes=[{"to": "default", "via": "192.0.2.1", "metric": 7}])
        + [
            {
                "mac": "52:54:00:12:34:57",
                "vlans": [
                    {
                        "id": 5,
                        "addresses": ["198.51.100.5/24"],
                        "routes": [{"to": "default", "via": "198.51.100.1", "metric": 7}],
                    }
                ],
            }
        ],
        "network[1].vlans[0].routes[0].to: '0.0.0.0/0' is not allowed; "
        "network[0] has a default route of IPv4 with the same metric; give them different metrics",
    ),
    (
        one(addresses=["2001:db8::5/64"], routes=[{"to": "default", "via": "2001:db8::1"}])
        + [
            {
                "mac": "52:54:00:12:34:57",
                "addresses": ["2001:db8:1::5/64"],
                "routes": [{"to": "default", "via": "fe80::1"}],
            }
        ],
        "network[1].routes[0].to: '::/0' is not allowed; "
        "network[0] has a default route of IPv6 with the same metric; give them different metrics",
    ),
    *(
        (
            one(addresses=["192.0.2.5/24"], routes=[{"to": "default", "via": "192.0.2.1", "metric": metric}]),
            f"network[0].routes[0].metric: {metric} is not allowed; it is from 0 to 4294967294",
        )
        for metric in (-1, 4294967295)
    ),
    (
        one(dns_servers=["dns"]),
        "network[0].dns_servers: 'dns' is not allowed; an IP address is needed, such as 192.0.2.1 or 2001:db8::1",
    ),
    (
        one(dhcp4=True, dns_search=["a b"]),
        "network[0].dns_search: 'a b' is not allowed; a DNS domain is needed, such as example.com",
    ),
    (one(dns_search=["a.b"]), f"network[0].dns_search: 'a.b' is not allowed; {ADDRESS}"),
    (one(dhcp4=True, dns_servers=["192.0.2.1"]), f"network[0].dns_servers: '192.0.2.1' is not allowed; {ADDRESS}"),
    (one(mtu=67), "network[0].mtu: 67 is not allowed; it is from 68 to 65535 bytes"),
    (one(mtu=1000, dhcp6=True), "network[0].mtu: 1000 is not allowed; it is from 1280 to 65535 bytes"),
    (one(vlans=[{"id": 4095}]), "network[0].vlans[0].id: 4095 is not allowed; a VLAN has a number from 1 to 4094"),
    (
        one(vlans=[{"id": 7}, {"id": 7}]),
        "network[0].vlans[1].id: 7 is not allowed; another one of the list has this number",
    ),
]


@pytest.mark.parametrize(("interfaces", "message"), BAD)
def test_a_network_that_can_not_be_is_refused_in_one_sentence(interfaces, message):
    with pytest.raises(InvalidInput) as refused:
        network.parse(interfaces)
    assert str(refused.value) == message
