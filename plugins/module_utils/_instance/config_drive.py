# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The config drive of a guest: a small read-only disk from which its system configures itself at its first boot. Pure.

Its volume is named by its content, so that another content is another volume: a medium that is changed while the guest runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.disks import DiskSpec
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, InvalidInput, NotFound
from ansible_collections.kvmfleet.compute.plugins.module_utils._firstboot import description, layout
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.storage import BLOCK_POOLS

OPTION = "config_drive"
EXTENSIONS = {"iso9660": "iso", "vfat": "img"}
# The content is named before the guest has a UUID.
NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class ConfigDriveSpec:
    """What is to be on the drive, its label (layout.CONFIG_DRIVE or layout.NOCLOUD), its file system, the policy of its ID, and
    the pool of a new one."""

    content: description.Description
    label: str
    format: str
    instance_id: str
    pool: str

    def files(self, guest, uuid):
        """Return {path: bytes}. Raises InvalidInput."""
        return layout.files(self.label, self.content, guest, uuid, self.instance_id)

    def volume_name(self, guest):
        digest = layout.digest(self.label, self.files(guest, NOBODY))
        return f"{guest}-config-{digest[:16]}.{EXTENSIONS[self.format]}"


@dataclass(frozen=True)
class ConfigVolume:
    """A volume to be made and filled with a config drive."""

    target: str
    pool: str
    name: str
    path: str
    spec: ConfigDriveSpec

    action = "create_config_drive"

    @property
    def subject(self):
        return f"{self.pool}/{self.name}"


@dataclass(frozen=True)
class ConfigDrive:
    """The drive in a plan: the disk that the guest is to have, its volume, and the recorded one that it replaces (None for none)."""

    disk: DiskSpec
    pool: str
    name: str
    path: str
    replaced: object
    ready: bool

    def records(self, spec, target, volumes, new):
        """Return (recorded volumes, new volumes) with the drive among them, if it has yet to be made."""
        if self.ready:
            return volumes, new
        obsolete = tuple(replace(v, status="obsolete") if v == self.replaced else v for v in volumes)
        return obsolete, (*new, ConfigVolume(target, self.pool, self.name, self.path, spec.config_drive))


def parse(given, pool):
    """Return the ConfigDriveSpec of the option. Raises InvalidInput, MissingLibrary."""
    try:
        content = description.parse(given)
    except InvalidInput as exc:
        raise InvalidInput(f"{OPTION}.{exc.message}") from exc
    return ConfigDriveSpec(content, given["label"], given["format"], given["instance_id"], pool)


def recorded(found, guest):
    """Return the metadata.Volume of a guest's config drive, None when it has none."""
    name = re.compile(re.escape(guest) + r"-config-[0-9a-f]{16}\.(iso|img)")
    volumes = [] if found is None else [v for v in found.volumes if v.status != "obsolete" and name.fullmatch(v.name)]
    return volumes[0] if volumes else None


def pool_name(spec, found):
    """Return the pool of the drive: where it is already, else where the guest's new disks go."""
    known = recorded(found, spec.name)
    return known.pool if known else spec.config_drive.pool


def disk(spec, found):
    """Return the DiskSpec of the drive, wherever its data is. Each drive that the guest gets has the place of its predecessor."""
    known = recorded(found, spec.name)
    plain = (("device", "cdrom" if spec.config_drive.format == "iso9660" else "disk"), ("readonly", True))
    return DiskSpec(option=OPTION, target=known.target if known else None, plain=plain)


def plan(spec, observed):
    """Return the ConfigDrive. Raises NotFound, Conflict, InvalidInput."""
    known = recorded(observed.metadata, spec.name)
    pool = observed.storage.pools.get(pool_name(spec, observed.metadata))
    if pool is None or pool.type in BLOCK_POOLS:
        names = ", ".join(sorted(observed.storage.known_pools)) or "none"
        raise NotFound(
            f"pool: {pool_name(spec, observed.metadata)!r} is not an active pool of files of this host, where a config drive could be; "
            f"active pools are {names}"
        )
    name = spec.config_drive.volume_name(spec.name)
    if observed.storage.volumes.get((pool.name, name)) is not None and (known is None or known.name != name):
        obsolete = observed.metadata.volumes if observed.metadata else ()
        if (pool.name, name) not in [(volume.pool, volume.name) for volume in obsolete]:
            raise Conflict(
                f"{OPTION}: the volume {name!r} exists in pool {pool.name!r} and was not made for this guest"
            )
    path = f"{pool.path}/{name}"
    drive = replace(disk(spec, observed.metadata), source=path, format="raw", replaces=True)
    same = known is not None and known.name == name
    return ConfigDrive(drive, pool.name, name, path, None if same else known, same and known.status == "ready")
