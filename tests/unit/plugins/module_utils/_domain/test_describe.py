# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The description of a guest, from definitions as libvirt writes them."""

from __future__ import annotations

import copy
import json
import pathlib

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import definition, describe, metadata

HERE = pathlib.Path(__file__).parent
LIVE = _xml.parse((HERE / "running-guest.xml").read_text(encoding="utf-8"))
FOREIGN = _xml.parse((HERE / "foreign-guest.xml").read_text(encoding="utf-8"))
MAC = "52:54:00:12:34:56"
ADDRESS = {"address": "192.168.122.57", "prefix": 24, "family": "ipv4", "source": "lease"}


def facts(**changed):
    values = {
        "name": "web01",
        "uuid": "8a53e7c5-6f0e-4b5a-9f53-0d8c8f2e2a10",
        "id": 3,
        "state": "running",
        "reason": "booted",
        "persistent": True,
        "autostart": False,
    }
    return describe.Facts(**dict(values, **changed))


# Descriptions as they were returned before, of definitions that ours, other tools and libvirt write.
RECORDED = json.loads((HERE / "descriptions.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("recorded", RECORDED)
def test_a_description_stays_as_it_was(recorded):
    definition = recorded["definition"]
    text = (HERE / definition).read_text(encoding="utf-8") if definition.endswith(".xml") else definition
    described = describe.describe(_xml.parse(text), facts(), {MAC: [ADDRESS]})
    # As text, so that 1 is not true.
    assert json.dumps(described, sort_keys=True) == json.dumps(recorded["description"], sort_keys=True)


def test_every_facet_that_has_something_to_tell_is_asked():
    told = [facet.options for facet in definition.FACETS if facet.describe(LIVE)]
    assert told == [facet.options for facet in describe.FACETS]


def test_identity_is_the_facts():
    described = describe.describe(LIVE, facts(), {})
    assert {key: described[key] for key in describe.identity(facts())} == {
        "name": "web01",
        "uuid": "8a53e7c5-6f0e-4b5a-9f53-0d8c8f2e2a10",
        "id": 3,
        "state": "running",
        "state_reason": "booted",
        "persistent": True,
        "autostart": False,
    }


def test_size_and_system():
    described = describe.describe(LIVE, facts(), {})
    assert (described["memory"], described["max_memory"]) == (256 * 1024 * 1024, 512 * 1024 * 1024)
    assert (described["vcpus"], described["max_vcpus"]) == (2, 4)
    assert described["cpu"] == {"mode": "custom", "model": "qemu64", "sockets": 2, "cores": 2, "threads": 1}
    assert (described["machine"], described["arch"]) == ("pc-q35-7.2", "x86_64")
    assert (described["virt_type"], described["firmware"]) == ("qemu", "uefi")
    assert (described["title"], described["description"]) == ("a web server", "")


def test_metadata():
    described = describe.describe(LIVE, facts(), {})
    assert described["managed"] is True
    assert (described["flavor"], described["image"]) == ("m1.small", "debian-13")
    assert described["tags"] == ["prod", "web"]
    assert described["metadata"] == {"owner": "team-a"}
    assert described["delete_protection"] is True


def test_disks():
    disks = {disk["target"]: disk for disk in describe.describe(LIVE, facts(), {})["disks"]}
    assert disks["vda"] == {
        "target": "vda",
        "bus": "virtio",
        "device": "disk",
        "type": "file",
        "format": "qcow2",
        "source": "/var/lib/libvirt/images/web01-vda.qcow2",
        "serial": "root",
        "cache": "none",
        "io": "native",
        "discard": "unmap",
        "iothread": None,
        "readonly": False,
        "shareable": False,
        "boot_order": 1,
        "owned": True,
    }
    assert disks["sda"]["source"] is None
    assert (disks["sda"]["device"], disks["sda"]["readonly"], disks["sda"]["owned"]) == ("cdrom", True, False)
    assert (disks["vdb"]["type"], disks["vdb"]["source"], disks["vdb"]["shareable"]) == ("block", "/dev/vg0/data", True)
    assert (disks["vdc"]["type"], disks["vdc"]["source"]) == ("volume", "fast/web01-vdc.raw")
    assert (disks["vdd"]["type"], disks["vdd"]["source"]) == ("network", "rbd:volumes/web01")


def test_a_volume_of_a_pool_is_owned_by_its_name():
    disks = {disk["target"]: disk["owned"] for disk in describe.describe(LIVE, facts(), {})["disks"]}
    assert disks == {"vda": True, "sda": False, "vdb": False, "vdc": True, "vdd": False}


def test_another_file_at_an_owned_target_is_not_owned():
    root = copy.deepcopy(LIVE)
    _xml.put(root, "devices/disk/source/@file", "/srv/other.qcow2")
    assert describe.describe(root, facts(), {})["disks"][0]["owned"] is False


def test_interfaces():
    interfaces = describe.describe(LIVE, facts(), {MAC: [ADDRESS]})["interfaces"]
    assert interfaces[0] == {
        "type": "network",
        "source": "default",
        "mac": MAC,
        "model": "virtio",
        "alias": "ua-front",
        "target": "vnet0",
        "mtu": 9000,
        "filter": None,
        "addresses": [ADDRESS],
    }
    assert [(item["type"], item["source"]) for item in interfaces[1:]] == [
        ("bridge", "br0"),
        ("direct", "eth1"),
        ("user", None),
    ]
    assert all(item["addresses"] == [] for item in interfaces[1:])


def test_addresses_that_were_not_asked_for_are_not_said_to_be_none():
    assert all("addresses" not in item for item in describe.describe(LIVE, facts(), None)["interfaces"])


def test_consoles():
    described = describe.describe(LIVE, facts(), {})
    assert described["graphics"] == [
        {"type": "vnc", "listen": "127.0.0.1", "port": 5901, "websocket": 5701, "tls_port": None},
        {"type": "spice", "listen": "0.0.0.0", "port": 5902, "websocket": None, "tls_port": 5903},
    ]
    assert described["serial_console"] == {
        "pty": "/dev/pts/3",
        "log_file": "/var/log/libvirt/qemu/web01-serial0.log",
    }


def test_a_password_is_never_told():
    assert "geheim" in _xml.to_text(LIVE)
    assert "geheim" not in json.dumps(describe.describe(LIVE, facts(), {}))


def test_the_agent_is_connected_or_not_while_the_guest_is_on():
    gone = copy.deepcopy(LIVE)
    _xml.put(gone, "devices/channel/target/@state", "disconnected")
    assert describe.agent(LIVE, facts()) == {"channel": True, "connected": True}
    assert describe.agent(gone, facts()) == {"channel": True, "connected": False}
    assert describe.agent(LIVE, facts(id=None)) == {"channel": True, "connected": None}
    assert describe.agent(FOREIGN, facts()) == {"channel": False, "connected": None}


def test_a_guest_of_another_tool_that_is_off():
    described = describe.describe(FOREIGN, facts(id=None, state="stopped", reason="shutdown"), {})
    assert described["managed"] is False
    assert (described["flavor"], described["image"], described["tags"], described["metadata"]) == (None, None, [], {})
    assert described["cpu"]["mode"] == "host-passthrough"
    assert described["graphics"] == [
        {"type": "vnc", "listen": "127.0.0.1", "port": None, "websocket": None, "tls_port": None}
    ]
    assert described["serial_console"] == {"pty": None, "log_file": None}


def test_a_guest_without_consoles_has_none():
    root = copy.deepcopy(FOREIGN)
    for tag in ("serial", "console", "graphics"):
        element = root.find(f"devices/{tag}")
        element.getparent().remove(element)
    described = describe.describe(root, facts(), {})
    assert (described["serial_console"], described["graphics"]) == (None, [])


def test_what_we_keep_with_a_guest_survives_libvirt():
    """A definition that libvirt took and gives back describes the same."""
    with connect("test:///default") as conn:
        root = _xml.parse(conn.lookupByName("test").XMLDesc(0))
        root.remove(root.find("uuid"))
        _xml.put(root, "name", "kept")
        metadata.write(root, metadata.read(LIVE))
        domain = conn.defineXML(_xml.to_text(root))
        try:
            described = describe.instance(conn, domain)
            assert (described["name"], described["state"], described["id"]) == ("kept", "stopped", None)
            assert (described["managed"], described["tags"]) == (True, ["prod", "web"])
            assert described["interfaces"][0]["addresses"] == []
            domain.create()
            described = describe.instance(conn, domain)
            assert (described["state"], described["id"]) == ("running", domain.ID())
            assert described["interfaces"][0]["addresses"][0]["source"] == "lease"
            domain.destroy()
        finally:
            domain.undefine()
