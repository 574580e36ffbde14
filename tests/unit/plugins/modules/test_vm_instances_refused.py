# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What libvirt would refuse is refused before anything is changed, in check mode with the same words, and names the option."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect

CDROM = {"device": "cdrom", "target": "sda"}
DISK = {"source": "/dev/null", "format": "raw", "target": "vda"}
NIC = {"bridge": "br0", "mac": "52:54:00:00:00:01"}

# The option that the answer begins with, what of libvirt's reason it has, and the task.
REFUSED = [
    ("pci_root_ports: 3", "no PCI Express", {"machine": "pc", "pci_root_ports": 3}),
    ("cpu", "virtual CPUs", {"vcpus": 3, "cpu": {"sockets": 2}}),
    ("cpu", "virtual CPUs", {"vcpus": 4, "cpu": {"cores": 2, "threads": 4}}),
    ("vcpus", "Maximum CPUs", {"vcpus": 999}),
    ("max_vcpus", "Maximum CPUs", {"max_vcpus": 999}),
    ("machine", "No PCI", {"machine": "no-such-machine"}),
    ("disks[0]", "io='native' needs", {"disks": [dict(DISK, io="native", cache="writeback")]}),
    ("disks[0]", "not defined", {"disks": [dict(DISK, iothread=3)]}),
    (
        "disks[0]",
        "IOThreads not available",
        {"iothreads": 1, "disks": [dict(DISK, target="sda", bus="sata", iothread=1)]},
    ),
    ("disks[0]", "IDE controllers", {"disks": [dict(DISK, target="hda", bus="ide")]}),
    ("interfaces", "Model name", {"interfaces": [dict(NIC, model="no model")]}),
    ("watchdog.model", "s390", {"watchdog": {"model": "diag288"}}),
    ("panic.model", "support", {"panic": {"model": "s390"}}),
    ("panic.model", "support", {"panic": {"model": "pseries"}}),
    ("tpm", "TPM", {"tpm": {"model": "tpm-spapr"}}),
    ("vnc.listen", "schema", {"vnc": {"listen": "not a host"}}),
    ("launch_security", "not supported", {"launch_security": {"type": "s390-pv"}}),
    ("launch_security", "not supported", {"launch_security": {"type": "sev", "policy": "0x3"}}),
    ("huge_pages.nodes", "node 5", {"huge_pages": {"size": "2MiB", "nodes": "5"}}),
    ("cpu_pinning.iothreads", "iothread", {"cpu_pinning": {"iothreads": [{"iothread": 7, "cpus": "0"}]}}),
    ("cpu_limits.shares: 1", "range", {"cpu_limits": {"shares": 1}}),
    (
        "machine",
        "No PCI",
        {"inputs": [{"type": "mouse", "bus": "virtio"}, {"type": "tablet", "bus": "usb"}], "machine": "microvm"},
    ),
    ("xml_patch[0]", "schema", {"xml_patch": [{"xpath": "devices", "add": "<nonsense/>"}]}),
    ("xml_patch[0]", "'tpm': 'x'", {"xml_patch": [{"xpath": "devices", "add": "<tpm model='x'/>"}]}),
    (
        "xml_patch[1]",
        "placement",
        {"xml_patch": [{"xpath": "title", "set": "a"}, {"xpath": "vcpu/@placement", "set": "b"}]},
    ),
    ("xml_patch[0]", "explode", {"xml_patch": [{"xpath": "on_crash", "set": "explode"}]}),
    ("xml_patch[0]", "schema", {"xml_patch": [{"xpath": "os/bios/@useserial", "set": "maybe"}]}),
]


@pytest.fixture
def host(embed_uri, run_module, tmp_path):
    """A function that runs vm_instances, and one that returns all definitions of the host."""

    def run(instances, check):
        defaults = {"memory": "64MiB", "vcpus": 1, "state": "stopped", "disks": [CDROM]}
        return run_module("vm_instances", {"uri": embed_uri, "defaults": defaults, "instances": instances}, check=check)

    def definitions():
        with connect(embed_uri) as conn:
            return {domain.name(): domain.XMLDesc(0) for domain in conn.listAllDomains()}

    yield run, definitions
    names = [name for name in definitions() if name.startswith("refused")]
    assert not run([{"name": name, "state": "absent"} for name in names], False).get("failed")


def tasks(tmp_path):
    """One guest for each row; each has disks of its own."""
    found = []
    for number, (_option, _reason, params) in enumerate(REFUSED):
        one = copy.deepcopy(dict(params, name=f"refused{number}"))
        for disk in one.get("disks", ()):
            if "source" in disk:
                disk["source"] = str(tmp_path / f"{number}.img")
                Path(disk["source"]).touch()
        found.append(one)
    return found


def check_answers(told, count):
    assert len(told) == count
    for (option, reason, params), answer in zip(REFUSED, told):
        assert answer["failed"] and not answer["changed"], params
        assert answer["msg"].startswith(option) and " is not allowed" in answer["msg"], answer["msg"]
        assert reason in answer["msg"], answer["msg"]


def test_what_libvirt_refuses_of_new_guests_is_foreseen(host, tmp_path):
    run, definitions = host
    guests = [*tasks(tmp_path), {"name": "refused-not"}]
    before = definitions()
    foreseen = run(guests, True)["instances"]
    check_answers(foreseen[:-1], len(REFUSED))
    assert foreseen[-1]["changed"] and not foreseen[-1]["failed"]
    assert definitions() == before
    done = run(guests, False)["instances"]
    assert [answer.get("msg") for answer in done] == [answer.get("msg") for answer in foreseen]
    assert definitions().keys() - before.keys() == {"refused-not"}


def test_what_libvirt_refuses_of_guests_that_exist_is_foreseen(host, tmp_path):
    run, definitions = host
    # Some will do; an existing guest keeps its kind of machine.
    guests = [guest for guest in tasks(tmp_path) if "machine" not in guest][::4]
    made = [{"name": guest["name"]} for guest in guests]
    assert not run(made, False).get("failed")
    before = definitions()
    foreseen = run(guests, True)["instances"]
    done = run(guests, False)["instances"]
    assert definitions() == before
    assert [answer.get("msg") for answer in done] == [answer.get("msg") for answer in foreseen]
