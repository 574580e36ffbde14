# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Storage pools and their volumes as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml

# Pools whose volumes are block devices (libvirt storage pool types); the others hold files.
BLOCK_POOLS = ("logical", "disk", "iscsi", "scsi", "mpath")
# What is recorded of a volume that we have made and whose identity can't be looked at, such as a file of another host.
CREATED = "created"


@dataclass(frozen=True)
class PoolFacts:
    """An active pool: its type, its directory or device directory."""

    name: str
    type: str
    path: str


@dataclass(frozen=True)
class VolumeFacts:
    """A volume that exists; capacity in bytes. key: what libvirt tells it by; a file's is its path."""

    pool: str
    name: str
    path: str
    format: str
    capacity: int
    kind: str = "file"
    key: str = ""


def pool_facts(name: str, root: _xml.Element) -> PoolFacts:
    """Return the PoolFacts of a pool's XML."""
    return PoolFacts(name, root.get("type"), _xml.get(root, "target/path") or "")


def volume_facts(pool: str, root: _xml.Element) -> VolumeFacts:
    """Return the VolumeFacts of a volume's XML."""
    return VolumeFacts(
        pool=pool,
        name=root.findtext("name"),
        path=root.findtext("target/path"),
        format=_xml.get(root, "target/format/@type") or "raw",
        capacity=int(root.findtext("capacity")),
        kind=root.get("type") or "file",
        key=root.findtext("key") or "",
    )
