# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Open disks in libguestfs, which looks at them in a small machine of its own: what is in them never reaches the host's kernel.

Source: guestfs(3).
"""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors

try:
    import guestfs
except ImportError:
    guestfs = None


class Disk(NamedTuple):
    """A disk of a guest on the host; its format is never guessed from what the guest wrote."""

    path: str
    format: str


class System(NamedTuple):
    """Where the system is. unlocked: the encrypted device behind each that was opened; mountpoints: device by directory."""

    root: str
    product: str
    mountpoints: dict
    unlocked: dict


@contextlib.contextmanager
def doing(what):
    """Say what was being done when libguestfs failed: raises KvmfleetError."""
    try:
        yield
    except RuntimeError as exc:
        raise _errors.KvmfleetError(f"{what} failed: {' '.join(str(exc).split())}") from exc


@contextlib.contextmanager
def started(disks, hardware, readonly):
    """Yield the handle of an appliance that has the disks; at the end all that was written is on them.

    hardware: whether the host has hardware virtualisation. QEMU locks the disks, so nobody else has them open for writing.
    Raises MissingLibrary, KvmfleetError.
    """
    if guestfs is None:
        raise _errors.MissingLibrary(
            "the Python library guestfs is missing on the managed host; install python3-guestfs there (the role "
            "kvmfleet.compute.compute does with the feature inject)"
        )
    handle = guestfs.GuestFS(python_return_dict=True)
    try:
        # As root, and without libvirt's own user for QEMU, who may not read the disks.
        handle.set_backend("direct")
        if not hardware:
            handle.set_backend_setting("force_tcg", "1")
        with doing("opening the disks {}".format(", ".join(disk.path for disk in disks))):
            for disk in disks:
                handle.add_drive_opts(disk.path, readonly=readonly, format=disk.format)
            _launch(handle)
        yield handle
        if not readonly:
            with doing("writing to the disks"):
                handle.shutdown()
    finally:
        handle.close()


def _launch(handle):
    try:
        handle.launch()
    except RuntimeError as exc:
        raise _errors.KvmfleetError(
            f"libguestfs did not start: {str(exc).splitlines()[0]} It needs a kernel in /boot of the host, and disks that nobody "
            "else has open; libguestfs-test-tool tells whether it works at all"
        ) from exc


def find_system(handle, luks_key):
    """Return the System that the disks hold, opening what is encrypted when there is none outside.

    Raises Conflict, Unsupported, KvmfleetError.
    """
    with doing("looking for the guest's system"):
        unlocked, roots = {}, handle.inspect_os()
        if not roots:
            unlocked = _unlock(handle, luks_key)
            roots = handle.inspect_os() if unlocked else []
        if len(roots) != 1:
            found = ", ".join(roots) or "none"
            raise _errors.Conflict(
                f"name: the guest's disks have to hold one system with its root file system; found: {found}"
            )
        if handle.inspect_get_type(roots[0]) != "linux":
            raise _errors.Unsupported(
                f"name: the guest's system is {handle.inspect_get_type(roots[0])}; only Linux can be worked on"
            )
        # An fstab may be wrong about the root file system, which is known.
        mountpoints = dict(handle.inspect_get_mountpoints(roots[0]), **{"/": roots[0]})
        return System(roots[0], handle.inspect_get_product_name(roots[0]), mountpoints, unlocked)


def _unlock(handle, luks_key):
    """Open what LUKS encrypted, and the volume groups in it; return the encrypted device by the one that was opened."""
    devices = [*handle.list_devices(), *handle.list_partitions(), *handle.lvs()]
    encrypted = [device for device in devices if handle.vfs_type(device) == "crypto_LUKS"]
    if encrypted and luks_key is None:
        raise _errors.Conflict(f"luks_key: it is needed, as the guest's system is encrypted ({', '.join(encrypted)})")
    unlocked = {}
    for index, device in enumerate(encrypted):
        name = f"kvmfleet{index}"
        try:
            handle.cryptsetup_open(device, luks_key, name)
        except RuntimeError:
            # What libguestfs says would show nothing more, but perhaps the key.
            raise _errors.Conflict(
                f"luks_key: it does not open {device} of the guest; the value is not shown"
            ) from None
        unlocked[f"/dev/mapper/{name}"] = device
    handle.lvm_scan(True)
    return unlocked


def mount(handle, system, readonly):
    """Mount the root file system and what its fstab mounts; return the directories of those that can't be.

    An fstab may name a disk that the guest does not have, so that alone is no error. Raises KvmfleetError.
    """
    mount_one, failed = (handle.mount_ro if readonly else handle.mount), []
    for directory in sorted(system.mountpoints, key=len):
        try:
            mount_one(system.mountpoints[directory], directory)
        except RuntimeError as exc:
            if directory == "/":
                raise _errors.KvmfleetError(f"mounting the guest's root file system failed: {exc}") from exc
            failed.append(directory)
    return tuple(failed)
