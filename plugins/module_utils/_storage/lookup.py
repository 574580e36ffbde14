# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Where the data of disks is, which disks the guests of a host have, and which volumes are based on others: as libvirt says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn, Domain, libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import source, volumes
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.volumes import PoolFacts, VolumeFacts


def path_of(conn: Conn, element: _xml.Element) -> str | None:
    """Return the path of the file or block device that a disk's source element names; None for network storage, and for none.

    Source: virStorageVolGetPath.
    """
    found = source.of_element(element)
    if found is None:
        return None
    if found.volume:
        return _named(conn, found).path()
    return found.path if found.type in ("file", "block") else None


def paths_of(conn: Conn, elements: Iterable[_xml.Element]) -> list[str]:
    """Return the paths of disks' source elements, without network storage and volumes that are not there."""
    found = (_connection.unless_gone(partial(path_of, conn, element), *gone()) for element in elements)
    return [path for path in found if path]


def volume_of(conn: Conn, element: _xml.Element | None) -> Any:
    """Return the volume that a disk's source element names, or that is there; None when it is in no active pool.

    element: None for an empty drive.
    """
    found = None if element is None else source.of_element(element)
    if found is None or found.type not in ("file", "block", "volume"):
        return None
    look_up = partial(_named, conn, found) if found.volume else partial(conn.storageVolLookupByPath, found.path)
    return _connection.unless_gone(look_up, *gone(), libvirt.VIR_ERR_NO_SUPPORT)


def _named(conn: Conn, found: source.DiskSource) -> Any:
    return conn.storagePoolLookupByName(found.pool).storageVolLookupByName(found.volume)


def gone() -> tuple[int, int, int]:
    """What libvirt says of a volume, or its pool, that is not there, and of a pool that is not active."""
    return libvirt.VIR_ERR_NO_STORAGE_VOL, libvirt.VIR_ERR_NO_STORAGE_POOL, libvirt.VIR_ERR_OPERATION_INVALID


def read_pool(pool: Any) -> PoolFacts:
    """Return the PoolFacts of a libvirt pool. Source: virStoragePoolGetXMLDesc."""
    return volumes.pool_facts(pool.name(), _xml.parse(pool.XMLDesc(0)))


def read_pools(conn: Conn, names: Iterable[str]) -> tuple[dict[str, PoolFacts], tuple[str, ...]]:
    """Return ({name: PoolFacts} of those of the pools that are active, the names of all active pools)."""
    active = {pool.name(): pool for pool in pools(conn, libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)}
    return {name: read_pool(active[name]) for name in names if name in active}, tuple(active)


def read_volume(conn: Conn, pool_name: str, name: str, refresh: bool = True) -> VolumeFacts | None:
    """Return the VolumeFacts of a volume, None if there is none. A pool is read again only when the look-up misses."""
    pool = conn.storagePoolLookupByName(pool_name)

    def look() -> Any:
        # A file that was deleted behind libvirt's back is found by name until its description is asked for.
        return _connection.unless_gone(
            lambda: pool.storageVolLookupByName(name).XMLDesc(0), libvirt.VIR_ERR_NO_STORAGE_VOL
        )

    text = look()
    if text is None and refresh:
        pool.refresh(0)
        text = look()
    return None if text is None else volumes.volume_facts(pool_name, _xml.parse(text))


def definitions(conn: Conn) -> Iterator[tuple[str, bool, _xml.Element]]:
    """Yield (name, whether the guest runs with it, XML) for all guests: what each is, and of one that runs what it will be, too.

    libvirt has no bulk call for definitions, so this is for runs that can't do without the other guests.
    """
    for domain in conn.listAllDomains(0):
        root = _definition(domain, 0)
        if root is None:
            continue
        # Only what runs has an ID: the XML itself tells, whatever the guest has become since the list.
        running = root.get("id") is not None
        yield domain.name(), running, root
        next_boot = _definition(domain, libvirt.VIR_DOMAIN_XML_INACTIVE) if running else None
        if next_boot is not None:
            yield domain.name(), False, next_boot


def _definition(domain: Domain, flags: int) -> _xml.Element | None:
    text = _connection.unless_gone(partial(domain.XMLDesc, flags), libvirt.VIR_ERR_NO_DOMAIN)
    return None if text is None else _xml.parse(text)


def pools(conn: Conn, flags: int = 0) -> list[Any]:
    """Return the storage pools that flags of VIR_CONNECT_LIST_STORAGE_POOLS_* select; none where libvirt has no storage driver."""
    return _connection.unless_gone(partial(conn.listAllStoragePools, flags), libvirt.VIR_ERR_NO_SUPPORT) or []


def bases(conn: Conn) -> Iterator[tuple[str, str]]:
    """Yield (path of the base, path of the volume) for the volumes of active pools that are based on something."""
    for pool in pools(conn, libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
        for volume in pool.listAllVolumes(0):
            text = _connection.unless_gone(partial(volume.XMLDesc, 0), libvirt.VIR_ERR_NO_STORAGE_VOL)
            base = None if text is None else _xml.parse(text).findtext("backingStore/path")
            if base:
                yield base, volume.path()
