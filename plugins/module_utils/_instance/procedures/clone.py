# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Clone: a new guest with the definition and the disks of another, and an identity of its own.

It is a launch in all but what it begins with, so that a run that is killed is completed as a launch is: the volumes are
recorded as `planned` until each is complete.
"""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _inet, _plan, _units, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import identity, metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets import interfaces
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.lookup import require
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.recorded import update_metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import power_state
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import procedure, storage
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import config_drive
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.targets import assign_targets
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import proof, uses
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.lookup import read_volume, volume_of
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.volumes import volume_facts

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.targets import Target
    from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.volumes import VolumeFacts


@dataclass(frozen=True)
class SourceFacts:
    """The guest that is cloned, as it is for its next boot.

    volumes: by target, of the disks that only it writes to; None for one that is no volume of an active pool. taken: the
    names that a clone's volumes in their pools can't have, as (pool, name). nvram: its firmware's variables are in a file of this host;
    taken_nvram: the path of the clone's, where another file is.
    """

    name: str
    state: str
    inactive: _xml.Element
    volumes: dict[str, VolumeFacts | None]
    taken: frozenset[tuple[str, str]] = frozenset()
    nvram: bool = False
    taken_nvram: str | None = None
    autostart: bool = False


@dataclass(frozen=True)
class CloneFrom:
    """The guest that a new one is a clone of. linked: its disks are based on that guest's, which must stay as they are."""

    name: str
    linked: bool


def parse(params: facet.Values) -> CloneFrom | None:
    """Return the CloneFrom of a task. Raises InvalidInput."""
    if params["state"] == "absent":
        return None
    given = params["clone_from"]
    if given["name"] == params["name"]:
        raise _errors.InvalidInput.of("clone_from.name", given["name"], "it is the guest itself; another one is cloned")
    if params.get("image") is not None:
        raise _errors.InvalidInput.of(
            "image", params["image"], "clone_from is given, and a clone has the disks of its source"
        )
    return CloneFrom(given["name"], (given.get("mode") or "full") == "linked")


def _wanted(spec: procedure.InstanceSpec) -> CloneFrom:
    return spec.procedures["clone_from"]


def needs(reading: procedure.Reading) -> procedure.Needs:
    """Return the Needs with the SourceFacts; a clone that is complete needs no source. Raises NotFound, InvalidInput."""
    conn, spec = reading.conn, reading.spec
    if reading.inactive is not None and not metadata.planned(reading.record):
        return procedure.Needs()
    name = _wanted(spec).name
    source = require(conn, name, f"clone_from.name: there is no guest {name!r} on this host")
    root = _xml.parse(source.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))
    volumes = {_target(disk): _found_volume(conn, disk) for disk in copied_disks(root)}
    pools = {volume.pool for volume in volumes.values() if volume is not None}
    taken = frozenset((pool, file) for pool in pools for file in proof.read_names(conn, pool))
    nvram = identity.nvram(root) if _has_nvram(spec, identity.nvram(root)) else None
    copy = None if nvram is None else identity.nvram(identity.of_another(root, spec.name, spec.uuid, ()))
    found = SourceFacts(
        name=source.name(),
        state=power_state(source)[0],
        inactive=root,
        volumes=volumes,
        taken=taken - _ours(reading, volumes),
        nvram=nvram is not None,
        taken_nvram=copy if nvram and copy and _is_another(copy, nvram) else None,
        autostart=bool(source.isPersistent() and source.autostart()),
    )
    return procedure.Needs(definition=root, found=found)


def _ours(reading: procedure.Reading, volumes: Mapping[str, VolumeFacts | None]) -> frozenset[tuple[str, str]]:
    """Return (pool, name) of the volumes of this clone that an interrupted run has made, of those that it had planned."""
    planned = metadata.planned(reading.record)
    copies = [_copy(reading.spec, target, origin) for target, origin in volumes.items() if origin and target in planned]
    # Items of the task can make a copy larger than its source.
    wanted = [replace(copy, capacity=0) for copy in copies]
    there = {(copy.pool, copy.name): read_volume(reading.conn, copy.pool, copy.name) for copy in wanted}
    return proof.find_ours(reading.conn, reading.recorded, wanted, there)


def _copy(spec: procedure.InstanceSpec, target: str, origin: VolumeFacts) -> storage.NewVolume:
    """Return the NewVolume of a disk of the clone, with its source's capacity."""
    linked = _wanted(spec).linked
    volume_format = "qcow2" if linked else origin.format
    name = storage.volume_name(spec.name, target, volume_format) if origin.kind == "file" else f"{spec.name}-{target}"
    return storage.NewVolume(
        target=target,
        pool=origin.pool,
        name=name,
        path=f"{origin.path.rpartition('/')[0]}/{name}",
        format=volume_format,
        capacity=origin.capacity,
        mode="overlay" if linked else "copy",
        image=origin,
    )


def _found_volume(conn: Conn, disk: _xml.Element) -> VolumeFacts | None:
    volume = volume_of(conn, disk.find("source"))
    if volume is None:
        return None
    return volume_facts(volume.storagePoolLookupByVolume().name(), _xml.parse(volume.XMLDesc(0)))


def _has_nvram(spec: procedure.InstanceSpec, path: str | None) -> bool:
    """Tell whether there is a file to be copied: a guest that never ran has none yet."""
    if path is None:
        return False
    if _inet.host_of(spec.uri):
        raise _errors.InvalidInput.of(
            "uri",
            spec.uri,
            "the firmware's variables of a clone are copied on libvirt's host: run the task on that host",
        )
    return os.path.isfile(path)


def _is_another(path: str, source: str) -> bool:
    """Tell whether a file is there that is no copy of the source, as an interrupted run can have left one."""
    return os.path.lexists(path) and not (os.path.isfile(path) and filecmp.cmp(path, source, shallow=False))


def _target(disk: _xml.Element) -> Any:
    # libvirt has one for every disk.
    return _xml.get(disk, "target/@dev")


def copied_disks(root: _xml.Element) -> list[_xml.Element]:
    """Return the disks of a definition that a clone gets copies of: those that the guest alone writes to."""
    return [
        disk
        for disk in root.findall("devices/disk")
        if disk.get("device", "disk") in ("disk", "lun")
        and disk.find("shareable") is None
        and disk.find("readonly") is None
    ]


def begin(spec: procedure.InstanceSpec, draft: procedure.Draft) -> procedure.Draft:
    """Begin with the source's definition, of which the clone gets copies of the disks. Raises Conflict, InvalidInput."""
    observed, source = draft.observed, draft.observed.procedures["clone_from"]
    if source is None:
        return draft
    listed = assign_targets(spec.disks, source.inactive, observed.storage.volumes)
    planned = metadata.planned(observed.metadata)
    targets = [target for target in _targets(spec, source, listed) if not observed.exists or target in planned]
    if observed.exists and not targets:
        return draft  # what the interrupted run has left to do are disks of the clone's own
    _check_source(spec, source)
    volumes = tuple(_volume(spec, source, target, listed) for target in targets)
    first = []
    if _wanted(spec).linked and not metadata.of_managed(source.inactive).has_clones:
        first.append(_plan.Action("mark_source", source.name))
    draft = replace(draft, copies=volumes, kept=draft.kept | set(targets))
    if observed.exists:
        return replace(draft, first=(*draft.first, *first))
    macs = [item.get("mac") for item in spec.wanted.get("interfaces", ())]
    root = identity.of_another(source.inactive, spec.name, spec.uuid, macs)
    drive = config_drive.recorded(metadata.read(source.inactive), source.name)
    if drive:
        # What another guest is to be configured with is not for the clone.
        disk = root.find(f"devices/disk/target[@dev='{drive.target}']/..")
        disk.getparent().remove(disk)
    for volume in volumes:
        _put_volume(root, volume)
    # The items of the task find the copies again.
    metadata.write(root, replace(metadata.of_managed(root), volumes=tuple(map(storage.record_of, volumes))))
    interfaces.write_in_order(root, spec.wanted.get("interfaces", ()))
    if source.taken_nvram:
        raise _errors.Conflict(
            f"clone_from: the NVRAM {source.taken_nvram!r} exists and was not made for this guest; remove it"
        )
    if source.nvram:
        paths = (identity.nvram(source.inactive), identity.nvram(root))
        first.append(_plan.Action("copy_nvram", f"{paths[0]} to {paths[1]}", paths))
    return replace(draft, definition=root, first=(*draft.first, *first))


def _check_source(spec: procedure.InstanceSpec, source: SourceFacts) -> None:
    if source.state != "stopped":
        raise _errors.Conflict(
            f"clone_from.name: the guest {source.name!r} is {source.state}; only a stopped guest is cloned"
        )
    found = metadata.read(source.inactive)
    if found is not None and (found.rescue or found.resize):
        what = "is rescued" if found.rescue else "is being resized"
        raise _errors.Conflict(f"clone_from.name: the guest {source.name!r} {what}; bring that to its end first")
    if _wanted(spec).linked and found is None:
        raise _errors.Conflict(
            f"clone_from.mode: the guest {source.name!r} is not managed, so that nothing would keep it from being started "
            "and spoiling the clone; adopt it first, or use mode: full"
        )
    if _wanted(spec).linked and source.autostart:
        raise _errors.Conflict(
            f"clone_from.mode: the guest {source.name!r} starts with its host, which would spoil the clone; give it autostart: false, "
            "or use mode: full"
        )


def _targets(spec: procedure.InstanceSpec, source: SourceFacts, listed: Sequence[Target]) -> list[str]:
    """The disks that the clone gets, but for those that the task has removed from it."""
    gone = {item["target"] for item in spec.removals.get("disks", ())}
    targets = [_target(disk) for disk in copied_disks(source.inactive)]
    if "disks" in spec.purge:
        kept = [target for _disk, target in listed]
        gone.update(target for target in targets if target not in kept)
    return [target for target in targets if target not in gone]


def _volume(
    spec: procedure.InstanceSpec, source: SourceFacts, target: str, listed: Sequence[Target]
) -> storage.NewVolume:
    disk = source.inactive.find(f"devices/disk/target[@dev='{target}']/..")
    recorded = (metadata.read(source.inactive) or metadata.InstanceMetadata()).volumes
    origin = source.volumes[target]
    if origin is None or disk.find(".//encryption") is not None:
        what = "is not a volume of an active storage pool" if origin is None else "is encrypted"
        raise _errors.Conflict(
            f"clone_from.name: the disk {target} of the guest {source.name!r} {what}, and can't be copied"
        )
    if _wanted(spec).linked and origin.kind != "file":
        raise _errors.Conflict(
            f"clone_from.mode: the disk {target} of the guest {source.name!r} is not a file; linked clones need files, use mode: full"
        )
    copy = _copy(spec, target, origin)
    if (copy.pool, copy.name) in source.taken:
        raise _errors.Conflict(
            f"clone_from: the volume {copy.name!r} exists in pool {copy.pool!r} and was not made for this guest; remove it"
        )
    return replace(
        copy,
        capacity=_capacity(source, target, origin, listed),
        place=next((v.place for v in recorded if (v.target, v.status) == (target, "ready") and v.place), "clone_from"),
    )


def _capacity(source: SourceFacts, target: str, origin: VolumeFacts, listed: Sequence[Target]) -> int:
    for disk, given in listed:
        if given != target:
            continue
        if disk.image is not None:
            raise _errors.InvalidInput.of(
                f"{disk.option}.image", disk.image, f"the disk {target} is copied from {source.name!r}"
            )
        if disk.size is not None and disk.size < origin.capacity:
            option = "root_disk" if disk.option == "image" else f"{disk.option}.size"
            has = f"the disk {target} of {source.name!r} has {_units.format_size(origin.capacity)}; disks are never shrunk"
            raise _errors.InvalidInput.of(option, _units.format_size(disk.size), has)
        return disk.size or origin.capacity
    return origin.capacity


def _put_volume(root: _xml.Element, volume: storage.NewVolume) -> None:
    disk = root.find(f"devices/disk/target[@dev='{volume.target}']/..")
    for tag in ("source", "backingStore"):
        _xml.drop(disk, tag)
    origin: Any = volume.image  # the volume that is copied
    kind = origin.kind
    disk.set("type", kind)
    disk.append(_xml.element_of("source", {"dev" if kind == "block" else "file": volume.path}))
    _xml.put(disk, "driver/@type", volume.format)


def _mark_source(run: procedure.Run, action: _plan.Action) -> None:
    """Have the source know that a linked clone needs its disks, before there is one."""
    update_metadata(run.conn.lookupByName(action.subject), lambda found: replace(found, has_clones=True))


def _copy_nvram(run: procedure.Run, action: _plan.Action) -> None:
    """Copy the firmware's variables; the copy is written beside and renamed, and goes when the guest can't be defined."""
    source, path = action.data
    need = uses.read(run.conn).against_sole_use(path, run.spec.name) if os.path.lexists(path) else None
    if need is not None:
        raise _errors.Conflict(f"clone_from: the NVRAM {path!r} can't be written; it is {need}")
    if os.path.isfile(path) and _is_another(path, source):
        raise _errors.Conflict(f"clone_from: the NVRAM {path!r} exists and was not made for this guest; remove it")
    partial = f"{path}.partial"
    with _errors.file_errors(f"copying the NVRAM {source}"):
        status = os.stat(source)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)  # of a run that was killed
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb") as copy, open(source, "rb") as original:
                shutil.copyfileobj(original, copy)
                if os.geteuid() == 0:
                    os.fchown(copy.fileno(), status.st_uid, status.st_gid)
                copy.flush()
                os.fsync(copy.fileno())
            os.rename(partial, path)
        except OSError:
            os.unlink(partial)
            raise


PROCEDURE = procedure.Procedure(
    parse=parse,
    needs=needs,
    begin=begin,
    actions={"mark_source": _mark_source, "copy_nvram": _copy_nvram},
)
