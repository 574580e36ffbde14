# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests and networks that other tools have named are managed by all modules, whatever libvirt allows in a name."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect

NAMES = [
    "Windows 10",
    "Büro-Größe",
    "..a",
    "a..b",
    "-rf",
    ".hidden",
    "a'b\"c`$(id)",
    "{{ name }}",
    "100%s",
    "[a-z]*",
    "\u202eabc",
]


@pytest.fixture(params=NAMES)
def foreign(request, embed_uri, tmp_path):
    """The name of a guest of another tool that is off, and its disk."""
    disk = tmp_path / "disk.img"
    disk.write_bytes(bytes(1 << 20))
    definition = f"""\
<domain type="qemu"><name>{request.param}</name><memory unit="MiB">64</memory>
<os><type arch="x86_64" machine="q35">hvm</type></os><devices>
<disk type="file" device="disk"><source file="{disk}"/><target dev="vda" bus="virtio"/></disk>
<channel type="unix"><target type="virtio" name="org.qemu.guest_agent.0"/></channel>
</devices></domain>"""
    with connect(embed_uri) as conn:
        domain = conn.defineXML(definition)
        yield request.param, str(disk)
        left = [found for found in conn.listAllDomains() if found.UUID() == domain.UUID()]
        for found in left:
            if found.isActive():
                found.destroy()
            found.undefine()


def test_every_module_manages_the_guest(foreign, embed_uri, run_module, tmp_path):
    name, disk = foreign

    def run(module, **params):
        result = run_module(module, dict({"uri": embed_uri}, **params))
        assert not result["failed"], (module, result["msg"])
        return result

    changed = {"name": name, "state": "stopped", "adopt": True, "title": "ours", "serial_console": {"enabled": True}}
    assert run("vm_instance", **changed)["changed"] and not run("vm_instance", **changed)["changed"]
    assert run("vm_instances", instances=[{"name": name, "state": "running"}])["changed"]
    assert run("vm_instance_info", names=[name])["instances"][0]["name"] == name
    assert run("vm_crash_dump", name=name, path=str(tmp_path / "dump"), memory_only=False)["changed"]
    # The agent does not answer, which is all that is wrong.
    answer = run_module("vm_guest", {"uri": embed_uri, "name": name, "timeout": "1s"})
    assert answer["failed"] and "agent" in answer["msg"]
    assert run("vm_instance", name=name, state="stopped", shutdown={"method": "force"})["changed"]
    refused = run_module("vm_inject", {"uri": embed_uri, "name": name, "hostname": "web01"})
    assert refused["failed"] and name not in refused["msg"].partition(";")[0].replace(repr(name), "")
    gone = {"name": name, "state": "absent", "remove_storage": "none"}
    assert run("vm_instance", **gone)["changed"] and not run("vm_instance", **gone)["changed"]
    assert subprocess.run(["test", "-f", disk], check=False).returncode == 0


@pytest.mark.parametrize(
    "name", [*(name for name in NAMES if name != "a..b"), "..", "a/b", "a\nb", "", " ", "a\x07b", "x" * 300]
)
def test_a_new_guest_has_a_name_that_is_no_nuisance(name, embed_uri, run_module):
    task = {"uri": embed_uri, "name": name, "memory": "64MiB", "vcpus": 1}
    for check in (True, False):
        refused = run_module("vm_instance", task, check=check)
        assert (
            refused["failed"]
            and refused["msg"].startswith("name: ")
            and ("is not allowed; a new guest" in refused["msg"] or "is not allowed; it has the" in refused["msg"])
        )


def test_networks_too(shared_uri, run_module):
    with connect(shared_uri) as conn:
        conn.networkDefineXML('<network><name>Büro 1</name><bridge name="virbr7"/></network>')
        task = {"uri": shared_uri, "name": "Büro 1", "state": "inactive", "mtu": 1400}
        assert run_module("vm_network", task)["changed"] and not run_module("vm_network", task)["changed"]
        assert run_module("vm_network", {"uri": shared_uri, "name": "Büro 1", "state": "absent"})["changed"]
        for name in ("Büro 1", "a/b", "", "..", "-n"):
            refused = run_module("vm_network", {"uri": shared_uri, "name": name, "mode": "isolated"})
            assert refused["failed"] and refused["msg"].startswith(f"name: {name!r} is not allowed; a new network")
