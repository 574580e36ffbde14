# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Get images: what the image store holds, and who uses it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import store as image_store
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.describe import describe
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.observe import find_pool, pool_directory
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.naming import check_name
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.uses import read

OPTIONS = {"name": {"type": "str"}, "pool": {"type": "str", "default": "images"}}
_SECOND = 10**9


@dataclass(frozen=True)
class InfoSpec:
    """Which images to return: those of a store, or one of them."""

    name: str
    pool: str


def parse(params):
    """Return the InfoSpec of a module's options. Raises InvalidInput."""
    name = params["name"]
    return InfoSpec(name if name is None else check_name("name", name), params["pool"])


def query(conn, spec):
    """Return {"images": [...]}, by name, the newest version first. Raises KvmfleetError."""
    with _connection.doing(f"reading the storage pool {spec.pool}"):
        directory = pool_directory(find_pool(conn, spec.pool), spec.pool)
        uses = read(conn)
    now = time.time_ns()
    found = versions(directory, spec.name)
    return {"images": [known(entry, spec.pool, uses, now) for entry in found]}


def versions(directory, name=None):
    """Return (name, Version, whether it is the current one) of a store's versions, or of those of one image."""
    found = []
    for image in image_store.names(directory) if name is None else [name]:
        store = image_store.read(directory, image)
        newest_first = sorted(
            store.versions.values(), key=lambda version: (version.mtime_ns, version.file), reverse=True
        )
        found += [(image, version, version == store.current) for version in newest_first]
    return found


def age(version, now_ns):
    """Return the seconds since a Version was put into the store, or made the current one again."""
    return max(0, (now_ns - version.mtime_ns) // _SECOND)


def known(found, pool, uses, now_ns):
    """Return what is known of one of the versions, and by the Uses of the host who uses it."""
    name, version, current = found
    return dict(
        describe(name, pool, version),
        current=current,
        age=age(version, now_ns),
        used_by={"guests": sorted(uses.guests_of(version.path)), "overlays": sorted(uses.overlays_of(version.path))},
    )
