# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The disk of a guest that is shut off, as one file that needs no other."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import doing, unless_gone
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import power_state
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import (
    Conflict,
    InvalidInput,
    KvmfleetError,
    NotFound,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import store as image_store
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.observe import check_space


def flattened(conn, spec, directory):
    """Return an open file with the content of a guest's disk as qcow2, which is gone when it is closed.

    It is made in the directory of the image store. The same content makes the same file. Raises KvmfleetError.
    """
    with doing(f"reading the guest {spec.source}"):
        path, disk_format = _disk(conn, spec)
    check_space(spec, directory, _required(path, disk_format))
    name = f"{spec.source}-{spec.disk}"
    for leftover in image_store.read(directory, name).leftovers:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(leftover)
    partial = image_store.partial_path(directory, name)
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    try:
        # The format is told, never guessed: a guest can write any header into a raw disk.
        _qemu_img("convert", "-f", disk_format, "-O", "qcow2", path, partial)
        return open(partial, "rb")
    finally:
        os.unlink(partial)


def _disk(conn, spec):
    """Return (path, format) of the disk. Raises NotFound, Conflict, InvalidInput."""
    domain = unless_gone(lambda: conn.lookupByName(spec.source), libvirt.VIR_ERR_NO_DOMAIN)
    if domain is None:
        raise NotFound(f"instance: there is no guest {spec.source!r}")
    state, _reason = power_state(domain)
    if state != "stopped":
        raise Conflict(f"instance: the guest {spec.source!r} is {state}; only the disk of a stopped guest is whole")
    root = _xml.parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    disks = {disk.find("target").get("dev"): disk for disk in root.iterfind("devices/disk")}
    if spec.disk not in disks:
        raise InvalidInput.of(
            "disk", spec.disk, f"the guest {spec.source} has the disks {', '.join(sorted(disks)) or 'none'}"
        )
    disk = disks[spec.disk]
    source = disk.find("source")
    path = None if source is None else source.get("file") or source.get("dev")
    if source is not None and source.get("volume"):
        path = conn.storagePoolLookupByName(source.get("pool")).storageVolLookupByName(source.get("volume")).path()
    if path is None:
        raise InvalidInput.of("disk", spec.disk, "a disk that is a file or a block device of the host is needed")
    driver = disk.find("driver")
    return path, (None if driver is None else driver.get("type")) or "raw"


def _required(path, disk_format):
    measured = _qemu_img("measure", "--output", "json", "-f", disk_format, "-O", "qcow2", path)
    return json.loads(measured)["required"]


def _qemu_img(*arguments):
    done = subprocess.run(
        ["qemu-img", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise KvmfleetError(f"qemu-img {arguments[0]} failed: {' '.join(done.stderr.split())}")
    return done.stdout
