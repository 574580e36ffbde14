# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_instance as Ansible runs it, on the real QEMU driver and on libvirt's in-memory one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import ansible
import libvirt
import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _journal
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import is_at_rest

MODULE = Path(__file__).parents[4] / "plugins/modules/vm_instance.py"


@pytest.fixture
def guest(embed_uri, run_module, tmp_path):
    """A function that runs the module on one guest of the QEMU driver, which is removed afterwards."""
    disk = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "64M"], check=True)

    def run(check=False, **params):
        return run_module("vm_instance", dict({"name": "web01", "uri": embed_uri}, **params), check=check)

    run.disk = str(disk)
    yield run
    assert not run(state="absent", delete_protection=False, remove_storage="none")["failed"]


def launch(guest, **params):
    return guest(
        **dict(
            {
                "memory": "64MiB",
                "vcpus": 2,
                "disks": [{"source": guest.disk, "cache": "unsafe"}, {"device": "cdrom"}],
                "vnc": {"password": "geheim"},
                "tags": ["web"],
                "autostart": True,
            },
            **params,
        )
    )


def named(result):
    return [action["action"] for action in result["actions"]]


def test_launch_is_foreseen_done_once_and_then_left_alone(guest):
    foreseen = launch(guest, check=True)
    assert foreseen["changed"] and foreseen["instance"] is None
    done = launch(guest)
    assert done["actions"] == foreseen["actions"] and done["diff"] == foreseen["diff"]
    assert named(done) == ["define", "set_autostart", "start"]
    assert done["instance"]["state"] == "running"
    again = launch(guest)
    assert not again["changed"] and again["actions"] == [] and again["restart_required"] == []


def test_a_new_guest_has_one_virtual_cpu(run_module, shared_uri):
    task = {"name": "web01", "memory": "64MiB", "state": "present", "uri": shared_uri}
    assert run_module("vm_instance", task)["instance"]["vcpus"] == 1
    # A guest that is there keeps what it has.
    assert run_module("vm_instance", dict(task, vcpus="2"))["changed"]
    assert not run_module("vm_instance", task)["changed"]


def test_what_qemu_takes_is_left_alone_the_second_time(guest):
    kernel = {"kernel": "/srv/vmlinuz", "initrd": "/srv/initrd", "cmdline": "console=ttyS0 quiet"}
    board = {
        "state": "present",
        "boot_menu": True,
        "smbios": {
            "bios": {"vendor": "kvmfleet", "date": "12/31/2026", "release": "1.2"},
            "system": {"serial": "S-1", "family": "fleet"},
            "baseboard": {"serial": "B-1", "asset": "7"},
            "chassis": {"serial": "C-1"},
            "oem_strings": ["one", "two"],
        },
        "clock": {
            "timezone": "Europe/Paris",
            "timers": [{"name": "hpet", "present": True}, {"name": "rtc", "track": "guest", "tickpolicy": "delay"}],
        },
        "hyperv": {
            "enlightenments": ["vpindex", "synic", "stimer", "relaxed"],
            "spinlocks": 8191,
            "vendor_id": "fleet",
        },
    }
    assert named(launch(guest, **board, direct_boot=kernel)) == ["define", "set_autostart"]
    again = launch(guest, check=True, **board, direct_boot=kernel)
    assert not again["changed"], again["diff"]
    board.update(boot=["network", "hd"], clock={"offset": "utc"}, smbios={"mode": "emulate"})
    board.update(hyperv={"enlightenments": [], "spinlocks": 0, "vendor_id": ""})
    assert named(launch(guest, **board, direct_boot={"enabled": False})) == ["define"]
    assert not launch(guest, **board, direct_boot={"enabled": False})["changed"]


def test_no_result_has_a_password(guest):
    assert "geheim" not in json.dumps(launch(guest))
    changed = guest(vnc={"password": "anders"})
    assert changed["changed"] and "anders" not in json.dumps(changed) and "geheim" not in json.dumps(changed)
    assert not guest(vnc={"password": "anders"})["changed"]


def test_a_password_survives_another_change(guest, embed_uri):
    launch(guest)
    guest(title="other")
    with connect(embed_uri) as conn:
        assert "passwd='geheim'" in conn.lookupByName("web01").XMLDesc(3)


def test_what_a_running_guest_does_not_have_yet_is_named(guest):
    launch(guest)
    changed = guest(memory="128MiB", vcpus=1, title="t", tags=["a", "b"], disks=[{"target": "vda", "cache": "none"}])
    assert named(changed) == ["define", "update_live"]
    assert sorted(changed["restart_required"]) == ["disks[vda].cache", "memory", "vcpus"]
    assert changed["instance"]["title"] == "t" and changed["instance"]["tags"] == ["a", "b"]
    again = guest(memory="128MiB", vcpus=1)
    assert not again["changed"] and sorted(again["restart_required"]) == ["memory", "vcpus"]
    restarted = guest(state="restarted", restart="hard")
    assert restarted["restart_required"] == [] and restarted["instance"]["memory"] == 128 * 1024**2
    assert guest(memory="128MiB")["restart_required"] == []


def test_a_disk_grows_while_the_guest_runs(guest):
    launch(guest)
    grown = guest(disks=[{"target": "vda", "size": "96MiB"}])
    assert grown["actions"] == [{"action": "grow_disk", "subject": "vda to 96MiB"}]
    assert not guest(disks=[{"target": "vda", "size": "96MiB"}])["changed"]
    shrunk = guest(disks=[{"target": "vda", "size": "64MiB"}])
    assert shrunk["failed"] and "the disk vda has 96MiB; disks are never shrunk" in shrunk["msg"]


def test_a_guest_that_does_not_listen_is_forced_or_left_running(guest):
    first = launch(guest)["instance"]["id"]
    refused = guest(state="stopped", shutdown={"timeout": "1s", "on_timeout": "fail"})
    assert refused["failed"] and "did not shut down within 1 s and runs on" in refused["msg"]
    assert refused["actions"] == [{"action": "shutdown", "subject": "web01"}]
    restarted = guest(state="restarted", shutdown={"timeout": "1s"})
    assert restarted["instance"]["id"] > first, "a restart is another run of the guest"
    assert guest(state="stopped", shutdown={"method": "force"})["instance"]["state"] == "stopped"


def test_memory_is_saved_and_restored(guest):
    launch(guest)
    assert named(guest(state="suspended")) == ["suspend"]
    assert guest(state="suspended")["actions"] == []
    assert guest(state="present")["instance"]["state"] == "suspended"
    changed = guest(state="running", memory="128MiB")
    assert named(changed) == ["define", "restore"] and changed["restart_required"] == ["memory"]
    guest(state="suspended")
    assert named(guest(state="running", discard_saved_state=True)) == ["discard_saved_state", "start"]
    assert guest(memory="128MiB")["restart_required"] == []


def test_a_guest_that_is_restored_and_stays_paused_is_not_waited_for(guest, embed_uri):
    launch(guest)
    guest(state="suspended")
    assert named(guest(state="paused")) == ["restore_paused"]
    with connect(embed_uri) as conn:
        domain = conn.lookupByName("web01")
        assert domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED and is_at_rest(domain)
    assert guest(state="paused")["actions"] == []


def test_a_disk_of_another_guest_is_refused(guest, run_module, embed_uri):
    launch(guest)
    other = {"name": "web02", "uri": embed_uri, "memory": "64MiB", "vcpus": 1, "disks": [{"source": guest.disk}]}
    refused = run_module("vm_instance", other)
    assert refused["failed"] and "is in use by the guest 'web01'" in refused["msg"]
    assert run_module("vm_instance", dict(other, state="absent"))["actions"] == []


def test_qemu_refuses_and_the_next_run_launches(guest):
    bad = '<qemu:commandline xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0"><qemu:arg value="-nonsense"/></qemu:commandline>'
    failed = launch(guest, xml_patch=[{"xpath": ".", "add": bad}])
    assert (
        failed["failed"]
        and failed["msg"].startswith("start web01 failed: ")
        and failed["libvirt_error"].startswith("VIR_ERR_")
    )
    again = launch(guest, xml_patch=[{"xpath": "qemu:commandline", "remove": True}])
    assert named(again) == ["define", "start"] and again["instance"]["state"] == "running"


def test_xml_patch_is_applied_once(guest):
    patch = [
        {"xpath": "devices", "add": '<watchdog model="i6300esb" action="reset"/>'},
        {"xpath": "devices/memballoon/@model", "set": "none"},
    ]
    launch(guest, state="stopped")
    assert named(guest(state="present", xml_patch=patch)) == ["define"]
    assert not guest(state="present", xml_patch=patch)["changed"]


def test_an_invalid_definition_changes_nothing(guest, embed_uri):
    launch(guest, state="stopped")
    with connect(embed_uri) as conn:
        before = conn.lookupByName("web01").XMLDesc(3)
        refused = guest(state="present", title="new", xml_patch=[{"xpath": "devices", "add": "<nonsense/>"}])
        assert refused["failed"] and refused["msg"].startswith("xml_patch[0] is not allowed; libvirt refuses it: ")
        assert conn.lookupByName("web01").XMLDesc(3) == before


def test_a_protected_guest_is_not_removed(guest):
    launch(guest, delete_protection=True)
    refused = guest(state="absent")
    assert refused["failed"] and "give delete_protection: false with state: absent" in refused["msg"]
    assert guest(state="absent", delete_protection=False, check=True)["actions"][0] == {
        "action": "power_off",
        "subject": "web01",
    }


def test_another_uuid_is_refused(guest):
    launch(guest, state="stopped")
    refused = guest(state="present", uuid="8a53e7c5-6f0e-4b5a-9f53-0d8c8f2e2a10")
    assert refused["failed"] and "a guest 'web01' exists and has the UUID" in refused["msg"]


def test_another_kind_of_machine_is_refused(guest):
    launch(guest, state="stopped")
    assert not guest(state="present", machine="q35")["changed"]
    refused = guest(state="present", machine="pc")
    assert refused["failed"] and refused["msg"].startswith("machine: 'pc' is not allowed; the guest is a pc-q35-")


def test_emulation_is_chosen_where_kvm_is_not_usable(guest):
    flags = Path("/proc/cpuinfo").read_text().split()
    usable = ("vmx" in flags or "svm" in flags) and os.path.exists("/dev/kvm")
    assert launch(guest, state="stopped")["instance"]["virt_type"] == ("kvm" if usable else "qemu")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"uri": "qemu+tcp://127.0.0.1:1/system"}, "uri: 'qemu+tcp://127.0.0.1:1/system' can't be opened: "),
        ({"uri": "nosuch:///"}, "uri: 'nosuch:///' can't be opened: "),
        ({"virt_type": "kvm"}, "virt_type: 'kvm' is not allowed; this host offers test"),
        ({"arch": "vax"}, "arch: 'vax' is not allowed; this host runs guests of i686"),
        (
            {"interfaces": [{"network": "nosuch"}]},
            "interfaces.network: 'nosuch' is not a network of this host; it has default",
        ),
        ({"image": "nosuch"}, "image: 'nosuch' is not in the image store; it has none"),
        ({"image": "a", "image_pool": "nosuch"}, "image_pool: 'nosuch' is not an active storage pool of this host"),
        (
            {"disks": [{"size": "1GiB", "pool": "nosuch"}]},
            "disks[0].pool: 'nosuch' is not an active storage pool of this host",
        ),
        ({"disks": [{"volume": "nosuch"}]}, "disks[0].volume: 'nosuch' is not in pool 'default'"),
        ({"memory": None}, "memory: no value is given; a new guest needs memory, or a flavor that has it"),
        (
            {"state": "suspended"},
            "state: 'suspended' is not allowed; there is no guest 'web01' whose memory could be saved",
        ),
        ({"disks": [{"target": "vdx"}]}, "disks[0].target: 'vdx' is not allowed; the guest has no such disk"),
    ],
)
def test_refused_before_anything_changes(run_module, shared_uri, params, said):
    result = run_module(
        "vm_instance", dict({"name": "web01", "uri": shared_uri, "memory": "64MiB", "vcpus": 1}, **params)
    )
    assert result["failed"] and result["msg"].startswith(said), result["msg"]
    assert run_module("vm_instance", {"name": "web01", "uri": shared_uri, "state": "absent"})["actions"] == []


def test_a_host_without_the_libraries(tmp_path):
    """A Python that has Ansible's module_utils and ours, and nothing from site-packages."""
    (tmp_path / "ansible").symlink_to(Path(ansible.__file__).parent)
    collections = next(
        path for path in os.environ["PYTHONPATH"].split(":") if Path(path, "ansible_collections").exists()
    )
    (tmp_path / "ansible_collections").symlink_to(Path(collections, "ansible_collections"))
    code = (
        "import json, runpy, sys; from ansible.module_utils.testing import patch_module_args\n"
        "with patch_module_args({'name': 'web01'}): runpy.run_path(sys.argv[1], run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, MODULE],
        env={"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    result = json.loads(done.stdout)
    assert (
        result["failed"] and "libvirt and lxml" in result["msg"] and "python3-libvirt and python3-lxml" in result["msg"]
    )


def test_an_interface_without_a_name_is_found_again_and_moved(guest):
    def interfaces(**item):
        result = launch(guest, state="stopped", interfaces=[item])
        return result["changed"], [(found["mac"], found["source"]) for found in result["instance"]["interfaces"]]

    changed, [(mac, source)] = interfaces(bridge="br0")
    assert changed and mac.startswith("52:54:00:") and source == "br0"
    assert interfaces(bridge="br0") == (False, [(mac, "br0")])
    assert interfaces(bridge="br1") == (True, [(mac, "br1")])
    assert interfaces(bridge="br1", mtu=1400) == (True, [(mac, "br1")])
    assert interfaces(bridge="br1", mtu=1400) == (False, [(mac, "br1")])


def test_a_failure_after_all_actions_says_that_they_are_done(run_module, shared_uri):
    params = {"uri": shared_uri, "name": "late", "memory": "64MiB", "vcpus": "1", "vnc": {"enabled": False}}
    late = run_module(
        "vm_instance",
        dict(params, interfaces=[{"network": "default"}], wait_for={"cidr": "203.0.113.0/24", "timeout": "1s"}),
    )
    assert not run_module("vm_instance", dict(params, state="absent"))["failed"]
    assert late["failed"] and late["changed"] and late["done"] == late["actions"] != [], late


# A QEMU that begins only when a file is there; libvirt asks it what it can do in any case.
SLOW = """#!/bin/sh
case "$*" in
    *"-machine none"*) ;;
    *) while [ ! -e {go} ]; do sleep 0.05; done ;;
esac
exec qemu-system-x86_64 "$@"
"""


@pytest.fixture
def slow(guest, embed_uri, tmp_path):
    """A guest that somebody has begun to start; returns the file that lets it go on."""
    emulator, go = tmp_path / "qemu", tmp_path / "go"
    emulator.write_text(SLOW.format(go=go))
    emulator.chmod(0o755)
    patch = [{"xpath": "devices/emulator", "set": str(emulator)}]
    assert not launch(guest, state="stopped", xml_patch=patch)["failed"]
    with connect(embed_uri) as conn:
        domain = conn.lookupByName("web01")
        starting = threading.Thread(target=domain.create)
        starting.start()
        while not domain.isActive():
            time.sleep(0.01)
        assert domain.state() == [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP]
        yield go
        go.touch()
        starting.join()


@pytest.mark.parametrize(("state", "steps"), [("running", []), ("paused", ["pause"])])
def test_a_guest_that_is_being_started_is_not_paused(guest, slow, state, steps):
    threading.Timer(1, slow.touch).start()
    done = guest(state=state)
    assert not done["failed"], done["msg"]
    assert named(done) == steps and done["instance"]["state"] == ("paused" if state == "paused" else "running")
    assert slow.exists(), "it was waited for"


def test_a_disk_whose_size_cant_be_read_blocks_nothing_else(guest, capfd):
    launch(guest, state="stopped")
    task = {"disks": [{"target": "vda", "size": "64MiB"}], "state": "stopped"}
    assert not guest(**task)["changed"]
    Path(guest.disk).unlink()
    again = guest(**task, title="A title")
    assert not again["failed"], again["msg"]
    assert again["instance"]["title"] == "A title" and named(again) == ["define"]
    assert "the size of the disk vda of web01 can't be read: " in capfd.readouterr().err
    assert "disk.qcow2" in guest(state="running")["msg"]


def test_a_journal_that_cant_be_read_blocks_only_what_needs_it(guest, monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(_journal, "DIRECTORY", str(tmp_path / "state"))
    launch(guest, state="stopped")
    uri = guest(state="present")["invocation"]["module_args"]["uri"]
    _journal.record(_journal.REMOVAL, uri, "web01", {"volumes": []})
    (file,) = (tmp_path / "state").iterdir()
    file.write_text("{")
    done = guest(state="running")
    assert not done["failed"], done["msg"]
    assert f"the record of an earlier removal of web01 can't be read: the state file {file}" in capfd.readouterr().err
    assert not guest(state="absent")["failed"]
    assert f"the state file {file} can't be read" in guest(state="absent")["msg"], "what was left over is not known"
    file.unlink()
