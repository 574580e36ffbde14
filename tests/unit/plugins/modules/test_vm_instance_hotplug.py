# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Devices of a guest that runs in a real QEMU: plugged in where it takes them, left to its next boot where it does not."""

from __future__ import annotations

import time

import libvirt
import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect

BASE = {"name": "plug01", "memory": "64MiB", "vcpus": 1, "vnc": {"enabled": False}, "video": {"model": "none"}}


@pytest.fixture
def guest(embed_uri, run_module):
    """A function that runs the module on one guest of the QEMU driver, which is removed afterwards."""

    def run(check=False, **params):
        return run_module("vm_instance", dict(BASE, uri=embed_uri, **params), check=check)

    yield run
    assert not run_module("vm_instance", {"name": "plug01", "uri": embed_uri, "state": "absent"})["failed"]


@pytest.fixture
def disk(tmp_path):
    """A function that returns an item of `disks` with a file of its own."""
    tmp_path.chmod(0o755)

    def make(target, bus, **more):
        path = tmp_path / f"{target}.img"
        with path.open("ab") as file:
            file.truncate(1 << 20)
        return dict({"target": target, "bus": bus, "source": str(path), "format": "raw"}, **more)

    return make


def both(uri):
    """Return the live definition and the one for the next boot."""
    with connect(uri) as conn:
        domain = conn.lookupByName("plug01")
        return [_xml.parse(domain.XMLDesc(flag)) for flag in (0, libvirt.VIR_DOMAIN_XML_INACTIVE)]


def targets(uri):
    return [{target.get("dev") for target in root.findall("devices/disk/target")} for root in both(uri)]


def waits(guest, subject, reason, actions=("define",), **params):
    """Assert that a task changes the definition alone, foresees that, and says so in each run."""
    foreseen = guest(check=True, **params)
    refused = guest(check=True, apply="live", **params)
    done, again = guest(**params), guest(**params)
    assert not done["failed"], done["msg"]
    assert [action["action"] for action in done["actions"]] == list(actions)
    assert foreseen["actions"] == done["actions"]
    assert done["changed"] and not again["changed"]
    for result in (foreseen, done, again):
        assert subject in result["restart_required"]
    assert refused["failed"] and f"{subject}: {reason}" in refused["msg"]


@pytest.mark.parametrize(
    ("machine", "target", "bus", "device", "reason"),
    [
        ("q35", "sdb", "sata", "disk", "a guest takes no sata disk while it runs"),
        ("q35", "sdc", "sata", "cdrom", "a guest takes no sata CD-ROM drive while it runs"),
        ("pc", "hdd", "ide", "disk", "a guest takes no ide disk while it runs"),
    ],
)
def test_a_disk_that_can_not_be_plugged_in_waits_and_goes_without_waiting_for_the_guest(
    guest, disk, embed_uri, machine, target, bus, device, reason
):
    assert not guest(machine=machine, disks=[disk("vda", "virtio")])["failed"]
    waits(guest, f"disks[{target}]", reason, disks=[disk(target, bus, device=device)])
    assert [target in found for found in targets(embed_uri)] == [False, True]
    assert not guest(state="restarted", restart="hard")["failed"]
    start = time.monotonic()
    waits(
        guest,
        f"disks[{target}]",
        reason.replace("takes", "releases"),
        disks=[{"target": target, "state": "absent"}],
        unplug_timeout="20s",
    )
    assert time.monotonic() - start < 15
    assert [target in found for found in targets(embed_uri)] == [True, False]


def test_a_guest_without_a_free_pcie_port_is_told_of_pci_root_ports(guest, disk, embed_uri):
    assert not guest(pci_root_ports=0, agent=False, rng=False, memory_balloon={"model": "none"})["failed"]
    live, _inactive = both(embed_uri)
    used = {address.get("bus") for address in live.findall("devices/*/address[@type='pci']")} - {"0x00"}
    free = len(live.findall("devices/controller[@model='pcie-root-port']")) - len(used)
    names = [f"vd{letter}" for letter in "abcdefgh"][: free + 1]
    plugged = guest(disks=[disk(name, "virtio") for name in names[:-1]])
    assert not plugged["restart_required"] and targets(embed_uri)[0] == set(names[:-1])
    waits(
        guest,
        f"disks[{names[-1]}]",
        "the running guest has no free PCIe root port; pci_root_ports gives it more",
        disks=[disk(names[-1], "virtio")],
    )
    assert not guest(state="restarted", restart="hard")["failed"]
    assert targets(embed_uri) == [set(names)] * 2


def test_an_interface_of_conventional_pci_waits_on_a_machine_with_pcie(guest):
    assert not guest()["failed"]
    interfaces = [{"mac": "52:54:00:00:00:0e", "bridge": "kf-none", "model": "e1000"}]
    reason = "the running guest has no free slot of conventional PCI, which a e1000 needs"
    waits(guest, "interfaces[52:54:00:00:00:0e]", reason, interfaces=interfaces)


@pytest.mark.parametrize("machine", ["q35", "pc"])
def test_what_can_be_plugged_in_is(guest, disk, embed_uri, machine):
    assert not guest(machine=machine)["failed"]
    params = {
        "disks": [disk("vda", "virtio"), disk("sda", "scsi"), disk("sdb", "scsi"), disk("sdc", "usb")],
        "inputs": [{"type": "keyboard", "bus": "virtio"}],
        "apply": "live",
    }
    foreseen, done, again = guest(check=True, **params), guest(**params), guest(**params)
    assert not done["failed"], done["msg"]
    assert foreseen["actions"] == done["actions"]
    assert [action["action"] for action in done["actions"]].count("attach_controller") == 1
    assert not again["changed"] and not done["restart_required"]
    assert targets(embed_uri) == [{"vda", "sda", "sdb", "sdc"}] * 2
    for root in both(embed_uri):
        assert [item.get("model") for item in root.findall("devices/controller[@type='scsi']")] == ["virtio-scsi"]
    gone = guest(
        disks=[{"target": name, "state": "absent"} for name in ("sdb", "sdc")], unplug_timeout="2s", check=True
    )
    assert [action["subject"] for action in gone["actions"]][:2] == ["disks[sdb]", "disks[sdc]"]


def test_a_new_guest_with_a_scsi_disk_has_virtio_scsi(guest, disk, embed_uri):
    params = {"disks": [disk("sda", "scsi")], "state": "present"}
    assert guest(**params)["changed"] and not guest(**params)["changed"]
    _live, inactive = both(embed_uri)
    assert _xml.get(inactive, "devices/controller[@type='scsi']/@model") == "virtio-scsi"
