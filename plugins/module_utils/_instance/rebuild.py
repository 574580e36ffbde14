# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Rebuild: a new root disk of an image for a guest that keeps its identity and all else. Pure.

The new volume is made beside the old one, and recorded before that as `next`, so that a run that is killed leaves nothing
that nobody knows of. With the definition that has the new volume the old one becomes `obsolete`, and is dropped once the
guest has started: until then a failure brings the guest back to its old disk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, InvalidInput, NotFound
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import power, storage
from ansible_collections.kvmfleet.compute.plugins.module_utils._plan import Action


@dataclass(frozen=True)
class RebuildFacts:
    """The root disk as it is: its volume, the path that it is based on, an overlay that is based on it, all volumes' names
    of its pool, and whether the guest has snapshots. All is None for a disk that we did not make."""

    volume: storage.VolumeFacts = None
    base: str = None
    overlay: str = None
    names: tuple = ()
    snapshots: bool = False


@dataclass(frozen=True)
class Rebuild:
    """The new root disk, how it is recorded, and the record of the one that it takes the place of."""

    volume: storage.NewVolume
    record: metadata.Volume
    old: metadata.Volume

    def records(self, volumes):
        """Return the metadata's volumes as they are to be once the guest has the new disk."""
        kept = tuple(volume for volume in volumes if volume.status != "next" and volume != self.old)
        return (*kept, replace(self.record, status="ready"), replace(self.old, status="obsolete"))

    def items(self, items):
        """Return the wanted disks with the new source of the root disk."""
        source = {"path": ("file", self.volume.path), "format": self.volume.format}
        return tuple(dict(item, **source) if item["target"] == self.volume.target else item for item in items)

    def actions(self, spec, observed):
        """Return what comes before the guest is defined with its new disk."""
        begun = self.record in observed.metadata.volumes
        first = [] if begun else [Action("record_volume", f"{self.volume.pool}/{self.volume.name}", self.record)]
        first.append(Action("image_disk", self.volume.subject, self.volume))
        hard = spec.stop.force or (spec.state == "restarted" and spec.hard_restart)
        stop = power.transitions(observed.state, "stopped", hard, discard_saved_state=spec.discard_saved_state)
        return first + [Action(name, spec.name) for name in stop]

    def moves(self, spec):
        """Return the names of the power actions once the guest is off and has its new disk."""
        return power.transitions("stopped", spec.state)


def root_record(found, inactive, target):
    """Return the metadata's record of the disk that the guest has at a target, None when we did not make it."""
    disk = inactive.find(f"devices/disk/target[@dev='{target}']/../source")
    for volume in found.volumes if found is not None and disk is not None else ():
        if volume.target == target and disk.get("file") == volume.path:
            return volume
    return None


def plan(spec, observed, targets):
    """Return the Rebuild that is due, None when there is none. Raises InvalidInput, NotFound, Conflict."""
    disk, target = next(pair for pair in targets if pair[0].option == "image")
    found, facts = observed.metadata, observed.rebuild
    if found is not None and any(volume.target == target and volume.status == "planned" for volume in found.volumes):
        return None  # an interrupted launch, which makes the disk
    old = root_record(found, observed.inactive, target)
    if old is None or facts.volume is None:
        raise Conflict(
            f"rebuild: {spec.rebuild!r} is not allowed; the disk {target} of the guest {spec.name!r} is not a file that was made for it"
        )
    image = observed.storage.images.get(spec.image)
    if image is None:
        known = ", ".join(sorted(observed.storage.known_images)) or "none"
        raise NotFound(f"image: {spec.image!r} is not in the image store; it has {known}")
    other = facts.base != image.path if facts.base else found.image != spec.image
    if not other and spec.rebuild == "changed":
        return None
    _check(spec, observed)
    return _rebuild(disk, target, old, image, found, facts)


def _check(spec, observed):
    if observed.rebuild.overlay is not None:
        raise Conflict(
            f"rebuild: the root disk of {spec.name!r} is the base of {observed.rebuild.overlay!r}, which would be lost with it"
        )
    if observed.rebuild.snapshots:
        raise Conflict(f"rebuild: the guest {spec.name!r} has snapshots, which need its root disk; delete them first")
    if spec.state == "present" and observed.active:
        raise InvalidInput.of(
            "state", "present", "a rebuild shuts the guest down: say whether it is to be running or stopped afterwards"
        )
    if spec.state == "suspended":
        raise InvalidInput.of("state", "suspended", "a guest that is rebuilt has no memory to save")


def _rebuild(disk, target, old, image, found, facts):
    size = disk.size or max(facts.volume.capacity, image.capacity)
    begun = next((volume for volume in found.volumes if volume.status == "next"), None)
    name = begun.name if begun else _next_name(old.name, facts.names)
    path = f"{facts.volume.path.rpartition('/')[0]}/{name}"
    volume = storage.NewVolume(
        target=target,
        pool=old.pool,
        name=name,
        path=path,
        format="qcow2",
        capacity=storage.capacity(replace(disk, size=size), image),
        mode="overlay",
        image=image,
    )
    return Rebuild(volume, metadata.Volume(target, old.pool, name, path, "next"), old)


def _next_name(name, taken):
    """web01-vda.qcow2 is followed by web01-vda.1.qcow2, and so on."""
    stem, number = re.fullmatch(r"(.+?)(?:\.(\d+))?\.(?:qcow2|raw)", name).groups()
    following = int(number or 0) + 1
    while f"{stem}.{following}.qcow2" in taken:
        following += 1
    return f"{stem}.{following}.qcow2"
