# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What proves that a volume is the one that we made.

libvirt makes a volume only where there is none, so one that it has made for us is ours, and its identity is recorded then: a file
that takes its name later is another one. A run that is killed between the two has no proof. The next one goes on with what it
finds only when that holds nothing but what it was to put there, so that nobody's data is lost.
"""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn, libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import lookup, volumes
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.naming import FILE_POOLS
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.uses import backing_file

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.volumes import PoolFacts, VolumeFacts

_CHUNK = 1024**2
# The header of a qcow2 file up to its incompatible features; version 2 ends before them.
_HEADER = struct.Struct(">4sIQIIQIIQQIIQQ")
_DATA_FILE = 1 << 2
# The words for why a volume can't be deleted as the guest's: its name is all that it has of that one.
REPLACED = "not the one that was made for this guest"


class Wanted(Protocol):
    """A volume that is to be made; mode: empty, an overlay on an image, or a copy of it."""

    @property
    def pool(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def format(self) -> str: ...

    @property
    def mode(self) -> str: ...

    @property
    def image(self) -> VolumeFacts | None: ...


class Record(Protocol):
    """What is recorded of a volume, see _domain.metadata.Volume."""

    @property
    def pool(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def proof(self) -> str: ...

    @property
    def is_made(self) -> bool: ...


def read_known(conn: Conn, pool_name: str, name: str) -> VolumeFacts | None:
    """Return the VolumeFacts of a volume as its pool knows it, None when it does not, or is not active, or there is no such pool."""
    return _connection.unless_gone(lambda: lookup.read_volume(conn, pool_name, name, refresh=False), *lookup.gone())


def read_place(conn: Conn, pool: PoolFacts, name: str) -> VolumeFacts | None:
    """Return the VolumeFacts of what is where a volume is to be made, None when nothing is there.

    That the pool has no such volume is the normal case, so it is read again only for a file that it does not know. Files of another
    host can't be looked for: there libvirt finds them when the volume is to be made, and refuses to make it.
    """
    found = lookup.read_volume(conn, pool.name, name, refresh=False)
    path = os.path.join(pool.path, name)
    if found is None and pool.type in FILE_POOLS and _connection.shares_files(conn) and os.path.lexists(path):
        return lookup.read_volume(conn, pool.name, name) or volumes.VolumeFacts(pool.name, name, path, "raw", 0)
    return found


def read_places(
    conn: Conn, pools: Mapping[str, PoolFacts], names: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], VolumeFacts | None]:
    """Return what is where volumes are to be made, by (pool, name), as far as the pools are active: see read_place."""
    return {(pool, name): read_place(conn, pools[pool], name) for pool, name in names if pool in pools}


def read_names(conn: Conn, pool_name: str) -> set[str]:
    """Return the names that a new volume of a pool can't have: those of its volumes, and of files that it does not know."""
    pool = conn.storagePoolLookupByName(pool_name)
    names, facts = set(pool.listVolumes()), lookup.read_pool(pool)
    if facts.type in FILE_POOLS and _connection.shares_files(conn) and os.path.isdir(facts.path):
        names.update(os.listdir(facts.path))
    return names


def unproven(volume: Any) -> str:
    """Return the warning that a volume stays, since an interrupted run was to make it and is not known to have made it."""
    return (
        f"the volume {volume.name!r} of the pool {volume.pool!r} is left; an interrupted task was to make it, and nothing proves "
        "that it did"
    )


def find_ours(
    conn: Conn,
    recorded: Iterable[Record],
    wanted: Iterable[Wanted],
    there: Mapping[tuple[str, str], VolumeFacts | None],
) -> frozenset[tuple[str, str]]:
    """Return (pool, name) of those of the volumes to be made that are there and are the guest's: see is_ours.

    recorded: the guest's records. there: the volumes that are there, by (pool, name).
    """
    known = {(record.pool, record.name): record for record in recorded}
    keys = ((volume, (volume.pool, volume.name)) for volume in wanted)
    return frozenset(key for volume, key in keys if is_ours(conn, known.get(key), volume, there.get(key)))


def is_ours(conn: Conn, record: Record | None, wanted: Wanted, there: VolumeFacts | None) -> bool:
    """Tell whether what is where a volume is to be made is ours, by the guest's record of it.

    It is when we have made it, or when an interrupted run was to make it and it holds nothing but what that was to put there.
    """
    if record is None or there is None:
        return False
    local = _connection.shares_files(conn)
    if record.is_made:
        return not is_replaced(there, record.proof, local)
    if conn.getType() == "TEST":
        # The volumes of libvirt's in-memory driver are no files: they have no content that could be lost.
        sizes = {getattr(wanted, "capacity", 0), wanted.image.capacity if wanted.image else None}
        return there.format == wanted.format and (0 in sizes or there.capacity in sizes)
    # What can't be read is nobody's for all that we know.
    with contextlib.suppress(OSError):
        return is_as_made(there, wanted, local)
    return False


def identity(volume: VolumeFacts, local: bool) -> str:
    """Return what tells a volume from any other that gets its name: libvirt's key of it, or a file's inode and time of birth.

    local: the files are those of this host. Source: stat(1).
    """
    if volume.key not in ("", volume.path):
        return volume.key
    if not local or volume.kind != "file" or not os.path.lexists(volume.path):
        return volumes.CREATED
    # Python does not tell the time of birth. Without it, the next file could have the inode of one that was deleted.
    command = ["stat", "--format=%i %.9W", "--", volume.path]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.strip() or volumes.CREATED


def is_replaced(volume: VolumeFacts, proof: str, local: bool) -> bool:
    """Tell whether a volume is not the one whose identity was recorded, as far as that can be told."""
    if proof in ("", volumes.CREATED):
        return False
    return identity(volume, local) not in (volumes.CREATED, proof)


def read_removable(
    conn: Conn, names: Iterable[tuple[str, str]], paths: Iterable[str], begun: Iterable[Record]
) -> tuple[tuple[VolumeFacts, ...], tuple[VolumeFacts, ...]]:
    """Return (volumes that a removal covers, those that it leaves), of active pools.

    names: (pool, name) and paths of the first; begun: the records of the second, which we are not known to have made.
    """
    active = {pool.name() for pool in lookup.pools(conn, libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)}
    found = {(pool, name): lookup.read_volume(conn, pool, name) for pool, name in names if pool in active}
    for path in paths:
        volume = _connection.unless_gone(partial(conn.storageVolLookupByPath, path), libvirt.VIR_ERR_NO_STORAGE_VOL)
        if volume is not None:
            facts = volumes.volume_facts(volume.storagePoolLookupByVolume().name(), _xml.parse(volume.XMLDesc(0)))
            found[facts.pool, facts.name] = facts
    left = [lookup.read_volume(conn, record.pool, record.name) for record in begun if record.pool in active]
    return tuple(filter(None, found.values())), tuple(filter(None, left))


def find_replaced(conn: Conn, recorded: Iterable[Any], there: Iterable[VolumeFacts]) -> set[str]:
    """Return the paths of volumes that are not those whose identity was recorded.

    recorded: what has `pool`, `name` and `proof`, such as the guest's records.
    """
    proofs, local = {(record.pool, record.name): record.proof for record in recorded}, _connection.shares_files(conn)
    return {volume.path for volume in there if is_replaced(volume, proofs.get((volume.pool, volume.name), ""), local)}


def is_as_made(volume: VolumeFacts, wanted: Wanted, local: bool) -> bool:
    """Tell whether a file holds nothing but what a run was to put there, by its format and its content.

    wanted: the volume that was to be made. Files of another host can't be read. Raises OSError.
    """
    if not local or not os.path.isfile(volume.path) or os.path.islink(volume.path) or volume.format != wanted.format:
        return False
    image: Any = wanted.image  # there for an overlay and for a copy
    base = backing_file(volume.path) if volume.format == "qcow2" else None
    if base is not None and (wanted.mode != "overlay" or os.path.realpath(base) != os.path.realpath(image.path)):
        return False
    if volume.format == "qcow2":
        return _is_plain(volume.path, wanted.mode == "copy") and (wanted.mode != "copy" or _is_same(volume, image))
    return _is_same(volume, image) if wanted.mode == "copy" else _is_zero(volume.path)


def _is_plain(path: str, has_data: bool) -> bool:
    """Tell whether a qcow2 file has neither snapshots nor data in another file, nor, unless has_data, any data of its own.

    Source: QEMU's docs/interop/qcow2.txt.
    """
    with open(path, "rb") as stream:
        head = stream.read(_HEADER.size)
        if len(head) < _HEADER.size or not head.startswith(b"QFI\xfb"):
            return False
        _magic, version, *_rest, entries, table, _refs, _length, snapshots, _place, features = _HEADER.unpack(head)
        if snapshots or (version > 2 and features & _DATA_FILE):
            return False
        stream.seek(table)
        # The file could say that it has more than there is.
        return has_data or not any(stream.read(min(entries * 8, os.path.getsize(path))))


def _is_zero(path: str) -> bool:
    with open(path, "rb") as stream:
        return not any(chunk.strip(b"\0") for chunk in iter(lambda: stream.read(_CHUNK), b""))


def _is_same(volume: VolumeFacts, image: VolumeFacts) -> bool:
    """Source: qemu-img(1), compare: it ends with 0 for images whose content is the same."""
    formats = ["-f", image.format, "-F", volume.format]
    command = ["qemu-img", "compare", *formats, image.path, volume.path]
    return not subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode
