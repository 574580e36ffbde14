# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Rebuild: a new root disk of an image for a guest that keeps its identity and all else.

The new volume is made beside the old one, and recorded before that as `next`, so that a run that is killed leaves nothing
that nobody knows of. With the definition that has the new volume the old one becomes `obsolete`, and is dropped once the
guest has started: until then a failure brings the guest back to its old disk.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors, _plan, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.recorded import made_volume, update_metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import power, procedure, storage
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.actions import storage as volumes
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.targets import assign_targets
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import proof, source
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.lookup import read_volume
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.source import DiskSource
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.volumes import VolumeFacts, volume_facts

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.disks import DiskSpec
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.metadata import InstanceMetadata


@dataclass(frozen=True)
class RebuildFacts:
    """The root disk as it is: its volume, the path that it is based on, the words for what needs it besides the guest when a
    rebuild is due, the names that a new volume of its pool can't have, and whether the guest has snapshots. All is None for a disk
    that we did not make."""

    volume: VolumeFacts | None = None
    base: str | None = None
    need: str | None = None
    names: frozenset[str] = frozenset()
    snapshots: bool = False


def parse(params: facet.Values) -> str | None:
    """Return `changed` or `always`. Raises InvalidInput."""
    if params["state"] == "absent":
        return None
    if params.get("image") is None:
        raise _errors.InvalidInput.of("rebuild", params["rebuild"], "it needs image, which the root disk is made of")
    return params["rebuild"]


def _wanted(spec: procedure.InstanceSpec) -> str | None:
    return spec.procedures.get("rebuild")


def needs(reading: procedure.Reading) -> procedure.Needs:
    """Return the Needs: the image of the new disk."""
    image = reading.spec.image if _wanted(reading.spec) else None
    return procedure.Needs(images=frozenset() if image is None else frozenset({image}))


def _image(spec: procedure.InstanceSpec, facts: storage.StorageFacts) -> VolumeFacts | None:
    """Return the image that the root disk is to be made of, None when it is not in the store."""
    return None if spec.image is None else facts.images.get(spec.image)


def observe(reading: procedure.Reading, _needs: procedure.Needs) -> RebuildFacts:
    """Return the RebuildFacts; nothing of the root disk is known when we did not make it."""
    conn, spec, inactive = reading.conn, reading.spec, reading.inactive
    if _wanted(spec) is None or inactive is None:
        return RebuildFacts()
    target = next(t for d, t in assign_targets(spec.disks, inactive, reading.storage.volumes) if d.option == "image")
    record = _root_record(reading.record, inactive, target)
    if record is None:
        return RebuildFacts()
    pool = _connection.unless_gone(lambda: conn.storagePoolLookupByName(record.pool), libvirt.VIR_ERR_NO_STORAGE_POOL)
    text = pool and _connection.unless_gone(
        lambda: pool.storageVolLookupByName(record.name).XMLDesc(0), libvirt.VIR_ERR_NO_STORAGE_VOL
    )
    if not text:
        return RebuildFacts()
    root = _xml.parse(text)
    volume = volume_facts(record.pool, root)
    base = root.findtext("backingStore/path")
    due = _is_due(spec, reading.record, base, _image(spec, reading.storage))
    return RebuildFacts(
        volume=volume,
        base=base,
        need=reading.users().against_sole_use(volume.path, spec.name) if due else None,
        names=_taken_names(reading, record) if due else frozenset(),
        snapshots=bool(reading.domain.snapshotNum(0)),
    )


def _taken_names(reading: procedure.Reading, old: metadata.Volume) -> frozenset[str]:
    """Return the names in a disk's pool, without that of a disk that an interrupted rebuild has made in its place."""
    image: Any = _image(reading.spec, reading.storage)  # the rebuild is due
    names = proof.read_names(reading.conn, old.pool)
    begun = [volume.name for volume in reading.recorded if volume.status == "next"]
    wanted = [storage.NewVolume("", old.pool, name, "", "qcow2", 0, "overlay", image) for name in begun]
    there = {(old.pool, name): read_volume(reading.conn, old.pool, name) for name in begun}
    ours = proof.find_ours(reading.conn, reading.recorded, wanted, there)
    return frozenset(names) - {name for _pool, name in ours}


def _root_record(found: InstanceMetadata | None, inactive: _xml.Element, target: str) -> metadata.Volume | None:
    """Return the metadata's record of the disk that the guest has at a target, None when we did not make it."""
    disk = inactive.find(f"devices/disk/target[@dev='{target}']/..")
    place = None if disk is None else source.read(disk)
    if found is None or place is None:
        return None
    for volume in found.volumes:
        if volume.target == target and place.type == "file" and place.path == volume.path:
            return volume
    return None


def place(spec: procedure.InstanceSpec, draft: procedure.Draft) -> procedure.Draft:
    """Give the guest its new root disk. Raises InvalidInput, NotFound, Conflict."""
    found = draft.observed.metadata
    facts: RebuildFacts | None = draft.observed.procedures.get("rebuild")
    begun = tuple(volume for volume in (found.volumes if found else ()) if volume.status == "next")
    if _wanted(spec) is None:
        # What a rebuild that was given up had begun.
        return replace(draft, dropped=(*draft.dropped, *begun))
    if not draft.observed.exists:
        return draft
    draft = replace(draft, wanted=dict(draft.wanted, image_name=spec.image))
    disk, target = next(pair for pair in draft.targets if pair[0].option == "image")
    if found is not None and any(volume.target == target and volume.status == "planned" for volume in found.volumes):
        return replace(draft, dropped=(*draft.dropped, *begun))  # an interrupted launch, which makes the disk
    old = _root_record(found, draft.observed.inactive, target)
    if old is None or facts is None or facts.volume is None:
        raise _errors.Conflict(
            f"rebuild: {_wanted(spec)!r} is not allowed; the disk {target} of the guest {spec.name!r} is not a file that was made for it"
        )
    image = _image(spec, draft.observed.storage)
    if image is None:
        known = ", ".join(sorted(draft.observed.storage.known_images)) or "none"
        raise _errors.NotFound(f"image: {spec.image!r} is not in the image store; it has {known}")
    if not _is_due(spec, found, facts.base, image):
        return replace(draft, dropped=(*draft.dropped, *begun))
    _check(spec, draft.observed)
    return _rebuild(spec, draft, _new_volume(disk, target, old, image, begun, facts), old)


def _is_due(
    spec: procedure.InstanceSpec, found: InstanceMetadata | None, base: str | None, image: VolumeFacts | None
) -> bool:
    """Tell whether a root disk with a base (None for a full copy) is to be made of an image anew.

    image: its VolumeFacts, None when it is not in the store.
    """
    if image is None:
        return False
    other = base != image.path if base else found is None or found.image != spec.image
    return other or _wanted(spec) != "changed"


def _check(spec: procedure.InstanceSpec, observed: procedure.Observed) -> None:
    facts = observed.procedures["rebuild"]
    if facts.need is not None:
        raise _errors.Conflict(f"rebuild: the root disk of {spec.name!r} can't be made anew; it is {facts.need}")
    if facts.snapshots:
        raise _errors.Conflict(
            f"rebuild: the guest {spec.name!r} has snapshots, which need its root disk; delete them first"
        )
    if spec.state == "present" and observed.active:
        raise _errors.InvalidInput.of(
            "state", "present", "a rebuild shuts the guest down: say whether it is to be running or stopped afterwards"
        )
    if spec.state == "suspended":
        raise _errors.InvalidInput.of("state", "suspended", "a guest that is rebuilt has no memory to save")


def _new_volume(
    disk: DiskSpec,
    target: str,
    old: metadata.Volume,
    image: VolumeFacts,
    begun: tuple[metadata.Volume, ...],
    facts: RebuildFacts,
) -> storage.NewVolume:
    present: Any = facts.volume  # place() has looked
    size = disk.size or max(present.capacity, image.capacity)
    name = begun[0].name if begun and begun[0].name not in facts.names else _next_name(old.name, facts.names)
    return storage.NewVolume(
        target=target,
        pool=old.pool,
        name=name,
        path=f"{present.path.rpartition('/')[0]}/{name}",
        format="qcow2",
        capacity=storage.capacity(replace(disk, size=size), image),
        mode="overlay",
        image=image,
    )


def _next_name(name: str, taken: Collection[str]) -> str:
    """web01-vda.qcow2 is followed by web01-vda.1.qcow2, and so on."""
    match = re.fullmatch(r"(.+?)(?:\.(\d+))?\.(?:qcow2|raw)", name)
    stem, number = match.groups() if match else (name, None)
    following = int(number or 0) + 1
    while f"{stem}.{following}.qcow2" in taken:
        following += 1
    return f"{stem}.{following}.qcow2"


def _rebuild(
    spec: procedure.InstanceSpec, draft: procedure.Draft, volume: storage.NewVolume, old: metadata.Volume
) -> procedure.Draft:
    """Make the new disk while the guest may still run; then shut it down, and have it boot from that."""
    begun = [record for record in draft.volumes if record.status == "next"]
    record = metadata.Volume(volume.target, volume.pool, volume.name, volume.path, "next", old.place)
    known = next((item for item in begun if metadata.is_same(item, record)), None)
    first = [] if known else [_plan.Action("record_volume", f"{volume.pool}/{volume.name}", record)]
    first.append(_plan.Action("image_disk", volume.subject, volume))
    hard = spec.stop.force or (spec.state == "restarted" and spec.hard_restart)
    observed = draft.observed
    stops = power.transitions(observed.state, "stopped", hard, discard_saved_state=spec.discard_saved_state)
    kept = tuple(item for item in draft.volumes if item != old and item != known)
    return replace(
        draft,
        observed=observed.once_stopped(observed.inactive),
        targets=tuple(pair for pair in draft.targets if pair[1] != volume.target),
        items=(
            *draft.items,
            {"target": volume.target, "path": DiskSource("file", path=volume.path), "format": volume.format},
        ),
        volumes=(*kept, replace(record, status="ready"), replace(old, status="obsolete")),
        first=(*draft.first, *first, *(_plan.Action(name, spec.name) for name in stops)),
        replaced=(*draft.replaced, old),
        dropped=(*draft.dropped, *(item for item in begun if item != known)),
    )


def _record_volume(run: procedure.Run, action: _plan.Action) -> None:
    record = action.data
    update_metadata(run.domain(), lambda found: replace(found, volumes=(*found.volumes, record)))


def _image_disk(run: procedure.Run, action: _plan.Action) -> None:
    volume = action.data
    made: list[metadata.Volume] = []
    run.on_failure(lambda: _roll_back(run, volume, made))
    volumes.make_volume(run, volume)
    made.extend(filter(None, [made_volume(run.domain(), volume)]))


def _roll_back(run: procedure.Run, volume: storage.NewVolume, made: list[metadata.Volume]) -> bool:
    """Give the guest its old disk back, unless it runs on the new one. Return whether it has it."""
    if volumes.is_in_use(run.domain(), volume):
        return False
    run.conn.defineXMLFlags(_xml.to_text(run.observed.inactive), 0)
    for record in made:
        volumes.delete_volume(run, record)
    return True


PROCEDURE = procedure.Procedure(
    parse=parse,
    needs=needs,
    observe=observe,
    place=place,
    actions={"record_volume": _record_volume, "image_disk": _image_disk},
)
