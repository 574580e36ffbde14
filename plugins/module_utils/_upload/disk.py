# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The disk of a guest that is shut off, as one file that needs no other."""

from __future__ import annotations

import contextlib
import os

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import capture
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import store as image_store
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.observe import check_space


def flattened(conn, spec, directory):
    """Return an open file with the content of a guest's disk as qcow2, which is gone when it is closed.

    It is made in the directory of the image store. The same content makes the same file. Raises KvmfleetError.
    """
    with _connection.doing(f"reading the guest {spec.source}"):
        disk = capture.find(conn, ("instance", "disk"), spec.source, spec.disk)
    if disk.state != "stopped":
        raise _errors.Conflict(
            f"instance: the guest {spec.source!r} is {disk.state}; only the disk of a stopped guest is whole; "
            "vm_image makes an image of a running one"
        )
    check_space(spec, directory, capture.required(disk))
    name = f"{spec.source}-{spec.disk}"
    for leftover in image_store.read(directory, name).leftovers:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(leftover)
    partial = image_store.partial_path(directory, name)
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    try:
        capture.convert(disk, partial)
        return open(partial, "rb")
    finally:
        os.unlink(partial)
