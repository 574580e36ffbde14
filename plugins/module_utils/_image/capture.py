# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A guest's disk as one qcow2 file that needs no other: of a point in time while the guest runs, else as it lies there."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.guest_devices import agent_connected
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.freeze import frozen, thaw_left
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.lookup import require
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import power_state
from ansible_collections.kvmfleet.compute.plugins.module_utils._events import DomainWatch
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import store as image_store
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.lookup import path_of

# What a guest is in whose disk QEMU has open.
OPEN = ("running", "paused", "crashed", "sleeping")
_ABORT_TIMEOUT = 30


@dataclass(frozen=True)
class GuestDisk:
    """The disk at a target of a guest: its path on the host and its format; whether the guest's agent is connected."""

    guest: str
    state: str
    target: str
    path: str
    format: str
    has_agent: bool = False

    @property
    def is_open(self):
        return self.state in OPEN

    @property
    def can_freeze(self):
        return self.state == "running" and self.has_agent


def find(conn, options, name, target=None):
    """Return the GuestDisk; the first disk that is no CD-ROM unless a target is given. `options` are the guest's and the disk's.

    Raises NotFound, InvalidInput.
    """
    domain = require(conn, name, f"{options[0]}: there is no guest {name!r}")
    state, _reason = power_state(domain)
    root = _xml.parse(domain.XMLDesc(0 if state in OPEN else libvirt.VIR_DOMAIN_XML_INACTIVE))
    disks = {_xml.get(disk, "target/@dev"): disk for disk in root.iterfind("devices/disk")}
    if target is None:
        target = next((dev for dev, disk in disks.items() if disk.get("device", "disk") == "disk"), None)
    if target not in disks:
        raise _errors.InvalidInput.of(
            options[1], target, f"the guest {name} has the disks {', '.join(sorted(disks)) or 'none'}"
        )
    disk = disks[target]
    if disk.find("encryption") is not None or disk.find("source/encryption") is not None:
        raise _errors.InvalidInput.of(options[1], target, "it is encrypted, and its copy would not be")
    return GuestDisk(
        guest=domain.name(),
        state=state,
        target=target,
        path=_path(conn, options[1], target, disk.find("source")),
        format=_xml.get(disk, "driver/@type") or "raw",
        has_agent=agent_connected(root),
    )


def _path(conn, option, target, source):
    path = None if source is None else path_of(conn, source)
    if path is None:
        raise _errors.InvalidInput.of(option, target, "a disk that is a file or a block device of the host is needed")
    return path


def required(disk):
    """Return the bytes that a copy of the disk takes, or a little more than that."""
    # A guest that runs has the disk open and writes to it; an estimate is all that is needed.
    text = _qemu_img("measure", "--force-share", "--output", "json", "-f", disk.format, "-O", "qcow2", disk.path)
    return json.loads(text)["required"]


def copy(conn, disk, path, quiesce, deadline):
    """Make a file the copy of a disk; return why the agent could not hold the file systems still, None when it did or was not asked.

    quiesce: whether the guest's file systems are held still at the copy's point in time: always, auto (where the agent can), never.
    Raises KvmfleetError, LibvirtFailed, TimedOut at the deadline (monotonic).
    """
    with _connection.doing(f"reading the guest {disk.guest}"):
        domain = conn.lookupByName(disk.guest)
        thaw_left(domain)
    if disk.is_open:
        return _back_up(conn, domain, disk, path, quiesce, deadline)
    convert(disk, path)
    if power_state(domain)[0] != disk.state:
        raise _errors.Conflict(f"the guest {disk.guest!r} was started while its disk was read; the copy was discarded")
    return None


def convert(disk, path):
    """Make a file the copy of a disk that nobody writes to. Raises KvmfleetError."""
    # The format is told, never guessed: a guest can write any header into a raw disk.
    _qemu_img("convert", "-f", disk.format, "-O", "qcow2", disk.path, path)


def _qemu_img(*arguments):
    done = subprocess.run(
        ["qemu-img", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise _errors.KvmfleetError(f"qemu-img {arguments[0]} failed: {' '.join(done.stderr.split())}")
    return done.stdout


def _back_up(conn, domain, disk, path, quiesce, deadline):
    """Source: virDomainBackupBegin, backup XML; virDomainGetJobStats."""
    with (
        _connection.doing(f"copying the disk {disk.target} of the guest {disk.guest}"),
        DomainWatch(conn, domain) as watch,
    ):
        _end_left(domain, watch)
        # The file is ours already, where nobody can have put another one in its place.
        _qemu_img("create", "-q", "-f", "qcow2", path, str(domain.blockInfo(disk.target)[0]))
        begun = False
        try:
            with frozen(domain, quiesce) as refusal:
                domain.backupBegin(_backup(disk, path), None, libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL)
                begun = True
            ended = watch.wait_until(lambda: _has_ended(domain), deadline - time.monotonic())
        except BaseException:
            # Another job of the guest, for which this one was refused, is not ours to end.
            if begun:
                _abort(domain, watch)
            raise
        if not ended:
            _abort(domain, watch)
            raise _errors.TimedOut(
                f"the disk {disk.target} of the guest {disk.guest!r} was not copied in time; the guest runs on"
            )
        done = domain.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    if done.get("type") != libvirt.VIR_DOMAIN_JOB_COMPLETED:
        raise _errors.KvmfleetError(
            f"the copy of the disk {disk.target} of the guest {disk.guest!r} failed: {done.get('errmsg') or 'it was aborted'}"
        )
    return refusal


def _end_left(domain, watch):
    """End the copy that a run that was killed has begun: QEMU goes on with it, and makes no other one meanwhile.

    Source: virDomainBackupGetXMLDesc.
    """
    try:
        root = _xml.parse(domain.backupGetXMLDesc(0))
    except libvirt.libvirtError:
        return  # there is none
    paths = [target.get("file") for target in root.iterfind("disks/disk/target")]
    if paths and all(image_store.is_left_by_dead_run(path) for path in paths):
        _abort(domain, watch)


def _abort(domain, watch):
    """End the copy; until it has ended, QEMU writes to the file."""
    with contextlib.suppress(libvirt.libvirtError):
        domain.abortJob()
        watch.wait_until(lambda: _has_ended(domain), _ABORT_TIMEOUT)


def _backup(disk, path):
    """Only this disk; the file has what all its backing files have, too."""
    root = _xml.element_of("domainbackup", {"mode": "push"})
    element = _xml.element_of("disk", {"name": disk.target, "backup": "yes", "type": "file"})
    element.append(_xml.element_of("target", {"file": path}))
    element.append(_xml.element_of("driver", {"type": "qcow2"}))
    disks = _xml.element_of("disks")
    disks.append(element)
    root.append(disks)
    return _xml.to_text(root)


def _has_ended(domain):
    return domain.jobStats(0).get("type", libvirt.VIR_DOMAIN_JOB_NONE) == libvirt.VIR_DOMAIN_JOB_NONE
