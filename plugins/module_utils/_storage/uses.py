# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Whether a file or device of the host may be written to or deleted: the one answer that everything that writes asks for.

What libvirt knows of volumes is not all: a guest's disk need not be in a pool, and a volume that another tool made is known
only after the next refresh. So the headers of guests' disks, and of the files in pools, are read, too, where the files are
those of this host.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _lock, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn, libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import source
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.lookup import (
    bases,
    definitions,
    paths_of,
    pools,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.naming import (
    FILE_POOLS,
    info_path,
    parse_file_name,
)

_MAGIC = b"QFI\xfb"
# The magic, the version, the place of the backing file's name, its length.
_HEADER = struct.Struct(">4sIQI")
_LONGEST = 1023
# Seconds that others may hold the use of files still. They do so for a moment.
_LOCK_TIMEOUT = 60


@dataclass(frozen=True)
class Uses:
    """Who uses which path of the host at one time. The paths are those behind symbolic links, if the host is this one.

    definitions: (name, whether the guest runs with it, XML) of all guests, which all this was read from.
    guests: by path, {name of a guest that has it: whether it only reads it}; while a guest runs, it has the bases of its disks.
    overlays: by path, the files that are based on it. images: the files that vm_image keeps in an image store.
    """

    guests: dict[str, dict[str, bool]] = field(default_factory=dict)
    overlays: dict[str, set[str]] = field(default_factory=dict)
    images: frozenset[str] = frozenset()
    local: bool = True
    definitions: tuple[tuple[str, bool, _xml.Element], ...] = ()

    def overlays_of(self, path: str) -> frozenset[str]:
        """Return the files that are based on a path itself."""
        return frozenset(self.overlays.get(_real(path, self.local), ()))

    def guests_of(self, path: str) -> frozenset[str]:
        """Return the names of the guests that have a path, or what is based on it."""
        path = _real(path, self.local)
        return frozenset().union(*(self.guests.get(file, ()) for file in (path, *_above(path, self.overlays))))

    def user(self, path: str, besides: str | None = None, without: Iterable[str] = ()) -> str | None:
        """Return the words for an overlay or a guest that needs a path, None when there is none.

        besides: the guest that does not count; without: the paths of overlays that do not.
        """
        return self._user(path, besides, without, readers=True)

    def against_sole_use(self, path: str, guest: str | None, without: Iterable[str] = ()) -> str | None:
        """Return the words for why a path can't be a guest's alone, to be deleted or to be attached; None when it can."""
        return self._user(path, guest, without, readers=True) or self._image(path)

    def against_writing(
        self, path: str, guest: str | None, shared: bool = False, without: Iterable[str] = ()
    ) -> str | None:
        """Return the words for why a guest's disk can't be written to on its behalf, None when it can.

        A guest that has the disk to read sees what is written to it whenever this one runs, and is no reason. shared: nor is one
        that has it to write, since the disk is there for several guests.
        """
        return self._user(path, guest, without, guests=not shared) or self._image(path)

    def against_attaching(self, path: str, guest: str | None, shareable: bool | None) -> str | None:
        """Return the words for why a path can't be a disk that a guest writes to, None when it can."""
        if shareable:
            return self.against_writing(path, guest, shared=True)
        return self.against_sole_use(path, guest)

    def sole(self, paths: Iterable[str], guest: str | None) -> set[str]:
        """Return those of the paths that no other guest needs, and nothing but what is based on the others of them."""
        paths = set(paths)
        while True:
            needed = {path for path in paths if self.against_sole_use(path, guest, paths)}
            if not needed:
                return paths
            paths -= needed

    def _user(
        self, path: str, besides: str | None, without: Iterable[str], readers: bool = False, guests: bool = True
    ) -> str | None:
        path, ignored = _real(path, self.local), {_real(overlay, self.local) for overlay in without}
        overlays = set(self.overlays.get(path, ())) - ignored
        if overlays:
            return f"the base of {min(overlays)!r}"
        found = self.guests.get(path, {}) if guests else {}
        names = [name for name, only_reads in found.items() if name != besides and (readers or not only_reads)]
        return f"in use by the guest {min(names)!r}" if names else None

    def _image(self, path: str) -> str | None:
        return "an image of the image store" if _real(path, self.local) in self.images else None


def read(conn: Conn) -> Uses:
    """Return the Uses of a host. Raises libvirt's errors."""
    local = _connection.shares_files(conn)
    guests: dict[str, dict[str, bool]] = {}
    formats: dict[str, set[str | None]] = {}
    overlays: dict[str, set[str]] = {}
    roots = tuple(definitions(conn))
    for path, guest, only_reads, disk_format in _disks(conn, roots):
        path = _real(path, local)
        found = guests.setdefault(path, {})
        found[guest] = only_reads and found.get(guest, True)
        formats.setdefault(path, set()).add(disk_format)
    files = dict(_files(conn)) if local else {}
    # What a guest wrote to a raw disk can look like the header of another format, to libvirt, too.
    raw = {path for path, found in formats.items() if found == {"raw"}}
    readable = [path for path in (*guests, *files) if path not in raw] if local else []
    for base, overlay in [*bases(conn), *_chains(readable)]:
        if _real(overlay, local) not in raw:
            overlays.setdefault(_real(base, local), set()).add(_real(overlay, local))
    return Uses(guests, overlays, frozenset(path for path, is_image in files.items() if is_image), local, roots)


@contextlib.contextmanager
def still(conn: Conn) -> Iterator[None]:
    """Keep other tasks from beginning to use a file, and from deleting one, for the time of a `with` block, which is to be short.

    What is read of the uses in it is true until its end, as far as this collection changes them. Raises TimedOut.
    """
    with _lock.held_all(_lock.scope(conn), [_lock.storage()], _LOCK_TIMEOUT):
        yield


def _real(path: str, local: bool) -> str:
    return os.path.realpath(path) if local else os.path.normpath(path)


def _disks(conn: Conn, roots: Iterable[tuple[str, bool, _xml.Element]]) -> Iterator[tuple[str, str, bool, str | None]]:
    """Yield (path, name of the guest, whether it only reads it, format) for all disks of all guests; some come twice."""
    for name, _running, root in roots:
        for disk in root.iterfind("devices/disk"):
            only_reads = disk.get("device") == "cdrom" or disk.find("readonly") is not None
            top = disk.find("source")
            for element in disk.iterfind(".//source"):
                disk_format = _xml.get(disk, "driver/@type") if element is top else None
                for path in paths_of(conn, [element]) or _path_in_pool(conn, element):
                    yield path, name, only_reads and element is top, disk_format
        for nvram in root.iterfind("os/nvram"):
            variables = (nvram.text or "").strip() or _xml.get(nvram, "source/@file")
            if variables:
                yield variables, name, False, None


def _path_in_pool(conn: Conn, element: _xml.Element) -> list[str]:
    """Return [path] of a volume whose pool is not active; libvirt does not tell it then."""
    found = source.of_element(element)
    if found is None or not found.volume:
        return []
    pool = _connection.unless_gone(lambda: conn.storagePoolLookupByName(found.pool), libvirt.VIR_ERR_NO_STORAGE_POOL)
    directory = pool and _xml.parse(pool.XMLDesc(0)).findtext("target/path")
    return [os.path.join(directory, found.volume)] if directory else []


def _files(conn: Conn) -> Iterator[tuple[str, bool]]:
    """Yield (real path, whether it is an image of a store) of all files in the directories of pools, as far as this host has them."""
    for pool in pools(conn):
        root = _xml.parse(pool.XMLDesc(0))
        directory = root.findtext("target/path")
        if root.get("type") in FILE_POOLS and directory and os.path.isdir(directory):
            # A user who may not look into it has libvirt's word.
            with contextlib.suppress(PermissionError), os.scandir(directory) as entries:
                for file in entries:
                    if file.is_file():
                        yield os.path.realpath(file.path), _is_image(directory, file.name)


def _is_image(directory: str, file: str) -> bool:
    """Tell whether vm_image has put a file into a store: what is known of it is beside the store."""
    return parse_file_name(file) is not None and os.path.exists(info_path(directory, file))


def _chains(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
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


def _above(path: str, overlays: Mapping[str, Collection[str]]) -> set[str]:
    """Return all files that are based on a path, on one that is, and so on."""
    found: set[str] = set()
    new = {path}
    while new:
        new = set().union(*(overlays.get(file, ()) for file in new)) - found
        found |= new
    return found


def backing_file(path: str) -> str | None:
    """Return the path of the file that a qcow2 file is based on, None when it is on none, or is no file of this host.

    It is in the file's header. QEMU is not asked: it could hold a lock, or be held up by one.
    Source: QEMU's docs/interop/qcow2.txt.
    """
    try:
        # A header can name anything, and to open some devices has an effect.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as stream:
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
