# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guest has by an option is taken away again, on real QEMU; the medium of a running guest's drive, too."""

from __future__ import annotations

import json

import libvirt_qemu
import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect


@pytest.fixture
def guest(embed_uri, run_module):
    """A function that runs the module on one guest of the QEMU driver, which is removed afterwards."""

    def run(check=False, **params):
        base = {"name": "none01", "uri": embed_uri, "memory": "64MiB", "vcpus": 1}
        return run_module("vm_instance", dict(base, **params), check=check)

    yield run
    assert not run(state="absent")["failed"]


@pytest.fixture
def medium(tmp_path):
    path = tmp_path / "medium.iso"
    path.write_bytes(bytes(1 << 20))
    return str(path)


def in_drives(uri):
    """Return what QEMU says is in the drives of the running guest, and the sources of both definitions."""
    with connect(uri) as conn:
        domain = conn.lookupByName("none01")
        answer = libvirt_qemu.qemuMonitorCommand(domain, '{"execute": "query-block"}', 0)
        inserted = [drive["inserted"]["file"] for drive in json.loads(answer)["return"] if drive.get("inserted")]
        defined = [_xml.parse(domain.XMLDesc(flags)).find("devices/disk/source[@file]") is not None for flags in (0, 2)]
    return inserted, defined


def test_the_medium_of_a_running_guest_is_ejected(guest, embed_uri, medium):
    drive = {"device": "cdrom", "target": "sda"}
    done = guest(disks=[dict(drive, source=medium)])
    assert not done["failed"], done
    assert in_drives(embed_uri) == ([medium], [True, True])
    empty = [dict(drive, source="")]
    foreseen = guest(disks=empty, check=True)
    done = guest(disks=empty)
    assert not done["failed"] and done["restart_required"] == []
    assert done["actions"] == foreseen["actions"]
    assert [action["action"] for action in done["actions"]] == ["define", "update_device"]
    assert in_drives(embed_uri) == ([], [False, False])
    assert not guest(disks=empty)["changed"] and not guest(disks=[drive])["changed"]
    assert guest(disks=[dict(drive, source=medium)])["changed"] and in_drives(embed_uri) == ([medium], [True, True])


def test_a_disk_is_not_emptied(guest, medium):
    for item in ({"source": "", "target": "vda"}, {"source": "", "size": "1GiB"}, {"source": ""}):
        refused = guest(state="stopped", disks=[item])
        assert refused["failed"] and refused["msg"].startswith("disks[0].source: '' is not allowed; "), item
    assert not guest(state="stopped", disks=[{"source": medium, "target": "vda"}])["failed"]
    refused = guest(state="stopped", disks=[{"source": "", "target": "vda"}])
    assert (
        refused["failed"] and refused["msg"] == "disks[0].source: '' is not allowed; only a CD-ROM drive can be empty"
    )


def test_settings_of_a_disk_and_the_rest_are_taken_away(guest, medium, embed_uri):
    disk = {"source": medium, "format": "raw", "target": "vda"}
    plain = {"state": "stopped", "disks": [disk]}
    given = {
        "disks": [dict(disk, serial="a", cache="none", io="threads", discard="unmap", iothread=1, boot_order=1)],
        "iothreads": 1,
        "cpu": {"sockets": 1},
        "serial_console": {"log_file": "/tmp/none01.log"},
        "metadata": {"a": "b"},
    }
    taken = {
        "disks": [dict(disk, serial="", cache="default", io="default", discard="default", iothread=0, boot_order=0)],
        "iothreads": 0,
        "cpu": {"sockets": 0},
        "serial_console": {"log_file": ""},
        "metadata": {},
    }
    assert not guest(**dict(plain, boot=["hd"]))["failed"]

    def defined():
        with connect(embed_uri) as conn:
            return conn.lookupByName("none01").XMLDesc(2)

    before = defined()
    done = guest(state="stopped", **dict(given))
    assert done["changed"] and not done["failed"], done
    assert defined() != before
    done = guest(state="stopped", **taken)
    assert done["changed"] and not done["failed"], done
    assert not guest(state="stopped", **taken)["changed"]
    assert not guest(state="stopped", boot=["hd"])["failed"]
    assert sorted(defined().split("\n")) == sorted(before.split("\n"))
