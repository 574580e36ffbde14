# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an option gives to a guest or a network, it can take away again: by `""`, `0`, `[]`, `false` or `default`, see docs/instances.md."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import definition
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.disks import parse_disks
from ansible_collections.kvmfleet.compute.plugins.module_utils._network import definition as network_definition
from ansible_collections.kvmfleet.compute.plugins.module_utils._network import spec as network_spec

FACETS = {option: facet for facet in definition.FACETS for option in facet.options}

# What libvirt gives a guest or a device in any case, or what it is. Another value takes the place of this one.
ALWAYS = {
    "machine": "a guest has one",
    "memory": "a guest has some",
    "vcpus": "a guest has some",
    "max_memory": "give memory's value",
    "max_vcpus": "give vcpus's value",
    "firmware": "bios or uefi",
    "boot": "libvirt gives hd; boot_order of a device takes its place",
    "cpu.mode": "a guest has one",
    "cpu.model": "another mode has none",
    "clock.offset": "utc, localtime or timezone",
    "clock.timezone": "another offset has none",
    "clock.timers": "an item with present: false",
    "hyperv.mode": "custom or passthrough",
    "numa.mode": "goes with nodeset",
    "smbios.mode": "emulate",
    "smbios.bios": "mode: emulate takes it away",
    "smbios.system": "mode: emulate takes it away",
    "smbios.baseboard": "mode: emulate takes it away",
    "smbios.chassis": "mode: emulate takes it away",
    "memory_backing.source": "anonymous",
    "memory_backing.access": "private",
    "memory_balloon.model": "none",
    "video.model": "none",
    "video.vram": "libvirt gives each model some",
    "video.heads": "libvirt gives each model one",
    "pci_root_ports": "ports are not taken away from devices",
    "disks.target": "names the disk",
    "disks.device": "what the disk is",
    "disks.bus": "a disk has one",
    "disks.format": "a disk has one",
    "disks.image": "state: absent",
    "disks.image_mode": "how the disk was made",
    "disks.size": "disks are never shrunk",
    "disks.pool": "where the disk was made",
    "disks.volume": "state: absent, or source: '' for a CD-ROM",
    "interfaces.network": "an interface has one, or a bridge",
    "interfaces.bridge": "an interface has one, or a network",
    "interfaces.mac": "names the interface",
    "interfaces.alias": "names the interface",
    "interfaces.model": "an interface has one",
    "filesystems.target": "names the directory",
    "filesystems.source": "state: absent",
    "host_devices.pci": "names the device",
    "host_devices.usb": "names the device",
    "host_devices.mdev": "names the device",
    "inputs.type": "names the device",
    "inputs.bus": "names the device",
    "network.mode": "a network has one",
    "network.bridge": "a network has one",
}

# What is given first, and what takes it away where that is not the empty value of the option's type.
GIVEN = {
    "title": "web",
    "description": "web",
    "tags": ["web"],
    "metadata": {"a": "b"},
    "memory_backing.locked": True,
    "iothreads": 2,
    "cpu_pinning.vcpus": [{"vcpu": 0, "cpus": "0"}],
    "cpu_pinning.emulator": "0",
    "cpu_pinning.iothreads": [{"iothread": 1, "cpus": "0"}],
    "cpu_limits.shares": 500,
    "cpu_limits.period": "100ms",
    "cpu_limits.quota": "50ms",
    "smbios.oem_strings": ["a"],
    "hyperv.enlightenments": ["relaxed"],
    "hyperv.spinlocks": 8191,
    "hyperv.vendor_id": "vendor",
    "cpu.sockets": 2,
    "cpu.cores": 2,
    "cpu.threads": 2,
    "numa.cells": [{"cpus": "0", "memory": "64MiB"}],
    "numa.nodeset": "0",
    "serial_console.log_file": "/var/log/a",
    "memory_balloon.stats_period": "10s",
    "disks.source": "/srv/a.iso",
    "disks.serial": "a",
    "disks.cache": "none",
    "disks.io": "threads",
    "disks.discard": "unmap",
    "disks.iothread": 1,
    "disks.boot_order": 1,
    "interfaces.mtu": 1400,
    "interfaces.boot_order": 1,
    "network.mtu": 1400,
    "network.domain": "example.com",
    "network.addresses": [{"address": "192.0.2.1/24", "dhcp": [], "reservations": []}],
}
TAKEN = {
    "disks.cache": "default",
    "disks.io": "default",
    "disks.discard": "default",
    "cpu_limits.period": "0s",
    "cpu_limits.quota": "0s",
    "memory_balloon.stats_period": "0s",
}
EMPTY = {"str": "", "path": "", "int": 0, "list": [], "dict": {}, "bool": False}
NAMES = {
    "disks": {"target": "sda", "device": "cdrom"},
    "interfaces": {"network": "default", "mac": "52:54:00:00:00:01"},
}


def options():
    """Yield (name, rule) of each option that gives something to a guest or a network."""
    for name, facet in FACETS.items():
        rule = facet.options[name]
        inner = rule.get("options", {})
        # A switch takes its mapping away with all that it has; state: absent takes an item.
        if not inner:
            yield name, rule
        elif "enabled" not in inner or name == "serial_console":
            for key, one in inner.items():
                if key not in ("state", "enabled"):
                    yield f"{name}.{key}", one
    for name, rule in network_spec.OPTIONS.items():
        if name not in ("name", "state", "autostart"):
            yield f"network.{name}", rule


RULES = dict(options())
VALUES = sorted(name for name, rule in RULES.items() if rule["type"] != "bool" and name not in ALWAYS)


def test_the_tables_name_options_alone():
    assert (set(ALWAYS) | set(GIVEN) | set(TAKEN)) - set(RULES) == set()
    assert set(ALWAYS) & set(GIVEN) == set()


def test_each_option_has_a_way_back_or_a_reason_why_not():
    assert [name for name in VALUES if name not in GIVEN] == []


def guest():
    root = definition.skeleton(definition.NewGuest("web01", "qemu", "x86_64", machine="q35"))
    _xml.put(root, "vcpu", "1")
    _xml.put(root, "memory", "65536")
    # What the options below are attributes of.
    _xml.ensure(root, "iothreads").text = "1"
    devices = root.find("devices")
    devices.append(
        _xml.parse('<disk type="file" device="cdrom"><driver name="qemu"/><target dev="sda" bus="sata"/></disk>')
    )
    devices.append(
        _xml.parse(
            '<interface type="network"><mac address="52:54:00:00:00:01"/><source network="default"/></interface>'
        )
    )
    devices.append(_xml.parse('<serial type="pty"/>'))
    devices.append(_xml.parse('<memballoon model="virtio"/>'))
    return root


def parsed(name, value):
    """Return the wanted values of a task that gives one option."""
    option, _dot, key = name.partition(".")
    facet = FACETS[option]
    if facet.options[option]["type"] == "list" and key:
        item = dict.fromkeys(facet.options[option]["options"])
        item.update(NAMES[option], **{key: value})
        if option == "disks":
            (disk,) = parse_disks({"disks": [item], "pool": "default"}, None, None)
            assert key != "source" or disk.ejects == (value == "")
            return facet, {"disks": (dict(disk.attributes, target="sda"),)}
        return facet, facet.parse({option: [item]})
    return facet, facet.parse({option: {key: value} if key else value})


@pytest.mark.parametrize(
    "name", [name for name in VALUES if not name.startswith("network.") and name != "disks.source"]
)
def test_what_was_given_to_a_guest_is_taken_away(name):
    root = guest()
    facet, wanted = parsed(name, TAKEN.get(name, EMPTY[RULES[name]["type"]]))
    facet.write(root, wanted)  # what is not there is not there afterwards either
    without = _xml.to_text(root)
    facet, given = parsed(name, GIVEN[name])
    assert facet.changes(root, given), "nothing was given"
    facet.write(root, given)
    assert _xml.to_text(root) != without and facet.changes(root, wanted)
    facet.write(root, wanted)
    assert facet.changes(root, wanted) == []
    assert values(root) == values(_xml.parse(without))


def values(root):
    """Return what a definition says, whatever its elements' order."""
    found = [
        (element.getroottree().getpath(element), dict(element.attrib), (element.text or "").strip())
        for element in root.iter()
    ]
    return sorted((path, sorted(attributes.items()), text) for path, attributes, text in found if attributes or text)


@pytest.mark.parametrize("option", [name.partition(".")[2] for name in VALUES if name.startswith("network.")])
def test_what_was_given_to_a_network_is_taken_away(option):
    def wanted(value):
        params = dict.fromkeys(network_spec.OPTIONS)
        return network_spec.parse(dict(params, name="lab", state="active", **{option: value})).wanted

    name = f"network.{option}"
    root = network_definition.new("lab")
    before = copy.deepcopy(root)
    network_definition.write(root, wanted(GIVEN[name]))
    assert network_definition.differing(before, wanted(GIVEN[name])) == [option]
    network_definition.write(root, wanted(TAKEN.get(name, EMPTY[RULES[name]["type"]])))
    assert _xml.to_text(root) == _xml.to_text(before)
