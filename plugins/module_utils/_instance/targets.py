# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Which disk of a guest an item of the list means, and the device name that a new one gets. Pure.

An item means the disk that it names: by its target, else by its serial, else by where the data is. One that names none means
the disk that we made for its place in the list. Any other item is a new disk. See docs/decisions/0003-items-without-a-name.md.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.disks import (
    KIND,
    TARGET_PREFIX,
    DiskSpec,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import source

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.volumes import VolumeFacts


# A disk that the task gives, and the device name that it has or gets.
Target = tuple[DiskSpec, str]
# By (pool, name); None where there is no such volume.
Volumes = Mapping[tuple[str, str], Optional["VolumeFacts"]]


@dataclass(frozen=True)
class _Guest:
    """The guest's disks by target, what we recorded of it, the volumes by (pool, name) that the task gives, by the index of an
    item the target that versions without a record of places gave it, and the target of the root disk."""

    disks: dict[str, _xml.Element]
    record: metadata.InstanceMetadata
    volumes: Volumes
    earlier: tuple[str, ...]
    root: str | None


def assign_targets(
    disks: Sequence[DiskSpec],
    root: _xml.Element | None,
    volumes: Volumes | None = None,
    in_use: Iterable[str] = (),
    machine: str | None = None,
) -> list[Target]:
    """Return [(DiskSpec, target)]: the disk that each item means, or the next free device name for a new one.

    root: the guest's definition, None for a new guest. volumes: VolumeFacts by (pool, name), of the volumes that items give.
    in_use: further device names that a new disk can't have. machine: the machine type of a new guest.
    Raises InvalidInput when two disks have one target, Conflict when an item could mean several.
    """
    meant = [disk.target for disk in disks]
    machine = machine if root is None else _xml.get(root, "os/type/@machine")
    guest = _read(disks, root, volumes or {}, machine)
    for find in (_by_serial, _by_origin, _root_disk, _by_place, _empty_drive):
        for index, disk in enumerate(disks):
            if meant[index] is None:
                meant[index] = find(index, disk, guest, {target for target in meant if target})
    targets = _fill(disks, meant, machine, {*names(root), *in_use})
    for index, target in enumerate(targets):
        if target in targets[:index]:
            raise _errors.InvalidInput.of(
                f"{disks[index].option}.target", target, "another disk of the list has this target"
            )
    return list(zip(disks, targets))


def names(root: _xml.Element | None) -> set[str]:
    """Return the device names of the disks that a definition, None for none, has or has a record of."""
    if root is None:
        return set()
    record = metadata.read(root)
    known = {_target(element) for element in root.findall("devices/disk")}
    return known | {volume.target for volume in record.volumes} if record else known


def root_target(root: _xml.Element | None) -> str | None:
    """Return the target of a guest's root disk, its first one that is no CD-ROM or floppy; None when it has no disk."""
    disks = [] if root is None else root.findall("devices/disk")
    return next((_target(disk) for disk in disks if disk.get("device", "disk") in ("disk", "lun")), None)


def next_target(prefix: str, taken: Collection[str | None]) -> str:
    """Return the first device name with this prefix that is not taken."""
    lengths = itertools.count(1)
    letters = itertools.chain.from_iterable(itertools.product(string.ascii_lowercase, repeat=n) for n in lengths)
    return next(target for target in map(prefix.__add__, map("".join, letters)) if target not in taken)


def new_bus(disk: DiskSpec, machine: str | None) -> str:
    """Return the bus of a new disk. A CD-ROM drive can't be virtio; old machine types have IDE, the others SATA."""
    if "bus" in disk.attributes:
        return disk.attributes["bus"]
    if disk.target:
        return {"vd": "virtio", "hd": "ide"}.get(
            disk.target[:2], "scsi" if disk.attributes.get("device") != "cdrom" else "sata"
        )
    if disk.attributes.get("device") != "cdrom":
        return "virtio"
    return "ide" if machine and (machine == "pc" or machine.startswith("pc-i440fx")) else "sata"


def _read(disks: Sequence[DiskSpec], root: _xml.Element | None, volumes: Volumes, machine: str | None) -> _Guest:
    elements = [] if root is None else root.findall("devices/disk")
    record = (None if root is None else metadata.read(root)) or metadata.InstanceMetadata()
    first = root_target(root)
    # A root disk that was made for `image` is not meant by an item of `disks`.
    taken = {first} if record.image is not None and not any(disk.option == "image" for disk in disks) else set()
    earlier = () if not record.volumes else _fill(disks, [disk.target for disk in disks], machine, taken)
    known = {_target(element): element for element in elements if _target(element)}
    return _Guest(known, record, volumes, tuple(earlier), first)


def _target(element: _xml.Element) -> Any:
    # libvirt has one for every disk.
    return _xml.get(element, "target/@dev")


def _fill(
    disks: Sequence[DiskSpec], targets: Sequence[str | None], machine: str | None, taken: Iterable[str | None]
) -> list[str]:
    """Return the targets, those that are None filled with the next free device names."""
    taken = {*taken, *targets}
    filled = []
    for disk, target in zip(disks, targets):
        filled.append(target or next_target(TARGET_PREFIX[new_bus(disk, machine)], taken))
        taken.add(filled[-1])
    return filled


def _by_serial(_index: int, disk: DiskSpec, guest: _Guest, _claimed: set[str]) -> str | None:
    serial = disk.attributes.get("serial")
    found = [target for target, element in guest.disks.items() if serial and element.findtext("serial") == serial]
    if len(found) > 1:
        raise _errors.Conflict(
            f"{disk.option}.serial: {len(found)} disks of the guest have the serial {serial!r}; give a target"
        )
    return found[0] if found else None


def _by_origin(_index: int, disk: DiskSpec, guest: _Guest, claimed: set[str]) -> str | None:
    """The disk that has its data where the item says."""
    found = [target for target, element in guest.disks.items() if _has_origin(disk, element, guest)]
    free = [target for target in found if target not in claimed]
    if len(free) > 1:
        free = [target for target in free if KIND.agrees(guest.disks[target], disk.attributes)]
        if not free:
            raise _errors.Conflict(f"{disk.option}: {' and '.join(found)} of the guest have this origin; give a target")
    if not free and disk.attributes.get("device") != "cdrom":
        free = found  # only a medium can be in two drives: the second item that means the disk is refused
    return free[0] if free else None


def _has_origin(disk: DiskSpec, element: _xml.Element, guest: _Guest) -> bool:
    place = source.read(element)
    origins = {None if place is None else place.text}
    if guest.record.resize is not None and guest.record.resize.target == _target(element):
        origins.add(guest.record.resize.path)  # the disk lies on an overlay for the time being
    if disk.source is not None:
        return disk.source in origins
    if disk.volume is None or disk.creates_volume:
        return False
    volume = guest.volumes.get((disk.pool, disk.volume))
    return f"{disk.pool}/{disk.volume}" in origins or (volume is not None and volume.path in origins)


def _root_disk(index: int, disk: DiskSpec, guest: _Guest, claimed: set[str]) -> str | None:
    """The disk that `image` and `root_disk` speak of: the one that was made for them, else the first that the guest has."""
    if disk.option != "image":
        return None
    record = _recorded(index, disk, guest, claimed)
    return guest.root if record is None else record.target


def _by_place(index: int, disk: DiskSpec, guest: _Guest, claimed: set[str]) -> str | None:
    """The disk that we made for this place of the list, unless it has another serial by now. Raises Conflict."""
    record = _recorded(index, disk, guest, claimed) if disk.creates_volume else None
    if record is None:
        return None
    element = guest.disks.get(record.target)
    if element is None:
        return record.target
    if disk.attributes.get("serial") and element.findtext("serial"):
        return None
    place = source.read(element)
    if place is None or not any(place.is_volume(volume) for volume in guest.record.volumes):
        raise _errors.Conflict(
            f"{disk.option}: the guest has {place and str(place)!r} as the disk {record.target}, not the volume "
            f"{record.name!r} that was made for this item; give a target"
        )
    return record.target


def _recorded(index: int, disk: DiskSpec, guest: _Guest, claimed: set[str]) -> metadata.Volume | None:
    """Return our record of the volume that was made for an item, None when there is none."""
    records = [volume for volume in guest.record.volumes if volume.status in ("planned", "ready")]
    records = [volume for volume in records if volume.target not in claimed or disk.option == "image"]
    exact = [volume for volume in records if volume.place == disk.option]
    return next(iter(exact + [volume for volume in records if _was_listed(volume, guest.earlier[index])]), None)


def _was_listed(volume: metadata.Volume, target: str) -> bool:
    """Tell whether a volume was made for an item of `disks` that was given this target, of those without a name."""
    if volume.target != target:
        return False
    if volume.place:
        return volume.place.startswith("disks[")
    # The record of an earlier version: a config drive and a rescue disk have other names.
    return f"-{target}." in volume.name or volume.name.endswith(f"-{target}")


def _empty_drive(_index: int, disk: DiskSpec, guest: _Guest, claimed: set[str]) -> str | None:
    """A drive that needs no change, for an item that asks for a drive and says nothing of its medium."""
    if disk.attributes.get("device") != "cdrom" or disk.source is not None or disk.volume is not None:
        return None
    asked = dict(disk.attributes, path=None) if disk.ejects else disk.attributes
    drives = [target for target, element in guest.disks.items() if KIND.agrees(element, asked)]
    return next((target for target in drives if target not in claimed), None)
