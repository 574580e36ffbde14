# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_inject as Ansible runs it, up to where disks are opened. What it does in them, the scenario instances shows."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import MissingLibrary
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject import appliance
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject.observe import needed_by_others
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.test_vm_image import version_of
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.test_vm_image_info import overlay

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHpXhWq3rdnnmpMUZ2gIXBG7dEyj6qD9PLCqyDJnbpwE operator"
FILE = {"path": "/etc/motd", "content": "hello"}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "nothing is asked for; one of files, users, hostname, machine_id and grow_root is needed"),
        (
            {"hostname": "-web"},
            "hostname: '-web' is not allowed; letters, digits and - between dots are needed, ",
        ),
        ({"hostname": "a" * 60 + ".example"}, "hostname: '"),
        ({"luks_key": "", "hostname": "web"}, "luks_key: it is empty; the passphrase of the encrypted disk is needed"),
        (
            {"files": [dict(FILE, path="motd")]},
            "files.path: 'motd' is not allowed; an absolute path in the guest is needed, such as ",
        ),
        ({"files": [dict(FILE, path="/srv/../../etc/motd")]}, "files.path: '/srv/../../etc/motd' is not allowed; "),
        ({"files": [dict(FILE, path="//etc/motd")]}, "files.path: '//etc/motd' is not allowed; "),
        ({"files": [dict(FILE, path="/")]}, "files.path: '/' is not allowed; "),
        ({"files": [FILE, FILE]}, "files.path: '/etc/motd' is not allowed; it can be listed once"),
        (
            {"files": [dict(FILE, mode="rw")]},
            "files.mode: 'rw' is not allowed; an octal number is needed, such as '0644', in quotes",
        ),
        ({"files": [dict(FILE, owner="a b")]}, "files.owner: 'a b' is not allowed; "),
        ({"files": [dict(FILE, group="a:b")]}, "files.group: 'a:b' is not allowed; "),
        (
            {"files": [{"path": "/etc/motd", "src": "motd"}]},
            "files.src: 'motd' is not allowed; the absolute path of a file on the host is needed",
        ),
        (
            {"files": [dict(FILE, path="/etc/hostname")], "hostname": "web"},
            "files.path: '/etc/hostname' is not allowed; hostname is given, which writes this file",
        ),
        (
            {"users": [{"name": "ann"}]},
            "users: 'ann' is not allowed; password_hash, authorized_keys or exclusive is needed with each name",
        ),
        (
            {"users": [{"name": "ann", "password_hash": "swordfish"}]},
            "users.password_hash: it is no hash of crypt(3), which begins like $6$ or $y$; the value is not shown",
        ),
        (
            {"users": [{"name": "ann", "authorized_keys": ["nonsense"]}]},
            "users.authorized_keys: 'nonsense' is not allowed; a line of authorized_keys is needed, such as ssh-ed25519 AAAA... me",
        ),
        (
            {"users": [{"name": "ann", "authorized_keys": [KEY]}] * 2},
            "users.name: 'ann' is not allowed; it can be listed once",
        ),
        (
            {"uri": "qemu+ssh://host/system", "hostname": "web"},
            "uri: 'qemu+ssh://host/system' is not allowed; disks are opened where they are: run the task on that host",
        ),
        ({"name": "web01", "grow_root": True}, "there is no guest with the name or the UUID 'web01' at "),
    ],
)
def test_bad_input_is_one_sentence(run_module, shared_uri, params, message):
    result = run_module("vm_inject", dict({"name": "test", "uri": shared_uri}, **params))
    assert result["failed"] and result["msg"].startswith(message)
    assert "swordfish" not in str(result)


@pytest.mark.parametrize("check", [True, False])
def test_the_disks_of_a_guest_that_is_on_are_never_opened(run_module, shared_uri, check):
    asked = {"name": "test", "uri": shared_uri, "files": [FILE]}
    refused = run_module("vm_inject", asked, check=check)
    assert refused["msg"] == (
        "name: the guest 'test' is running; the disks of a guest are opened only when it is stopped: stop it, or take vm_guest "
        "while it runs"
    )
    left = run_module("vm_inject", dict(asked, when_on="leave"), check=check)
    assert not left["failed"] and not left["changed"]
    assert (left["state"], left["system"], left["actions"]) == ("running", None, [])


@pytest.fixture
def off(embed_uri, run_module):
    """A function that defines a guest that is off, with more options; it is removed afterwards."""
    guest = {"name": "off", "uri": embed_uri}

    def define(**options):
        params = dict(guest, memory="32MiB", vcpus="1", state="present", vnc={"enabled": False})
        assert not run_module("vm_instance", dict(params, **options))["failed"]
        return guest

    yield define
    assert not run_module("vm_instance", dict(guest, state="absent"))["failed"]


def test_a_guest_without_disks_of_its_own(run_module, off):
    result = run_module("vm_inject", dict(off(), hostname="web"))
    assert result["msg"] == "name: the guest 'off' has no disk of its own that is a file or a device of the host"


def test_a_file_that_the_host_does_not_have(run_module, off, tmp_path):
    result = run_module("vm_inject", dict(off(), files=[{"path": "/etc/motd", "src": str(tmp_path / "none")}]))
    assert result["msg"] == f"files.src: '{tmp_path}/none' is not allowed; there is no such file on the host"


def test_a_host_without_libguestfs_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(appliance, "guestfs", None)
    with (
        pytest.raises(MissingLibrary, match="install python3-guestfs there"),
        appliance.started((appliance.Disk("/srv/disk.qcow2", "qcow2"),), hardware=True, readonly=True),
    ):
        pytest.fail("there is nothing to work with")


def test_what_is_in_the_way_of_writing_to_disks(host, make_image, tmp_path):
    """Of a guest with a linked clone, of one that has an image as its disk, and of two that have the same disk."""
    source, stored = make_image("source.qcow2"), make_image("stored.qcow2")
    host.run(src=str(stored))
    image, clone = str(host.store / version_of(stored)), overlay(source, tmp_path / "clone.qcow2")
    both = str(make_image("both.qcow2"))
    host.disks = {"source": source, "clone": clone, "foreign": image, "one": both, "two": both}
    expected = {
        "source": {str(source): f"the base of '{clone}'"},
        "clone": {},
        "foreign": {image: "an image of the image store"},
        "one": {both: "in use by the guest 'two'"},
    }
    with connect(host.uri) as conn:
        for name, needed in expected.items():
            disks = (appliance.Disk(str(host.disks[name]), "qcow2"),)
            assert needed_by_others(conn, name, disks) == needed
