# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""observe: read the store, the pool and as much of the source as the plan needs. Writes nothing."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors, _units, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import source as image_source
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import store as image_store
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.probe import probe
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.spec import Digest
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import uses
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.naming import (
    FILE_POOLS,
    info_path,
    parse_file_name,
)

_FOREIGN = "no image that was stored here, though its name is like that of one"


@dataclass(frozen=True)
class Observed:
    """An image and what is wanted of it.

    volumes: names of the pool's volumes. available: the file name of the version that has the wanted content, None when
    there is none. digest: of the wanted content as far as it is known (a Digest), incoming: its Probed format.
    needed: by the path of a version, the words for what needs it. remote: the Remote image in Glance, if it is one.
    disk: the capture.GuestDisk to make it of.
    """

    store: image_store.Store
    volumes: frozenset
    available: str = None
    digest: Digest = None
    incoming: object = None
    needed: dict = None
    remote: object = None
    disk: object = None


def observe(conn, spec):
    """Return the Observed for a spec. Raises NotFound, Conflict, InvalidInput, KvmfleetError, LibvirtFailed."""
    deadline = time.monotonic() + spec.timeout
    with _connection.doing(f"reading the storage pool {spec.pool}"):
        pool = find_pool(conn, spec.pool)
        directory = pool_directory(pool, spec.pool)
        volumes = frozenset(pool.listVolumes())
    store = image_store.read(directory, spec.name)
    if spec.state == "absent":
        with _connection.doing(f"looking for what needs the image {spec.name}"):
            needed = _needed(conn, store)
        return Observed(store, volumes, needed=needed)
    if spec.option == "glance":
        return _in_glance(spec, store, volumes)
    if spec.option == "instance":
        return _of_guest(conn, spec, store, volumes)
    if spec.checksums is not None:
        from ansible_collections.kvmfleet.compute.plugins.module_utils._image import checksums  # noqa: PLC0415 - only here

        spec = replace(spec, checksum=checksums.fetch(spec, deadline))
    available, digest, incoming = _wanted(spec, store, deadline)
    return Observed(store, volumes, available, digest, incoming)


def _in_glance(spec, store, volumes):
    """Return the Observed of an image in Glance, which is asked unless the store has what the checksum says."""
    from ansible_collections.kvmfleet.compute.plugins.module_utils._image.remote import Remote  # noqa: PLC0415 - only here

    available = _having(store, spec.checksum) if spec.checksum else None
    if available is not None:
        return Observed(store, volumes, available, spec.checksum)
    remote = Remote(spec)
    digest = spec.checksum or remote.digest
    # What is there has another checksum than the one that was asked for.
    if remote.digest is not None and spec.checksum is None:
        available = _having(store, remote.digest)
    elif spec.checksum is None:
        available = next((version.file for version in _newest_first(store) if remote.is_content_of(version.info)), None)
    if available is None:
        check_space(spec, store.directory, remote.image.size)
    return Observed(store, volumes, available, digest, remote=remote)


def _of_guest(conn, spec, store, volumes):
    """Return the Observed of an image that is made of a guest's disk, once: the guest is looked at when there is none yet."""
    from ansible_collections.kvmfleet.compute.plugins.module_utils._image import capture  # noqa: PLC0415 - only here

    if not spec.instance.refresh:
        for version in _newest_first(store):
            if version.info is not None and version.info.source == spec.source:
                return Observed(store, volumes, version.file)
    with _connection.doing(f"reading the guest {spec.instance.name}"):
        disk = capture.find(conn, ("instance.name", "instance.disk"), spec.instance.name, spec.instance.disk)
    check_space(spec, store.directory, capture.required(disk))
    return Observed(store, volumes, disk=disk)


def find_pool(conn, name):
    """Return the pool. Raises NotFound when there is none of the name, or it is not active."""
    pool = _connection.unless_gone(lambda: conn.storagePoolLookupByName(name), libvirt.VIR_ERR_NO_STORAGE_POOL)
    if pool is None or not pool.isActive():
        active = [pool.name() for pool in conn.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)]
        raise _errors.NotFound(
            f"pool: {name!r} is not an active storage pool of this host; active pools are "
            f"{', '.join(sorted(active)) or 'none'}; the role kvmfleet.compute.compute makes the image store"
        )
    return pool


def pool_directory(pool, name):
    """Return the directory of a pool. Raises Conflict when it is none that this module can write files into."""
    root = _xml.parse(pool.XMLDesc(0))
    directory = root.findtext("target/path")
    if root.get("type") not in FILE_POOLS or not directory:
        raise _errors.Conflict(
            f"pool: {name!r} is of the type {root.get('type')}; the image store is a directory of files"
        )
    if not os.path.isdir(directory):
        raise _errors.Conflict(
            f"pool: {name!r} has the directory {directory}, which the managed host doesn't have; "
            "vm_image must run on the host that its uri names"
        )
    return directory


def _needed(conn, store):
    """Tell which versions a guest or an overlay needs, and in what words to say so."""
    if not store.versions:
        return {}
    found = uses.read(conn)
    needed = {version.path: found.user(version.path) for version in store.versions.values()}
    needed.update(
        {version.path: _FOREIGN for version in store.versions.values() if not is_ours(store.directory, version)}
    )
    return {path: need for path, need in needed.items() if need}


def is_ours(directory, version):
    """Tell whether a version was stored by us: what is known of it is there, or its content is the one that its name says.

    The first goes before the version does, so that a run that dies between leaves the second. Raises KvmfleetError.
    """
    if os.path.exists(info_path(directory, version.file)):
        return True
    with _errors.file_errors(f"reading {version.path}"):
        digest = image_source.file_digest(version.path, "sha256")
    return digest.startswith(parse_file_name(version.file)[1])


def _wanted(spec, store, deadline):
    """Return (available, digest, incoming) as Observed has them; a source is read only when nothing else tells."""
    if spec.checksum is not None:
        available = _having(store, spec.checksum)
        if available is not None or spec.option == "url":
            return available, spec.checksum, None
    if spec.option == "url":
        return _unmodified(spec, store, deadline), None, None
    return _file(spec, store, deadline)


def _having(store, digest):
    """Return the newest version with a checksum. One that was not recorded is computed."""
    for version in _newest_first(store):
        if version.info is not None:
            known = getattr(version.info, digest.algorithm)
            if known is None:
                with _errors.file_errors(f"reading {version.path}"):
                    known = image_source.file_digest(version.path, digest.algorithm)
            # The checksum of a compressed image is that of what is downloaded.
            if digest.hex in (known, getattr(version.info, f"source_{digest.algorithm}")):
                return version.file
    return None


def _newest_first(store):
    return sorted(store.versions.values(), key=lambda version: (version.mtime_ns, version.file), reverse=True)


def _unmodified(spec, store, deadline):
    """Return the newest version from this URL, if the server says that it has nothing else."""
    from ansible_collections.kvmfleet.compute.plugins.module_utils._image.download import is_unmodified  # noqa: PLC0415 - only here

    for version in _newest_first(store):
        if version.info is not None and version.info.source == spec.source:
            return version.file if is_unmodified(spec, version.info, deadline) else None
    return None


def _file(spec, store, deadline):
    """Probe and hash the source file, unless a version was made of the very same file."""
    with image_source.opened(spec) as source:
        for version in _newest_first(store) if spec.checksum is None else ():
            if version.info is not None and _made_of(version.info, spec, source):
                return version.file, Digest("sha256", version.info.sha256), None
        # What a compressed file has is known once it is unpacked.
        packed = image_source.packing(source.stream)
        incoming = None if packed else probe(source.stream, spec.option, spec.source, spec.format)
        source.stream.seek(0)
        digests = image_source.read_all(spec, source, deadline)
        image_source.check_digest(spec, source, digests)
        digest = Digest("sha256", digests["sha256"])
        available = _having(store, digest)
        if available is None:
            check_space(spec, store.directory, source.needs)
        return available, digest, incoming


def _made_of(info, spec, source):
    return (info.source, info.source_size, info.source_mtime_ns) == (spec.source, source.size, source.mtime_ns)


def free_space(directory):
    """Return the bytes that the store has free. Raises KvmfleetError."""
    with _errors.file_errors(f"reading the image store {directory}"):
        status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def check_space(spec, directory, needs):
    """Raise KvmfleetError when the store has no room for so many bytes."""
    free = free_space(directory)
    if needs > free:
        raise _errors.KvmfleetError(
            f"{spec.option}: {spec.source!r} needs {_units.format_size(needs)}, "
            f"and the image store {directory} has {_units.format_size(free)} free"
        )
