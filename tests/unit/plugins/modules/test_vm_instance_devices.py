# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tuning and devices as the real QEMU driver takes them: defined with validation, read back, and left alone afterwards."""

from __future__ import annotations

import subprocess

import libvirt
import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect

BASE = {"name": "dev01", "memory": "256MiB", "vcpus": 4, "state": "present"}
CELLS = [{"cpus": "0-1", "memory": "128MiB"}, {"cpus": "2-3", "memory": "128MiB", "nodeset": "0"}]
PINS = {
    "vcpus": [{"vcpu": 3, "cpus": "0-1"}, {"vcpu": 0, "cpus": "1"}],
    "emulator": "0",
    "iothreads": [{"iothread": 1, "cpus": "0"}],
}


@pytest.fixture
def guest(embed_uri, run_module):
    """A function that runs the module on one guest of the QEMU driver, which is removed afterwards."""

    def run(check=False, **params):
        return run_module("vm_instance", dict(BASE, uri=embed_uri, **params), check=check)

    yield run
    assert not run_module("vm_instance", {"name": "dev01", "uri": embed_uri, "state": "absent"})["failed"]


@pytest.fixture
def definition(embed_uri):
    def read():
        with connect(embed_uri) as conn:
            return _xml.parse(conn.lookupByName("dev01").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))

    return read


SPECS = {
    "numa": {"numa": {"cells": CELLS, "mode": "preferred", "nodeset": "0"}},
    "pinning": {"cpu_pinning": PINS, "iothreads": 2, "cpu_limits": {"shares": 512, "period": "50ms", "quota": "25ms"}},
    "huge pages": {"huge_pages": {"size": "2MiB"}, "memory_backing": {"locked": True, "source": "memfd"}},
    "huge pages of a cell": {"numa": {"cells": CELLS}, "huge_pages": {"size": "1GiB", "nodes": "1"}},
    "huge pages of the usual size": {"huge_pages": {"enabled": True}},
    "balloon": {"memory_balloon": {"free_page_reporting": True, "deflate_on_oom": True, "stats_period": "1m"}},
    "no balloon": {"memory_balloon": {"model": "none"}},
    "watchdog": {"watchdog": {"model": "i6300esb", "action": "inject-nmi"}, "panic": {"enabled": True}},
    "watchdog of a pc": {"watchdog": {"model": "ib700"}, "machine": "pc"},
    "hyperv panic": {"panic": {"model": "hyperv"}},
    "video": {"video": {"model": "virtio", "heads": 2}, "sound": {"enabled": True}},
    "vga": {"video": {"model": "vga", "vram": "64MiB"}, "sound": {"model": "ac97"}},
    "qxl": {"video": {"model": "qxl", "vram": "32MiB", "heads": 2}, "sound": {"model": "usb"}},
    "no video": {"video": {"model": "none"}},
    "bochs": {"video": {"model": "bochs", "vram": "32MiB"}},
    "inputs": {"inputs": [{"type": "tablet"}, {"type": "keyboard", "bus": "virtio"}, {"type": "mouse"}]},
    "vsock": {"vsock": {"cid": "42"}},
    "any vsock": {"vsock": {"enabled": True}},
    "host devices": {
        "host_devices": [
            {"pci": "0000:01:00.0"},
            {"pci": "02:1f.7", "managed": False},
            {"usb": "046d:c52b"},
            {"usb": "1/4"},
            {"mdev": "4b20d080-1b54-4048-85b3-a6a62d165c01"},
        ]
    },
    "filesystems": {"filesystems": [{"target": "a", "source": "/srv"}, {"target": "b", "source": "/tmp"}]},
    "filesystems of cells": {"filesystems": [{"target": "a", "source": "/srv"}], "numa": {"cells": CELLS}},
}


@pytest.mark.parametrize("spec", SPECS)
def test_qemu_takes_it_and_it_is_left_alone_the_second_time(guest, spec):
    foreseen = guest(check=True, **SPECS[spec])
    done = guest(**SPECS[spec])
    assert not done["failed"], done["msg"]
    assert [action["action"] for action in done["actions"]] == ["define"] and foreseen["actions"] == done["actions"]
    again = guest(**SPECS[spec])
    assert not again["changed"], again["diff"]


def test_all_of_it_can_be_taken_back(guest, definition):
    assert not guest()["failed"]
    plain = definition()
    full = {}
    for name in ("pinning", "balloon", "watchdog", "video", "inputs", "vsock", "host devices", "filesystems", "numa"):
        full.update(SPECS[name])
    assert guest(**full)["changed"] and not guest(**full)["changed"]
    back = {
        "numa": {"cells": [], "nodeset": ""},
        "cpu_pinning": {"vcpus": [], "emulator": "", "iothreads": []},
        "cpu_limits": {"shares": 0, "period": "0", "quota": "0"},
        "iothreads": 0,
        "memory_balloon": {"free_page_reporting": False, "deflate_on_oom": False, "stats_period": "0"},
        "video": {"model": "vga"},
        "memory_backing": {"source": "anonymous", "access": "private"},
        "filesystems": [],
        "host_devices": [],
        "inputs": [],
        "purge": ["filesystems", "host_devices", "inputs"],
    }
    back.update({option: {"enabled": False} for option in ("watchdog", "panic", "sound", "vsock")})
    assert guest(**back)["changed"] and not guest(**back)["changed"]
    found = definition()
    for tag in ("cputune", "numatune", "iothreads", "memoryBacking", "cpu/numa"):
        assert found.find(tag) is None, tag
    for tag in ("watchdog", "panic", "sound", "vsock", "hostdev", "filesystem"):
        assert found.find(f"devices/{tag}") is None, tag
    assert [device.get("bus") for device in found.iter("input")] == [
        device.get("bus") for device in plain.iter("input")
    ]


def test_a_disk_uses_an_io_thread(guest, definition, tmp_path):
    disk = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "1M"], check=True)
    params = {"iothreads": 1, "disks": [{"source": str(disk), "iothread": 1}]}
    assert not guest(**params)["failed"] and not guest(**params)["changed"]
    assert definition().find("devices/disk/driver").get("iothread") == "1"


def test_a_guest_with_all_that_needs_no_hardware_starts_and_is_left_alone(guest, run_module, embed_uri, definition):
    params = {"state": "running", "cpu_pinning": dict(PINS, emulator="0-1"), "iothreads": 1}
    for name in ("balloon", "watchdog", "video", "inputs"):
        params.update(SPECS[name])
    params["numa"] = {"cells": [dict(cell, nodeset=None) for cell in CELLS]}
    params["memory_backing"] = {"access": "shared"}
    done = run_module("vm_instance", dict(BASE, uri=embed_uri, **params))
    assert not done["failed"], done["msg"]
    again = run_module("vm_instance", dict(BASE, uri=embed_uri, **params))
    assert not again["changed"] and again["restart_required"] == []


def test_spare_root_ports_stay_where_they_are(guest, definition):
    def ports():
        return {
            found.get("index"): found.find("address").get("slot") + found.find("address").get("function")
            for found in definition().findall("devices/controller[@model='pcie-root-port']")
        }

    guest()
    first = ports()
    assert len(first) == 16
    guest(pci_root_ports=20, watchdog={"enabled": True}, filesystems=[{"target": "a", "source": "/srv"}])
    # A watchdog is a PCI device: libvirt adds a bridge for it, in a port of its own.
    assert len(ports()) >= 20 and {index: ports()[index] for index in first} == first
