# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_image makes images of guests' disks: of stopped guests as Ansible runs it, of open disks with a real QEMU.

The scenario instances has a running guest whose agent holds its file systems still.
"""

from __future__ import annotations

import subprocess
import time

import libvirt
import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, KvmfleetError, TimedOut
from ansible_collections.kvmfleet.compute.plugins.module_utils._events import DomainWatch
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import capture
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.observe import Observed
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.plan import plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.spec import OPTIONS, parse
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.store import Store

STOPPED = """<domain type="test" xmlns:test="http://libvirt.org/schemas/domain/test/1.0"><test:runstate>5</test:runstate>
<name>golden</name><memory>65536</memory><os><type>hvm</type></os><devices>
<disk type="file" device="cdrom"><target dev="sda"/></disk>
<disk type="file"><driver name="qemu" type="qcow2"/><source file="{disk}"/><target dev="vda"/></disk>
<disk type="file"><source file="/data"/><target dev="vdb"/><encryption format="luks"/></disk></devices></domain>"""
REAL = """<domain type="qemu"><name>capture</name><memory>65536</memory><os><type>hvm</type></os><devices>
<disk type="file"><driver name="qemu" type="qcow2"/><source file="{disk}"/><target dev="vda" bus="virtio"/></disk>
<disk type="file"><driver name="qemu" type="qcow2"/><source file="{other}"/><target dev="vdb" bus="virtio"/></disk>
</devices></domain>"""


def qemu_img(*arguments):
    return subprocess.run(["qemu-img", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture
def disk(tmp_path, make_image):
    """A guest's disk, an overlay on an image."""
    path = tmp_path / "golden.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-b", make_image(), "-F", "qcow2", path)
    return path


@pytest.fixture
def golden(host, disk):
    host.guests.append(STOPPED.format(disk=disk))
    return host


def write(disk, pattern):
    subprocess.run(["qemu-io", "-c", f"write -q -P {pattern} 0 64k", disk], check=True)


def test_the_disk_of_a_stopped_guest_becomes_an_image_once(golden, disk):
    done = golden.run(instance={"name": "golden"})
    assert [action["action"] for action in done["actions"]] == ["copy_disk", "refresh_pool"]
    assert done["image"]["source"] == "the root disk of the guest golden" and "warnings" not in done
    qemu_img("compare", done["image"]["path"], disk)
    assert "backing file" not in qemu_img("info", done["image"]["path"])
    # It stays, whatever becomes of the guest.
    write(disk, 7)
    golden.guests.clear()
    assert not golden.run(instance={"name": "golden"})["changed"]


def test_it_is_made_anew_when_that_is_asked_for(golden, disk):
    first = golden.run(instance={"name": "golden", "disk": "vda"})["image"]
    again = {"name": "golden", "disk": "vda", "refresh": True}
    same = golden._run_module("vm_image", {"name": "debian", "uri": golden.uri, "instance": again})
    assert not same["changed"] and same["image"] == first
    write(disk, 7)
    second = golden.run(instance=again)["image"]
    assert second["volume"] != first["volume"] and len(golden.files()) == 2
    qemu_img("compare", second["path"], disk)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"instance": {"name": "nobody"}}, "instance.name: there is no guest 'nobody'"),
        (
            {"instance": {"name": "golden", "disk": "vdz"}},
            "instance.disk: 'vdz' is not allowed; the guest golden has the disks sda, vda, vdb",
        ),
        ({"instance": {"name": "golden", "disk": "sda"}}, "instance.disk: 'sda' is not allowed; a disk that is a file"),
        ({"instance": {"name": "golden", "disk": "vdb"}}, "instance.disk: 'vdb' is not allowed; it is encrypted"),
        (
            {"instance": {"name": "golden"}, "format": "raw"},
            "format: 'raw' is not allowed; the image of a guest's disk",
        ),
        ({"instance": {"name": "golden"}, "checksum": "sha256:" + 64 * "0"}, "parameters are mutually exclusive: "),
    ],
)
def test_bad_input_changes_nothing(golden, params, message):
    done = golden.run(**params)
    assert done["failed"] and done["msg"].startswith(message), done["msg"]


@pytest.mark.parametrize(
    ("state", "has_agent", "quiesce", "said"),
    [
        ("running", True, "always", None),
        ("stopped", False, "always", None),
        ("running", False, "never", None),
        ("running", False, "auto", "as after a power failure, since no agent of the guest 'golden' answers"),
        ("paused", True, "auto", "as after a power failure, since the guest 'golden' is paused"),
        ("running", False, "always", "instance.quiesce: 'always' is not possible, no agent"),
        ("suspended", False, "never", "instance.name: the guest 'golden' is suspended"),
    ],
)
def test_what_is_to_be_known_of_a_copy_is_said_before_it_is_made(state, has_agent, quiesce, said):
    instance = {"name": "golden", "disk": None, "quiesce": quiesce, "refresh": False}
    params = {name: option.get("default") for name, option in OPTIONS.items()}
    wanted = parse(dict(params, name="debian", instance=instance))
    disk = capture.GuestDisk("golden", state, "vda", "/data", "qcow2", has_agent)
    observed = Observed(Store("debian", "/images"), frozenset(), disk=disk)
    if said is None or said.startswith("as after"):
        warnings = plan(wanted, observed).warnings
        assert (said is None) == (not warnings) and all(said in warning for warning in warnings)
    else:
        with pytest.raises(Conflict) as refused:
            plan(wanted, observed)
        assert refused.value.message.startswith(said)


@pytest.fixture
def opened(embed_uri, disk, tmp_path):
    """The connection to a host with a guest of a real QEMU that has the disk open, and vdb, which takes a while to copy."""
    other = tmp_path / "other.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", other, "400M")
    subprocess.run(["qemu-io", "-c", "write -q -P 9 0 400M", other], check=True)
    with connect(embed_uri) as conn:
        domain = conn.createXML(REAL.format(disk=disk, other=other), libvirt.VIR_DOMAIN_START_PAUSED)
        yield conn
        domain.destroy()


def found(conn, target=None):
    return capture.find(conn, ("instance.name", "instance.disk"), "capture", target)


def test_a_disk_that_is_open_is_copied_while_the_guest_stays_as_it_is(opened, disk, tmp_path):
    open_disk, target = found(opened), tmp_path / "copy.qcow2"
    assert (open_disk.target, open_disk.state, open_disk.is_open, open_disk.can_freeze) == (
        "vda",
        "paused",
        True,
        False,
    )
    assert capture.required(open_disk) >= 1024**2
    target.touch()
    capture.copy(opened, open_disk, str(target), "never", time.monotonic() + 60)
    qemu_img("compare", "--force-share", target, disk)
    assert "backing file" not in qemu_img("info", target)
    assert opened.lookupByName("capture").state()[0] == libvirt.VIR_DOMAIN_PAUSED


def test_a_copy_that_takes_too_long_is_given_up(opened, tmp_path):
    with pytest.raises(TimedOut, match="the disk vdb of the guest 'capture' was not copied in time"):
        capture.copy(opened, found(opened, "vdb"), str(tmp_path / "copy.qcow2"), "never", 0)
    # Nothing keeps the next copy from being made.
    capture.copy(opened, found(opened), str(tmp_path / "copy.qcow2"), "never", time.monotonic() + 60)


def test_a_copy_that_can_not_be_made_says_why(opened, tmp_path):
    with pytest.raises(KvmfleetError, match="qemu-img create failed"):
        capture.copy(opened, found(opened), str(tmp_path / "nowhere" / "copy.qcow2"), "never", time.monotonic() + 60)
    # Only a guest that runs has an agent that could hold its file systems still.
    with pytest.raises(KvmfleetError, match="copying the disk vda of the guest capture failed: .*not running"):
        capture.copy(opened, found(opened), str(tmp_path / "copy.qcow2"), "always", time.monotonic() + 60)
    # Where that is asked for only if possible, the copy is made all the same.
    refusal = capture.copy(opened, found(opened), str(tmp_path / "copy.qcow2"), "auto", time.monotonic() + 60)
    assert refusal.startswith("the agent of the guest 'capture' could not hold its file systems still: ")
    qemu_img("compare", "--force-share", tmp_path / "copy.qcow2", found(opened).path)


def begin_copy(domain, path):
    """Begin a copy of vdb that takes minutes."""
    qemu_img("create", "-q", "-f", "qcow2", path, "400M")
    reuse = libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL
    domain.backupBegin(capture._backup(capture.GuestDisk("capture", "paused", "vdb", "", ""), str(path)), None, reuse)
    domain.blockJobSetSpeed("vdb", 1, 0)


def test_a_copy_that_a_killed_run_has_begun_is_ended_before_the_next(opened, tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    target = tmp_path / "copy.qcow2"
    begin_copy(opened.lookupByName("capture"), tmp_path / f".debian.partial-{dead.pid}")
    target.touch()
    capture.copy(opened, found(opened), str(target), "never", time.monotonic() + 60)
    qemu_img("compare", "--force-share", target, found(opened).path)


def test_a_copy_of_somebody_else_is_not_ended(opened, tmp_path):
    domain = opened.lookupByName("capture")
    begin_copy(domain, tmp_path / "backup.qcow2")
    # A copy would wait half a minute for it, and fail.
    with DomainWatch(opened, domain) as watch:
        capture._end_left(domain, watch)
    assert "backup.qcow2" in domain.backupGetXMLDesc(0)
    domain.abortJob()
