# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_network as Ansible runs it, on libvirt's in-memory driver."""

from __future__ import annotations

import time

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _journal, _lock
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.tests.unit.plugins.kill import chosen, count_points, failing, kill_at
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.returned import differences, documented

GUEST = """\
<domain type="test"><name>{name}</name><memory unit="MiB">64</memory><os><type>hvm</type></os>
  <devices><interface type="network"><source network="{network}"/></interface></devices></domain>
"""
LAB = {
    "mode": "nat",
    "bridge": "lab0",
    "mtu": 1400,
    "domain": "lab.example.com",
    "dns": False,
    "port_isolation": True,
    "addresses": [
        {
            "address": "192.0.2.1/24",
            "dhcp": [{"start": "192.0.2.100", "end": "192.0.2.199"}],
            "reservations": [{"mac": "52-54-00-12-34-AB", "ip": "192.0.2.10", "name": "db01.lab.example.com"}],
        },
        {"address": "2001:db8::1/64", "dhcp": [], "reservations": []},
    ],
}


@pytest.fixture
def host(shared_uri, run_module, tmp_path, monkeypatch):
    """A function that runs the module on a host with the network `default`."""
    monkeypatch.setattr(_journal, "DIRECTORY", str(tmp_path / "state"))
    with connect(shared_uri) as conn:

        def run(check=False, **params):
            return run_module("vm_network", dict({"name": "lab", "uri": shared_uri}, **params), check=check)

        run.conn = conn
        yield run
        for domain in conn.listAllDomains(0):
            if domain.name() != "test":
                persistent = domain.isPersistent()
                if domain.isActive():
                    domain.destroy()
                if persistent:
                    domain.undefine()
        for network in conn.listAllNetworks(0):
            if network.name() != "default":
                if network.isActive():
                    network.destroy()
                network.undefine()


def names(host):
    return sorted(network.name() for network in host.conn.listAllNetworks(0))


def actions(result):
    return [action["action"] for action in result["actions"]]


def test_a_failure_says_what_was_done(host, monkeypatch):
    define, start = ({"action": f"{action}_network", "subject": "lab"} for action in ("define", "start"))
    with monkeypatch.context() as patch:
        patch.setattr(libvirt.virNetwork, "create", lambda network: host.conn.networkLookupByName("nowhere"))
        refused = host(**LAB)
    assert refused["failed"] and names(host) == ["default"], "one that does not start is not left"
    assert (refused["changed"], refused["done"]) == (False, []) and refused["actions"][:2] == [define, start]
    with failing("start_network", "lab"):
        half = host(**LAB)
    assert half["failed"] and (half["changed"], half["done"]) == (True, [define])


def test_a_network_is_isolated_unless_something_else_is_asked_for(host):
    done = host()
    assert actions(done) == ["define_network", "start_network", "enable_autostart"]
    network = done["network"]
    assert (network["mode"], network["addresses"], network["active"], network["autostart"]) == (
        "isolated",
        [],
        True,
        True,
    )
    assert host.conn.networkLookupByName("lab").autostart() == 1
    assert not host()["changed"]


def test_all_options_are_foreseen_made_once_and_then_left_alone(host):
    foreseen = host(check=True, **LAB)
    assert foreseen["changed"] and names(host) == ["default"]
    done = host(**LAB)
    assert (done["actions"], done["diff"]) == (foreseen["actions"], foreseen["diff"])
    expected = dict(LAB, name="lab", active=True, autostart=True)
    expected["addresses"][0]["reservations"][0]["mac"] = "52:54:00:12:34:ab"
    assert {key: done["network"][key] for key in expected} == expected
    again = host(**LAB)
    assert not again["changed"] and again["network"] == done["network"]


def test_what_is_returned_is_documented(host):
    network = host(**LAB)["network"]
    assert list(differences(network, documented("vm_network")["network"]["contains"])) == []


def test_what_is_not_given_stays(host):
    before = host(state="inactive", **LAB)["network"]
    changed = host(state="inactive", domain="new.example.com")
    assert actions(changed) == ["define_network"]
    assert changed["network"] == dict(before, domain="new.example.com")


@pytest.mark.parametrize("state", ["inactive", "absent"])
def test_a_network_that_guests_are_on_is_neither_stopped_nor_removed(host, state):
    host()
    domain = host.conn.createXML(GUEST.format(name="web", network="lab"), 0)
    refused = host(state=state)
    assert refused["msg"].startswith("name: the network 'lab' can't be ") and refused["msg"].endswith("on it: web")
    domain.destroy()
    assert host(state=state)["changed"]


def test_a_network_that_a_stopped_guest_needs_is_not_removed(host):
    host()
    host.conn.defineXML(GUEST.format(name="db", network="lab"))
    assert host(state="inactive")["changed"]
    assert host(state="absent")["msg"] == "name: the network 'lab' can't be removed; guests are on it: db"


def test_a_guest_that_names_the_bridge_is_on_the_network_too(host):
    host(bridge="lab0")
    guest = GUEST.format(name="web", network="x").replace('type="network"', 'type="bridge"')
    host.conn.createXML(guest.replace('network="x"', 'bridge="lab0"'), 0)
    assert host(state="inactive")["msg"] == "name: the network 'lab' can't be stopped; guests are on it: web"


def test_the_order_of_reservations_means_nothing(host):
    """libvirt appends what an active network gets, and a second run must find that it is there."""

    def reserved(*last):
        return addresses(reservations=[{"mac": f"52:54:00:00:00:0{item}", "ip": f"192.0.2.{item}"} for item in last])

    host(**reserved(5, 6))
    host.conn.createXML(GUEST.format(name="web", network="lab"), 0)
    done = host(**reserved(6, 4, 5))
    assert actions(done) == ["define_network", "add_reservation"] and done["restart_required"] == []
    again = host(**reserved(4, 5, 6))
    assert not again["changed"] and again["restart_required"] == []


def test_a_reservation_finds_its_address_behind_one_of_ipv6(host):
    def dual(*reservations):
        six = {"address": "2001:db8::1/64", "dhcp": [{"start": "2001:db8::10", "end": "2001:db8::20"}]}
        four = {"address": "192.0.2.1/24", "dhcp": [{"start": "192.0.2.100", "end": "192.0.2.199"}]}
        return {"addresses": [six, dict(four, reservations=list(reservations))]}

    host(**dual())
    one = {"mac": "52:54:00:00:00:01", "ip": "192.0.2.9", "name": None}
    assert actions(host(**dual(one))) == ["define_network", "add_reservation"]
    again = host(**dual(one))
    assert not again["changed"] and again["network"]["addresses"][1]["reservations"] == [one]
    assert actions(host(**dual())) == ["define_network", "remove_reservation"]


def test_a_network_without_a_definition_gets_one(host):
    host.conn.networkCreateXML("<network><name>lab</name><bridge name='lab0'/></network>")
    done = host()
    assert actions(done) == ["define_network"] and done["network"]["bridge"] == "lab0"
    assert host.conn.networkLookupByName("lab").isPersistent() and not host()["changed"]


def test_states(host):
    assert not host(state="absent")["changed"]
    assert host(state="inactive")["msg"].startswith("name: there is no network 'lab'")
    made = host(state="inactive", mode="isolated")
    assert actions(made) == ["define_network"] and not made["network"]["active"] and not made["network"]["autostart"]
    assert actions(host()) == ["start_network", "enable_autostart"]
    assert actions(host(autostart=False)) == ["disable_autostart"]
    assert not host()["changed"]
    assert actions(host(autostart=True)) == ["enable_autostart"]
    foreseen = host(state="absent", check=True)
    gone = host(state="absent")
    assert actions(gone) == actions(foreseen) == ["stop_network", "undefine_network"]
    assert gone["network"] is None and names(host) == ["default"]


def test_a_bridge_of_the_host(host):
    done = host(mode="bridge", bridge="br0")
    assert (done["network"]["mode"], done["network"]["bridge"]) == ("bridge", "br0")
    assert not host(mode="bridge", bridge="br0")["changed"]


MOVED = dict(
    LAB, addresses=[dict(LAB["addresses"][0], reservations=[{"mac": "52:54:00:12:34:ac", "ip": "192.0.2.11"}])]
)
MOVED["addresses"].append(LAB["addresses"][1])


@pytest.mark.parametrize(
    ("before", "task", "steps"),
    [
        ({"state": "absent"}, LAB, ["define_network", "start_network", "enable_autostart"]),
        (LAB, MOVED, ["define_network", "remove_reservation", "add_reservation"]),
        (LAB, {"state": "inactive"}, ["stop_network"]),
        (LAB, {"state": "absent"}, ["stop_network", "undefine_network"]),
    ],
)
def test_a_run_that_is_killed_is_finished_by_the_next_one(host, tmp_path, before, task, steps, record_property):
    def outcome():
        network = host(**task)["network"]
        return network and {key: value for key, value in network.items() if key != "uuid"}

    def begin():
        host(state="absent")
        host(**before)

    begin()
    points = count_points(lambda: host(**task))
    assert [name.partition(" ")[2] for name in points if name.startswith("before ")] == steps
    undisturbed = outcome()
    numbers = chosen(range(1, len(points) + 1), [len(points) // 2])
    record_property("kills", len(numbers))
    for number in numbers:
        begin()
        where = kill_at(number, lambda: host(**task))
        assert outcome() == undisturbed, where
        assert not host(**task)["changed"], where
        assert list((tmp_path / "state").glob("*")) == [], where


def addresses(address="192.0.2.1/24", **others):
    return {"addresses": [dict({"address": address}, **others)]}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"name": "a/b"}, "name: 'a/b' is not allowed; "),
        ({"bridge": "a-name-that-is-long"}, "bridge: 'a-name-that-is-long' is not allowed; "),
        ({"domain": "no domain"}, "domain: 'no domain' is not allowed; "),
        ({"mtu": 10}, "mtu: 10 is not allowed; "),
        ({"mode": "bridge"}, "mode: 'bridge' is not allowed; it needs bridge"),
        ({"mode": "bridge", "bridge": "br0", "mtu": 1400}, "mtu: a network of mode bridge has none"),
        ({"bridge": "virbr0"}, "bridge: 'virbr0' is the bridge of the network 'default'"),
        ({"mode": "bridge", "bridge": "virbr0"}, "bridge: 'virbr0' is the bridge of the network 'default'"),
        ({"mode": "nat"}, "mode: 'nat' is not allowed; it needs addresses"),
        ({"mode": "routed", "addresses": []}, "mode: 'routed' is not allowed; it needs addresses"),
        (addresses("fe80::1%eth0/64"), "addresses[0].address: 'fe80::1%eth0/64' is not allowed; "),
        (
            addresses("10.0.0.1/8", dhcp=[{"start": "10.0.255.250", "end": "10.1.0.5"}]),
            "addresses[0].dhcp[0].end: '10.1.0.5' is not allowed; libvirt wants",
        ),
        (addresses("192.0.2.1"), "addresses[0].address: '192.0.2.1' is not allowed; "),
        (addresses("192.0.2.0/24"), "addresses[0].address: '192.0.2.0/24' is not allowed; it is the network"),
        (
            addresses("192.168.122.9/28"),
            "addresses: 192.168.122.9/28 overlaps with 192.168.122.1/24 of the network 'default'",
        ),
        (
            {"addresses": [{"address": "192.0.2.1/24"}, {"address": "192.0.2.9/28"}]},
            "addresses[1].address: '192.0.2.9/28' is not allowed; it overlaps with 192.0.2.1/24",
        ),
        (addresses(dhcp=[{"start": "198.51.100.5", "end": "192.0.2.9"}]), "addresses[0].dhcp[0].start: '198.51.100.5'"),
        (addresses(dhcp=[{"start": "192.0.2.9", "end": "192.0.2.5"}]), "addresses[0].dhcp[0].end: '192.0.2.5'"),
        (addresses("192.0.2.7/24", dhcp=[{"start": "192.0.2.5", "end": "192.0.2.9"}]), "addresses[0].dhcp[0].start: "),
        (
            addresses(dhcp=[{"start": "192.0.2.5", "end": "192.0.2.9"}, {"start": "192.0.2.9", "end": "192.0.2.12"}]),
            "addresses[0].dhcp[1].start: '192.0.2.9' is not allowed; it overlaps",
        ),
        (addresses(reservations=[{"mac": "x", "ip": "192.0.2.9"}]), "addresses[0].reservations[0].mac: 'x'"),
        (
            addresses(reservations=[{"mac": "52:54:00:00:00:01", "ip": "192.0.2.1"}]),
            "addresses[0].reservations[0].ip: '192.0.2.1' is not allowed; the host itself",
        ),
        (
            addresses(reservations=[{"mac": "52:54:00:00:00:01", "ip": "192.0.2.8", "name": "a b"}]),
            "addresses[0].reservations[0].name: 'a b'",
        ),
        (
            addresses(
                reservations=[
                    {"mac": "52:54:00:00:00:01", "ip": "192.0.2.8"},
                    {"mac": "52:54:00:00:00:01", "ip": "192.0.2.9"},
                ]
            ),
            "addresses[0].reservations.mac: '52:54:00:00:00:01' is not allowed; another reservation has it",
        ),
        (
            addresses("2001:db8::1/64", reservations=[{"mac": "52:54:00:00:00:01", "ip": "2001:db8::2"}]),
            "addresses[0].reservations[0]: '2001:db8::2' is not allowed; only IPv4",
        ),
    ],
)
def test_bad_input_changes_nothing(test_uri, run_module, params, message):
    result = run_module("vm_network", dict({"name": "lab", "uri": test_uri}, **params))
    assert result["failed"] and result["msg"].startswith(message), result["msg"]


def test_another_task_on_the_networks_is_waited_for_as_long_as_the_task_says(host, shared_uri):
    with _lock.held_all(shared_uri, [_lock.networks()], 0, "vm_network"):
        before = time.monotonic()
        failed = host(**LAB, lock_timeout="200ms")
        assert time.monotonic() - before >= 0.2
        assert (
            failed["msg"].startswith("the networks of this host are being used by vm_network (process ")
            and failed["failed"]
        )
        assert host(**LAB, check=True)["changed"], "check mode does not wait"
    assert host(**LAB, lock_timeout="0")["changed"]
    assert host(lock_timeout="soon")["msg"].startswith("lock_timeout: 'soon' is not allowed; ")


def test_a_network_whose_start_was_killed_is_removed_with_all_that_was_written_down(host, tmp_path):
    points = count_points(lambda: host(**LAB))
    host(state="absent")
    kill_at(points.index("create") + 1, lambda: host(**LAB))
    assert len(list((tmp_path / "state").iterdir())) == 1
    host(state="absent")
    assert list((tmp_path / "state").iterdir()) == []
