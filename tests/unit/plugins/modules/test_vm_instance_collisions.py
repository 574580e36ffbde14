# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_instance takes nothing that another guest or the host has; on the real QEMU driver and the devices of this machine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import collisions

SMALL = {"memory": "64MiB", "vcpus": 1, "vnc": {"enabled": False}, "serial_console": {"enabled": False}}
OPTIONS = {
    "interfaces.mac": {"interfaces": [{"mac": "52:54:00:AA:BB:CC", "bridge": "br-none"}]},
    "vnc.port": {"vnc": {"port": "5977"}},
    "vsock.cid": {"vsock": {"cid": "4242"}},
}


@pytest.fixture
def guest(embed_uri, run_module):
    """A function that runs the module on a guest of the QEMU driver; the guests are removed afterwards."""
    names = {"web01", "other"}

    def run(name="web01", check=False, **params):
        return run_module("vm_instance", dict({"name": name, "uri": embed_uri}, **params), check=check)

    yield run
    for name in names:
        assert not run(name, state="absent", remove_storage="none")["failed"]


@pytest.mark.parametrize("option", OPTIONS)
def test_what_a_guest_that_is_off_has_is_warned_of_once(guest, option, capsys):
    def warned(changed):
        """Run; a warning is in the result or on the standard error, as Ansible's version has it."""
        result = guest(**values)
        assert result["changed"] == changed
        text = f"{result.get('warnings')} {capsys.readouterr().err}"
        return f"{option}: " in text and "is given, and the guest 'other' has it, too" in text

    values = {**SMALL, "state": "stopped", **OPTIONS[option]}
    assert not guest("other", **values)["failed"]
    assert warned(changed=True)
    assert not warned(changed=False), "what the guest has is not judged again"


@pytest.mark.parametrize("chosen", ["5977", "auto"])
def test_what_a_guest_runs_with_is_refused(guest, embed_uri, chosen):
    assert not guest("other", **dict(SMALL, vnc={"port": chosen}))["failed"]
    with connect(embed_uri) as conn:
        port = conn.lookupByName("other").XMLDesc(0).split("type='vnc' port='")[1].split("'")[0]
    for check in (True, False):
        refused = guest(check=check, **dict(SMALL, state="stopped", vnc={"port": port}))
        assert refused["msg"] == f"vnc.port: {port!r} is not allowed; the guest 'other' runs with it"
    with connect(embed_uri) as conn:
        assert "web01" not in [domain.name() for domain in conn.listAllDomains()]


def test_an_address_that_a_guest_runs_with_is_refused(guest, embed_uri):
    mac = "52:54:00:aa:bb:dd"
    interface = f"<interface type='user'><mac address='{mac}'/></interface>"
    assert not guest("other", **dict(SMALL, xml_patch=[{"xpath": "devices", "add": interface}]))["failed"]
    refused = guest(**dict(SMALL, state="stopped", interfaces=[{"mac": mac, "bridge": "br-none"}]))
    assert refused["msg"] == f"interfaces.mac: {mac!r} is not allowed; the guest 'other' runs with it"


def test_a_file_does_not_become_a_log(guest, tmp_path):
    file = tmp_path / "data.txt"
    file.write_text("somebody's data")
    task = dict(SMALL, serial_console={"log_file": str(file)})
    for check in (True, False):
        refused = guest(check=check, **task)
        assert refused["msg"].startswith(
            f"serial_console.log_file: {str(file)!r} is not allowed; it exists, and libvirt empties it"
        )
    assert file.read_text() == "somebody's data"
    link = tmp_path / "link"
    link.symlink_to(file)
    assert guest(**dict(SMALL, serial_console={"log_file": str(link)}))["failed"]


def test_a_guest_keeps_its_own_log(guest, tmp_path):
    file = tmp_path / "console.log"
    task = dict(SMALL, serial_console={"log_file": str(file)})
    assert not guest(**task)["failed"]
    file.write_text("booted")
    assert guest(**dict(task, title="other"))["changed"]
    assert not guest(**task)["failed"]
    for state in ("running", "stopped"):
        refused = guest("other", **dict(task, state="stopped"))
        assert refused["msg"].startswith(f"serial_console.log_file: {str(file)!r} is not allowed; the guest 'web01' ")
        guest(state="stopped" if state == "running" else "running", stop={"force": True})


def test_the_variables_of_an_earlier_guest_s_firmware_are_not_used(guest, embed_uri):
    root = Path(parse_qs(urlsplit(embed_uri).query)["root"][0])
    file = root / "lib/qemu/nvram/web01_VARS.fd"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"keys")
    task = dict(SMALL, firmware="uefi", state="stopped")
    refused = guest(**task)
    assert refused["msg"].startswith(f"firmware: 'uefi' is not allowed; the file {str(file)!r} exists")
    assert file.read_bytes() == b"keys"
    named = guest(**task, xml_patch=[{"xpath": "os", "add": f"<nvram>{file}</nvram>"}])
    assert not named["failed"], named["msg"]
    assert not guest(state="absent")["failed"]
    assert not guest(**task)["failed"]
    file.write_bytes(b"its own keys")
    again = guest(**task)
    assert not again["failed"] and not again["changed"], "the guest's own file is no other guest's"
    file.unlink()


def _pci_address(path):
    """Return the PCI device that a device of the kernel is on, None for one that is on none."""
    return next((part for part in reversed(os.path.realpath(path).split("/")) if part.startswith("0000:")), None)


def test_the_network_card_that_the_host_uses_is_not_taken(guest, embed_uri):
    """Of this machine: every interface that has an address, by its card if it is one."""
    shown = json.loads(subprocess.run(["ip", "-json", "address"], check=True, capture_output=True, text=True).stdout)
    used = {
        f"/sys/class/net/{item['ifname']}" for item in shown if any(a["family"] == "inet" for a in item["addr_info"])
    }
    for path in sorted(used):
        name, address = os.path.basename(path), _pci_address(path)
        words = f"its interface {name!r} has the address "
        with connect(embed_uri) as conn:
            below = {os.path.join("/sys/devices/any/net", name)}
            assert [use for use in collisions._used_interfaces(conn, below) if use.startswith(words)]
        if address:
            refused = guest(**dict(SMALL, state="stopped", host_devices=[{"pci": address}]))
            assert refused["msg"].startswith(f"host_devices.pci: {address!r} is not allowed; the host uses it: {words}")


def test_the_controller_of_a_disk_that_the_host_uses_is_not_taken(guest):
    """Of this machine: the first disk that has a mounted file system."""
    numbers = [line.split()[2] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    path = os.path.realpath(f"/sys/dev/block/{next(number for number in numbers if not number.startswith('0:'))}")
    disk = path if os.path.basename(os.path.dirname(path)) == "block" else os.path.dirname(path)
    assert list(collisions._used_disks({disk}))
    address = _pci_address(path)
    if address:
        refused = guest(**dict(SMALL, state="stopped", host_devices=[{"pci": address}]))
        assert refused["msg"].startswith(
            f"host_devices.pci: {address!r} is not allowed; the host uses it: its disk '/dev/"
        )
