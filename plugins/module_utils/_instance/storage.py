# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Where the data of a guest's disks lies: which volumes a launch makes, and which a removal may delete. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _units, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.targets import Target, new_bus
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import source
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.source import DiskSource
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.volumes import (
    BLOCK_POOLS,
    CREATED,
    PoolFacts,
    VolumeFacts,
)

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.disks import DiskSpec


@dataclass(frozen=True)
class OwnedVolume:
    """A volume that a removal is about to delete, as the journal has it. proof: see metadata.Volume."""

    pool: str
    name: str
    path: str
    proof: str = ""


@dataclass(frozen=True)
class StorageFacts:
    """What the host has, as far as the disks of one guest touch it.

    volumes: by (pool, name), None where there is no such volume. images: by the image's name as it was asked for.
    attached: (DiskSpec, path) of the disks that exist already and the guest is to get, to write to.
    needed: by path, the words for why a disk can't be deleted, or attached as the task says. capacities: by target, of the guest's
    own disks; unwritable: the words for why such a disk can't be written to. removable: the volumes that a removal is to delete;
    unproven: the warnings of those that it leaves, since nothing proves that we have made them.
    ours: (pool, name) of the volumes to be made that an interrupted run has made already.
    in_use: device names that a new disk can't have, of the running guest or of the source of a clone.
    """

    pools: dict[str, PoolFacts] = field(default_factory=dict)
    volumes: dict[tuple[str, str], VolumeFacts | None] = field(default_factory=dict)
    images: dict[str, VolumeFacts | None] = field(default_factory=dict)
    known_pools: tuple[str, ...] = ()
    known_images: tuple[str, ...] = ()
    needed: dict[str, str | None] = field(default_factory=dict)
    attached: tuple[tuple[DiskSpec, str], ...] = ()
    capacities: dict[str, int] = field(default_factory=dict)
    unwritable: dict[str, str] = field(default_factory=dict)
    removable: tuple[VolumeFacts, ...] = ()
    unproven: tuple[str, ...] = ()
    ours: frozenset[tuple[str, str]] = frozenset()
    in_use: frozenset[str] = frozenset()


class VolumePlan(Protocol):
    """A volume that is to be made, a NewVolume or what a procedure has in its place; `action` is the one that makes it."""

    @property
    def target(self) -> str: ...

    @property
    def pool(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def place(self) -> str: ...

    @property
    def action(self) -> str: ...

    @property
    def subject(self) -> str: ...


@dataclass(frozen=True)
class NewVolume:
    """A volume that a launch makes: empty, an overlay on an image, or a full copy of it. Capacity in bytes.

    place: see metadata.Volume.
    """

    target: str
    pool: str
    name: str
    path: str
    format: str
    capacity: int
    mode: str = "empty"
    image: VolumeFacts | None = None
    place: str = ""

    action = "create_volume"

    @property
    def subject(self) -> str:
        made_of = {"empty": "empty", "overlay": "overlay of", "copy": "copy of"}[self.mode]
        origin = f" {self.image.name}" if self.image else ""
        return f"{self.pool}/{self.name} ({made_of}{origin}, {_units.format_size(self.capacity)})"


def record_of(volume: VolumePlan, recorded: Iterable[metadata.Volume] = ()) -> metadata.Volume:
    """Return the record of a volume that is yet to be made; the one that we have made under its name goes for it."""
    same = (record for record in recorded if record.is_made and metadata.is_same(record, volume))
    proof = next((record.proof or CREATED for record in same), "")
    return metadata.Volume(volume.target, volume.pool, volume.name, volume.path, "planned", volume.place, proof)


def volume_name(guest: str, target: str, volume_format: str) -> str:
    return f"{guest}-{target}.{volume_format}"


def resolve(
    guest: str, targets: Iterable[Target], root: _xml.Element, planned: Collection[str], facts: StorageFacts
) -> tuple[tuple[facet.Values, ...], tuple[NewVolume, ...]]:
    """Return (disks, new volumes) for [(DiskSpec, target)]: the wanted values of the disks facet, and what must be made.

    `root` is the definition so far (None for a new guest); `planned` are the targets whose volumes an earlier launch
    recorded but did not finish. Raises InvalidInput, NotFound, Conflict.
    """
    machine = None if root is None else _xml.get(root, "os/type/@machine")
    items, new = [], []
    for disk, target in targets:
        element = None if root is None else root.find(f"devices/disk/target[@dev='{target}']/..")
        item = dict(disk.attributes, target=target)
        need = facts.unwritable.get(target)
        if need is not None and makes_writable(disk, element):
            raise _errors.Conflict(f"{disk.option}.readonly: False is not allowed; the disk {target} is {need}")
        if element is None:
            item.setdefault("bus", new_bus(disk, machine))
            item.setdefault("device", "disk")
        else:
            _check_kind(disk, target, element)
        if (element is None or target in planned) and disk.creates_volume:
            volume = new_volume(guest, disk, target, facts)
            key = (volume.pool, volume.name)
            if facts.volumes[key] is not None and key not in facts.ours:
                raise _errors.Conflict(
                    f"{disk.option}: the volume {volume.name!r} exists in pool {volume.pool!r} and was not made for this guest; "
                    "give it as volume to use it as it is, or remove it"
                )
            new.append(volume)
            item.update(path=DiskSource(_kind(facts.pools[volume.pool]), path=volume.path), format=volume.format)
        elif disk.volume is not None or disk.source is not None:
            item.update(_existing(disk, element, facts))
        elif disk.ejects and (item.get("device") if element is None else element.get("device")) != "cdrom":
            raise _errors.InvalidInput.of(f"{disk.option}.source", "", "only a CD-ROM drive can be empty")
        elif element is None and item["device"] == "cdrom":
            item["format"] = "raw"
        elif disk.ejects:
            item["path"] = None
        elif element is None:
            name = "target" if disk.target else "serial"
            raise _errors.InvalidInput.of(
                f"{disk.option}.{name}",
                target if disk.target else disk.attributes["serial"],
                "the guest has no such disk, and neither image, size, volume nor source says what to make",
            )
        items.append(item)
    return tuple(items), tuple(new)


def _check_kind(disk: DiskSpec, target: str, element: _xml.Element) -> None:
    """Refuse to make another device of a disk that the guest has. Raises InvalidInput."""
    given = dict(disk.attributes, **({"format": disk.format} if disk.format and not disk.creates_volume else {}))
    for option, path in (
        ("device", "@device"),
        ("bus", "target/@bus"),
        ("format", "driver/@type"),
        ("serial", "serial"),
    ):
        current = _xml.get(element, path) or {"device": "disk"}.get(option)
        if option not in given or current in (None, given[option]) or (disk.target and option != "device"):
            continue
        allowed = f"the item means the disk {target} of the guest, whose {option} is {current!r}"
        if option != "device":
            allowed += f"; give target: {target} to change it"
        raise _errors.InvalidInput.of(f"{disk.option}.{option}", given[option], allowed)


def makes_writable(disk: DiskSpec, element: _xml.Element | None) -> bool:
    """Tell whether a task has a guest write to a disk that it only reads so far; element: the disk in its definition, if it has it."""
    return disk.attributes.get("readonly") is False and element is not None and element.find("readonly") is not None


def _kind(pool: PoolFacts) -> str:
    return "block" if pool.type in BLOCK_POOLS else "file"


def _pool(option: str, name: str, facts: StorageFacts) -> PoolFacts:
    if name not in facts.pools:
        raise _errors.NotFound(
            f"{option}: {name!r} is not an active storage pool of this host; active pools are {_listed(facts.known_pools)}"
        )
    return facts.pools[name]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def new_volume(guest: str, disk: DiskSpec, target: str, facts: StorageFacts) -> NewVolume:
    """Return the NewVolume of a disk. Raises InvalidInput, NotFound, Conflict."""
    pool = _pool(f"{disk.option}.pool" if disk.option != "image" else "pool", disk.pool, facts)
    image = _image(disk, facts)
    block = _kind(pool) == "block"
    volume_format = disk.format or ("raw" if block else "qcow2")
    mode = "empty" if image is None else disk.image_mode
    if mode == "overlay" and volume_format != "qcow2":
        raise _errors.InvalidInput.of(
            f"{disk.option}.format", volume_format, "an overlay on an image is qcow2; use image_mode copy for raw"
        )
    name = disk.volume or (f"{guest}-{target}" if block else volume_name(guest, target, volume_format))
    if (disk.pool, name) not in facts.volumes:
        # What was not looked for could be there, and would be overwritten.
        raise _errors.Conflict(
            f"{disk.option}: it can't be told which disk of the guest this item means; give a target"
        )
    return NewVolume(
        target=target,
        pool=disk.pool,
        name=name,
        path=f"{pool.path}/{name}",
        format=volume_format,
        capacity=capacity(disk, image),
        mode=mode,
        image=image,
        place=disk.option,
    )


def _image(disk: DiskSpec, facts: StorageFacts) -> VolumeFacts | None:
    if disk.image is None:
        return None
    image = facts.images.get(disk.image)
    if image is None:
        option = "image" if disk.option == "image" else f"{disk.option}.image"
        raise _errors.NotFound(
            f"{option}: {disk.image!r} is not in the image store; it has {_listed(facts.known_images)}"
        )
    return image


def capacity(disk: DiskSpec, image: VolumeFacts | None) -> int:
    """Return the bytes of a new volume. Raises InvalidInput when it is to be smaller than its image."""
    if image is None:
        return disk.size  # type: ignore[return-value]  # there for a volume that is made of no image
    if disk.size is not None and disk.size < image.capacity:
        option = "root_disk" if disk.option == "image" else f"{disk.option}.size"
        raise _errors.InvalidInput.of(
            option,
            _units.format_size(disk.size),
            f"the image {disk.image} needs at least {_units.format_size(image.capacity)}",
        )
    return disk.size or image.capacity


def _existing(disk: DiskSpec, element: _xml.Element | None, facts: StorageFacts) -> facet.Values:
    """The source and format of a disk that exists already; refuses to put another one in a disk's place."""
    if disk.volume is not None:
        _pool(f"{disk.option}.pool", disk.pool, facts)
        volume = facts.volumes.get((disk.pool, disk.volume))
        if volume is None:
            raise _errors.NotFound(f"{disk.option}.volume: {disk.volume!r} is not in pool {disk.pool!r}")
        path, wanted = volume.path, DiskSource(volume.kind, path=volume.path)
        option, value, volume_format = f"{disk.option}.volume", disk.volume, disk.format or volume.format
    else:
        path = str(disk.source)
        wanted = source.at_path(path)
        option, value, volume_format = f"{disk.option}.source", path, disk.format or _format_by_name(path)
    need = facts.needed.get(path)
    if need is not None and element is None:
        raise _errors.Conflict(
            f"{option}: {value!r} is {need}; readonly: true attaches it without writing to it, and guests can share a disk with "
            "shareable: true"
        )
    current = None if element is None else source.read(element)
    is_same = current is not None and current.text in (path, f"{disk.pool}/{disk.volume}")
    if current is not None and is_same and (disk.target is None or current.path == path):
        # The guest has it already, and knows its format: a name does not tell it.
        known_format = disk.format or _xml.get(element, "driver/@type")
        return {"path": current, "format": known_format} if known_format else {"path": current}
    is_fixed = element is not None and element.get("device", "disk") != "cdrom" and not disk.replaces
    if is_fixed and current is not None and not is_same:
        raise _errors.Conflict(
            f"{option}: the guest has {str(current)!r} as this disk, not {path!r}; a disk is not replaced in place: detach it first"
        )
    return {
        "path": wanted,
        "format": "raw" if disk.attributes.get("device") == "cdrom" and disk.format is None else volume_format,
    }


def _format_by_name(path: str) -> str:
    """Never probe: what a guest writes into a raw disk could look like another format."""
    return "qcow2" if path.endswith(".qcow2") else "raw"


def growth(targets: Iterable[Target], facts: StorageFacts) -> list[tuple[str, int]]:
    """Return [(target, bytes)] of the guest's disks that are to be larger than they are.

    Raises InvalidInput when one is to be smaller: disks are never shrunk. Raises Conflict when something else needs it as it is.
    """
    found = []
    for disk, target in targets:
        current = facts.capacities.get(target)
        if disk.size is None or current is None:
            continue
        option = "root_disk" if disk.option == "image" else f"{disk.option}.size"
        if disk.size < current:
            raise _errors.InvalidInput.of(
                option,
                _units.format_size(disk.size),
                f"the disk {target} has {_units.format_size(current)}; disks are never shrunk",
            )
        need = facts.unwritable.get(target)
        if disk.size > current and need is not None:
            raise _errors.Conflict(
                f"{option}: {_units.format_size(disk.size)!r} is not allowed; the disk {target} can't grow, since it is {need}"
            )
        if disk.size > current:
            found.append((target, disk.size))
    return found


def removal_candidates(
    mode: str, root: _xml.Element, recorded: Iterable[metadata.Volume]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Return (names, paths) of what remove_storage covers: (pool, volume) of owned volumes, and paths of disks.

    Only disks that the guest alone writes to are covered: never a CD-ROM, a shared or a read-only disk, nor a backing file, nor
    what is where an interrupted run was to make a disk and is not known to have made it.
    """
    if mode == "none":
        return [], []
    names = [(volume.pool, volume.name) for volume in recorded if volume.is_made]
    unproven = [volume for volume in recorded if not volume.is_made]
    paths = []
    if mode == "all":
        for disk in root.findall("devices/disk"):
            kept = disk.find("shareable") is not None or disk.find("readonly") is not None
            place = source.read(disk)
            if place is None or disk.get("device", "disk") != "disk" or kept or any(map(place.is_volume, unproven)):
                continue
            if place.type in ("file", "block") and place.path:
                paths.append(place.path)
            elif place.pool and place.volume:
                names.append((place.pool, place.volume))
    return names, paths


def removals(facts: StorageFacts) -> tuple[VolumeFacts, ...]:
    """Return the volumes that a removal deletes. Raises Conflict when something else still needs one of them."""
    for volume in facts.removable:
        need = facts.needed.get(volume.path)
        if need is not None:
            raise _errors.Conflict(
                f"remove_storage: the volume {volume.name!r} is {need}; remove_storage: none keeps all volumes"
            )
    return facts.removable
