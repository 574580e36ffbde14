# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest that QEMU pauses, as the file system of its disk is full: no run says that it is running."""

from __future__ import annotations

import subprocess
import time

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.actions import devices

# A boot sector that writes 32 KiB to every 64 KiB of its disk, by the BIOS (INT 13h, AH=43h), without end.
WRITER = bytes.fromhex(
    "31c0 8ed8"  # xor ax, ax; mov ds, ax
    "b443 b000 be1a7c cd13"  # write: mov ah, 43h; mov al, 0; mov si, packet; int 13h
    "8106227c8000 8316247c00"  # add word [sector], 128; adc word [sector + 2], 0
    "ebea"  # jmp write
    "1000 4000 007c0000 0100000000000000"  # packet: 64 sectors from 0000:7c00, to sector 1
)
FULL = "paused (ioerror; disk vda: no space left)"


@pytest.fixture
def full(embed_uri, run_module, tmp_path):
    """A function that runs vm_instance on a guest whose disk can't grow any more, which is removed afterwards."""
    store = tmp_path / "store"
    store.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", store], check=True)
    guest = {"name": "full", "uri": embed_uri}

    def run(**params):
        return run_module("vm_instance", dict(guest, **params))

    def resize(size):
        subprocess.run(["mount", "-o", f"remount,size={size}", store], check=True)

    run.resize = resize
    try:
        (tmp_path / "sector").write_bytes(WRITER.ljust(510, b"\0") + b"\x55\xaa")
        disk = store / "disk.qcow2"
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", tmp_path / "sector", disk], check=True)
        subprocess.run(["qemu-img", "resize", "-q", disk, "64M"], check=True)
        disks = [{"source": str(disk), "cache": "writeback"}]
        # It may be paused before this run ends, or after it.
        run(memory="32MiB", vcpus=1, disks=disks, vnc={"enabled": False})
        with connect(embed_uri) as conn:
            await_pause(conn.lookupByName("full"))
            yield run
    finally:
        run(state="absent", remove_storage="none")
        subprocess.run(["umount", "--lazy", store], check=True)


def await_pause(domain):
    deadline = time.monotonic() + 60
    while domain.state() != [3, 5]:  # VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_IOERROR
        assert time.monotonic() < deadline, domain.state()
        time.sleep(0.1)


def named(actions):
    return [action["action"] for action in actions]


def test_a_guest_that_is_paused_again_is_not_running(full):
    failed = full(state="running", wait_for={"agent": True, "timeout": "5s"})
    assert failed["msg"] == f"state: the guest 'full' is {FULL}, not running"
    assert failed["failed"] and failed["changed"] and named(failed["done"]) == ["resume"]
    full.resize("80m")
    done = full(state="running")
    assert not done["failed"] and done["instance"]["state"] == "running"
    assert not full(state="running")["changed"]


def test_a_guest_that_is_paused_does_not_shut_down(full):
    policy = {"timeout": "2s", "retry_interval": "1s", "on_timeout": "fail"}
    failed = full(state="stopped", shutdown=policy)
    assert f"did not shut down within 2 s and is {FULL}; " in failed["msg"] and named(failed["done"]) == ["resume"]
    assert full(state="stopped", shutdown=dict(policy, on_timeout="force"))["instance"]["state"] == "stopped"


def test_a_guest_that_is_paused_while_it_is_waited_for(full):
    full.resize("6m")
    began = time.monotonic()
    failed = full(state="restarted", restart="hard", agent=True, wait_for={"agent": True, "timeout": "100s"})
    assert failed["failed"] and FULL in failed["msg"] and time.monotonic() - began < 60
    assert named(failed["done"])[-2:] == ["power_off", "start"]


def test_the_agent_of_a_guest_that_is_paused(full, run_module, embed_uri):
    full(state="restarted", restart="hard", agent=True)
    with connect(embed_uri) as conn:
        await_pause(conn.lookupByName("full"))
    failed = run_module("vm_guest", {"name": "full", "uri": embed_uri, "command": {"cmd": "true"}})
    assert failed["msg"] == f"the guest 'full' is {FULL}, so its agent can't be asked; resume the guest"


def test_an_action_that_fails_half_way_is_a_change(full, monkeypatch):
    monkeypatch.setattr(devices, "BALLOON_TIMEOUT", 1)
    full(state="restarted", restart="hard", memory="64MiB", max_memory="64MiB")
    failed = full(state="present", memory="48MiB", apply="live")
    assert failed["msg"].startswith("memory: the guest 'full' has 65536 KiB after 1 s, not 49152 KiB; "), failed
    assert failed["changed"]
