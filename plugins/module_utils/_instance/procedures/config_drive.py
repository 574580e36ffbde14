# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The config drive of a guest: a small read-only disk from which its system configures itself at its first boot.

Its volume is named by its content, so that another content is another volume: a medium that is changed while the guest runs.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _temporary, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.disks import DiskSpec
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.recorded import is_ready, record_volume, retired
from ansible_collections.kvmfleet.compute.plugins.module_utils._firstboot import description, drive, layout
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import procedure
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.actions.storage import (
    make_in_place,
    undo_volume,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import proof
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.volumes import BLOCK_POOLS

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils import _plan
    from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.metadata import InstanceMetadata
    from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.volumes import PoolFacts

OPTION = "config_drive"
EXTENSIONS = {"iso9660": "iso", "vfat": "img"}
# Bytes, as many as Nova's.
RANDOM_SEED = 512
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

    def files(self, guest: str, uuid: str) -> dict[str, bytes]:
        """Return {path: bytes}. Raises InvalidInput."""
        return layout.files(self.label, self.content, guest, uuid, self.instance_id)

    def volume_name(self, guest: str) -> str:
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
    place = OPTION
    # As it is made, before it is filled.
    format = "raw"
    mode = "empty"
    image = None

    @property
    def subject(self) -> str:
        return f"{self.pool}/{self.name}"


def parse(params: facet.Values) -> ConfigDriveSpec | None:
    """Return the ConfigDriveSpec of a task. Raises InvalidInput, MissingLibrary."""
    given = params[OPTION]
    if params["state"] == "absent":
        return None
    try:
        content = description.parse(given)
        layout.check(given["label"], content, params["name"])
    except _errors.InvalidInput as exc:
        raise _errors.InvalidInput(f"{OPTION}.{exc.message}") from exc
    return ConfigDriveSpec(content, given["label"], given["format"], given["instance_id"], params["pool"])


def recorded(found: InstanceMetadata | None, guest: str) -> metadata.Volume | None:
    """Return the metadata.Volume of a guest's config drive, None when it has none."""
    name = re.compile(re.escape(guest) + r"-config-[0-9a-f]{16}\.(iso|img)")
    volumes = [] if found is None else [v for v in found.volumes if v.status != "obsolete" and name.fullmatch(v.name)]
    return volumes[0] if volumes else None


def _wanted(spec: procedure.InstanceSpec) -> ConfigDriveSpec:
    return spec.procedures[OPTION]


def _pool_name(spec: procedure.InstanceSpec, found: InstanceMetadata | None) -> str:
    """Return the pool of the drive: where it is already, else where the guest's new disks go."""
    known = recorded(found, spec.name)
    return known.pool if known else _wanted(spec).pool


def _disk(spec: procedure.InstanceSpec, found: InstanceMetadata | None) -> DiskSpec:
    """Return the DiskSpec of the drive, wherever its data is. Each drive that the guest gets has the place of its predecessor."""
    known = recorded(found, spec.name)
    plain = (("device", "cdrom" if _wanted(spec).format == "iso9660" else "disk"), ("readonly", True))
    return DiskSpec(option=OPTION, target=known.target if known else None, plain=plain)


def needs(reading: procedure.Reading) -> procedure.Needs:
    """Return the Needs: the drive as a disk, and its volume."""
    spec, found = reading.spec, reading.record
    volume = (_pool_name(spec, found), _wanted(spec).volume_name(spec.name))
    return procedure.Needs(disks=(_disk(spec, found),), volumes=frozenset({volume}))


def observe(reading: procedure.Reading, _needs: procedure.Needs) -> frozenset[tuple[str, str]]:
    """Return {(pool, name)} of the drive's volume when it is there and is ours, though it is not complete, or not the guest's now."""
    spec, found = reading.spec, reading.record
    pool, name = _pool_name(spec, found), _wanted(spec).volume_name(spec.name)
    volume = ConfigVolume("", pool, name, "", _wanted(spec))
    begun = [] if is_ready(found, volume) else [volume]
    return proof.find_ours(reading.conn, reading.recorded, begun, reading.storage.volumes)


def begin(spec: procedure.InstanceSpec, draft: procedure.Draft) -> procedure.Draft:
    """Have the drive among the guest's disks. Raises NotFound, Conflict, InvalidInput."""
    observed = draft.observed
    pool, name = _place(spec, observed)
    disk = replace(_disk(spec, observed.metadata), source=f"{pool.path}/{name}", format="raw", replaces=True)
    return replace(draft, disks=(*draft.disks, disk))


def _place(spec: procedure.InstanceSpec, observed: procedure.Observed) -> tuple[PoolFacts, str]:
    """Return (PoolFacts, name) of the drive's volume."""
    known = recorded(observed.metadata, spec.name)
    pool_name = _pool_name(spec, observed.metadata)
    pool = observed.storage.pools.get(pool_name)
    if pool is None or pool.type in BLOCK_POOLS:
        names = ", ".join(sorted(observed.storage.known_pools)) or "none"
        raise _errors.NotFound(
            f"pool: {pool_name!r} is not an active pool of files of this host, where a config drive could be; "
            f"active pools are {names}"
        )
    name = _wanted(spec).volume_name(spec.name)
    is_there = observed.storage.volumes.get((pool.name, name)) is not None
    is_known = known is not None and known.name == name and known.status == "ready"
    if is_there and not is_known and (pool.name, name) not in observed.procedures[OPTION]:
        raise _errors.Conflict(
            f"{OPTION}: the volume {name!r} exists in pool {pool.name!r} and was not made for this guest"
        )
    return pool, name


def place(spec: procedure.InstanceSpec, draft: procedure.Draft) -> procedure.Draft:
    """Make the drive, unless it is there; another one that the guest had is replaced."""
    found = draft.observed.metadata
    known = recorded(found, spec.name)
    disk, target = next(pair for pair in draft.targets if pair[0].option == OPTION)
    path = str(disk.source)
    name = path.rpartition("/")[2]
    same = known is not None and known.name == name
    if known is not None and same and known.status == "ready":
        return draft
    volume = ConfigVolume(target, _pool_name(spec, found), name, path, _wanted(spec))
    if known is None or same:
        return replace(draft, made=(*draft.made, volume))
    return replace(
        draft,
        volumes=retired(draft.volumes, known),
        made=(*draft.made, volume),
        replaced=(*draft.replaced, known),
    )


def shape(spec: procedure.InstanceSpec, draft: procedure.Draft) -> procedure.Draft:
    """Refuse a new drive for interfaces that the guest does not have: by it, the guest would have no network.

    Of host devices, nothing tells whether they are interfaces. Raises InvalidInput.
    """
    if not any(isinstance(volume, ConfigVolume) for volume in draft.made):
        return draft
    known = {mac.get("address").lower() for mac in draft.definition.findall("devices/interface/mac")}
    warnings = list(draft.warnings)
    for index, interface in enumerate(_wanted(spec).content.interfaces):
        if interface.mac in known:
            continue
        option = f"{OPTION}.network[{index}].mac"
        if draft.definition.find("devices/hostdev") is None:
            raise _errors.InvalidInput.of(
                option, interface.mac, "no interface of the guest has this MAC address: give it in interfaces"
            )
        warnings.append(
            f"{option}: no interface of the guest has the MAC address {interface.mac!r}, "
            "unless it is that of one of its host devices"
        )
    return replace(draft, warnings=tuple(warnings))


def _create(run: procedure.Run, action: _plan.Action) -> None:
    """Build the drive where nobody else can read it, and fill its volume through libvirt, which may be on another host.

    Source: virStorageVolCreateXML, virStorageVolUpload.
    """
    volume, domain = action.data, run.domain()
    run.on_failure(lambda: undo_volume(run, volume))
    # Random bytes are new with each drive that is made, and no part of the content that names it.
    seed = secrets.token_bytes(RANDOM_SEED)
    files = layout.with_random_seed(volume.spec.label, volume.spec.files(domain.name(), domain.UUIDString()), seed)
    with _temporary.directory() as directory:
        path = os.path.join(directory, "drive")
        drive.build(files, volume.spec.label, volume.spec.format, path)
        size = os.path.getsize(path)
        created = make_in_place(run, volume, lambda pool: pool.createXML(_element(volume, size), 0))
        if created.info()[1] < size:
            created.resize(size, 0)
        with open(path, "rb") as content:
            _upload(run.conn, created, content)
    record_volume(domain, volume, "ready")


def _element(volume: ConfigVolume, size: int) -> str:
    """Source: libvirt storage volume XML."""
    root = _xml.element_of("volume")
    root.append(_xml.element_of("name", text=volume.name))
    root.append(_xml.element_of("capacity", {"unit": "bytes"}, str(size)))
    target = _xml.element_of("target")
    target.append(_xml.element_of("format", {"type": "raw"}))
    permissions = _xml.element_of("permissions")
    permissions.append(_xml.element_of("mode", text="0600"))
    target.append(permissions)
    root.append(target)
    return _xml.to_text(root)


def _upload(conn: Conn, volume: Any, content: IO[bytes]) -> None:
    stream = conn.newStream(0)
    try:
        volume.upload(stream, 0, 0, 0)
        stream.sendAll(lambda _stream, size, source: source.read(size), content)
    except BaseException:
        stream.abort()
        raise
    stream.finish()


PROCEDURE = procedure.Procedure(
    parse=parse,
    needs=needs,
    observe=observe,
    begin=begin,
    place=place,
    shape=shape,
    actions={"create_config_drive": _create},
)
