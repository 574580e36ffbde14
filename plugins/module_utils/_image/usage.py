# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Who needs a file of the image store: guests that have it as a disk, and overlays that are based on it.

What libvirt knows of volumes is not all: a guest's disk need not be in a pool, and a volume that another tool made is known
only after the next refresh. So the headers of guests' disks, and of the files in pools, are read, too.
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.naming import FILE_POOLS
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.usage import bases, disks

_MAGIC = b"QFI\xfb"
# The magic, the version, the place of the backing file's name, its length.
_HEADER = struct.Struct(">4sIQI")
_LONGEST = 1023


@dataclass(frozen=True)
class Users:
    """guests: names of those that have the file, or an overlay on it, as a disk; overlays: files that are based on it."""

    guests: frozenset = frozenset()
    overlays: frozenset = frozenset()

    def __bool__(self):
        return bool(self.guests or self.overlays)

    @property
    def reason(self):
        """The words for why the file can't be removed."""
        if self.overlays:
            return f"the base of {min(self.overlays)!r}"
        return f"in use by the guest {min(self.guests)!r}"


def users(conn):
    """Return a function that tells the Users of a path. Raises libvirt's errors."""
    guests, overlays = {}, {}
    for path, guest in disks(conn):
        guests.setdefault(os.path.realpath(path), set()).add(guest)
    for base, overlay in [*bases(conn), *_chains([*guests, *_files(conn)])]:
        overlays.setdefault(os.path.realpath(base), set()).add(os.path.realpath(overlay))

    def of(path):
        path = os.path.realpath(path)
        above = _above(path, overlays)
        names = set().union(*(guests.get(file, ()) for file in (path, *above)))
        return Users(frozenset(names), frozenset(overlays.get(path, ())))

    return of


def _files(conn):
    """Yield the real paths of all files in the directories of active pools, as far as this host has them."""
    for pool in conn.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
        root = _xml.parse(pool.XMLDesc(0))
        directory = root.findtext("target/path")
        if root.get("type") in FILE_POOLS and directory and os.path.isdir(directory):
            with os.scandir(directory) as entries:
                yield from [os.path.realpath(entry.path) for entry in entries if entry.is_file()]


def _chains(paths):
    """Yield (base, overlay) for the files and their bases, as their headers say."""
    seen = set()
    for path in paths:
        while path not in seen:
            seen.add(path)
            base = backing_file(path)
            if base is None:
                break
            yield base, path
            path = os.path.realpath(base)


def _above(path, overlays):
    """Return all files that are based on a path, on one that is, and so on."""
    found, new = set(), {path}
    while new:
        new = set().union(*(overlays.get(file, ()) for file in new)) - found
        found |= new
    return found


def backing_file(path):
    """Return the path of the file that a qcow2 file is based on, None when it is on none, or is no file of this host.

    It is in the file's header. QEMU is not asked: it could hold a lock, or be held up by one.
    Source: QEMU's docs/interop/qcow2.txt.
    """
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return None
            head = stream.read(_HEADER.size)
            if len(head) < _HEADER.size or not head.startswith(_MAGIC):
                return None
            _magic, _version, offset, length = _HEADER.unpack(head)
            if not offset or not 0 < length <= _LONGEST:
                return None
            stream.seek(offset)
            name = os.fsdecode(stream.read(length))
    except OSError:
        return None
    # It is relative to where the overlay is.
    return os.path.join(os.path.dirname(path), name)
