# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Clone: a new guest with the definition and the disks of another, and an identity of its own. Pure.

It is a launch in all but what it begins with, so that a run that is killed is completed as a launch is: the volumes are
recorded as `planned` until each is complete.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import identity, metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import config_drive, storage
from ansible_collections.kvmfleet.compute.plugins.module_utils._plan import Action
from ansible_collections.kvmfleet.compute.plugins.module_utils._units import format_size


@dataclass(frozen=True)
class SourceFacts:
    """The guest that is cloned, as it is for its next boot.

    volumes: by target, of the disks that only it writes to; None for one that is no volume of an active pool. taken: the
    names of all volumes in their pools, as (pool, name). nvram: its firmware's variables are in a file of this host.
    """

    name: str
    state: str
    inactive: object
    volumes: dict
    taken: frozenset = frozenset()
    nvram: bool = False
    autostart: bool = False


@dataclass(frozen=True)
class Clone:
    """What a clone begins with: its definition (None when an interrupted run has defined it), its volumes, and the actions
    that come before it is defined."""

    definition: object
    volumes: tuple
    actions: tuple


def copied_disks(root):
    """Return the disks of a definition that a clone gets copies of: those that the guest alone writes to."""
    return [
        disk
        for disk in root.findall("devices/disk")
        if disk.get("device", "disk") in ("disk", "lun")
        and disk.find("shareable") is None
        and disk.find("readonly") is None
    ]


def plan(spec, observed, planned):
    """Return the Clone, None when its disks are there.

    planned: the targets that an interrupted run was to make. Raises Conflict, InvalidInput.
    """
    source = observed.source
    targets = [target for target in _targets(spec, source) if not observed.exists or target in planned]
    if observed.exists and not targets:
        return None  # what the interrupted run has left to do are disks of the clone's own
    _check_source(spec, source)
    volumes = tuple(_volume(spec, source, target, target in planned) for target in targets)
    actions = []
    if spec.clone_from.linked and not metadata.read(source.inactive).has_clones:
        actions.append(Action("mark_source", source.name))
    if observed.exists:
        return Clone(None, volumes, tuple(actions))
    macs = [item.get("mac") for item in spec.wanted.get("interfaces", ())]
    root = identity.of_another(source.inactive, spec.name, spec.uuid, macs)
    drive = config_drive.recorded(metadata.read(source.inactive), source.name)
    if drive:
        # What another guest is to be configured with is not for the clone.
        disk = root.find(f"devices/disk/target[@dev='{drive.target}']/..")
        disk.getparent().remove(disk)
    for volume in volumes:
        _put_volume(root, volume)
    if source.nvram:
        paths = (identity.nvram(source.inactive), identity.nvram(root))
        actions.append(Action("copy_nvram", f"{paths[0]} to {paths[1]}", paths))
    return Clone(root, volumes, tuple(actions))


def _check_source(spec, source):
    if source.state != "stopped":
        raise Conflict(f"clone_from.name: the guest {source.name!r} is {source.state}; only a stopped guest is cloned")
    found = metadata.read(source.inactive)
    if found is not None and (found.rescue or found.resize):
        what = "is rescued" if found.rescue else "is being resized"
        raise Conflict(f"clone_from.name: the guest {source.name!r} {what}; bring that to its end first")
    if spec.clone_from.linked and found is None:
        raise Conflict(
            f"clone_from.mode: the guest {source.name!r} is not managed, so that nothing would keep it from being started "
            "and spoiling the clone; adopt it first, or use mode: full"
        )
    if spec.clone_from.linked and source.autostart:
        raise Conflict(
            f"clone_from.mode: the guest {source.name!r} starts with its host, which would spoil the clone; give it autostart: false, "
            "or use mode: full"
        )


def _targets(spec, source):
    """The disks that the clone gets, but for those that the task has removed from it."""
    gone = {item["target"] for item in spec.removals.get("disks", ())}
    targets = [_xml.get(disk, "target/@dev") for disk in copied_disks(source.inactive)]
    if "disks" in spec.purge:
        listed = [target for _disk, target in storage.assign_targets(spec.disks, source.inactive)]
        gone.update(target for target in targets if target not in listed)
    return [target for target in targets if target not in gone]


def _volume(spec, source, target, replace):
    disk = source.inactive.find(f"devices/disk/target[@dev='{target}']/..")
    origin = source.volumes[target]
    if origin is None or disk.find(".//encryption") is not None:
        what = "is not a volume of an active storage pool" if origin is None else "is encrypted"
        raise Conflict(f"clone_from.name: the disk {target} of the guest {source.name!r} {what}, and can't be copied")
    linked = spec.clone_from.linked
    if linked and origin.kind != "file":
        raise Conflict(
            f"clone_from.mode: the disk {target} of the guest {source.name!r} is not a file; linked clones need files, use mode: full"
        )
    volume_format = "qcow2" if linked else origin.format
    name = storage.volume_name(spec.name, target, volume_format) if origin.kind == "file" else f"{spec.name}-{target}"
    if (origin.pool, name) in source.taken and not replace:
        raise Conflict(
            f"clone_from: the volume {name!r} exists in pool {origin.pool!r} and was not made for this guest; remove it"
        )
    return storage.NewVolume(
        target=target,
        pool=origin.pool,
        name=name,
        path=f"{origin.path.rpartition('/')[0]}/{name}",
        format=volume_format,
        capacity=_capacity(spec, source, target, origin),
        mode="overlay" if linked else "copy",
        image=origin,
    )


def _capacity(spec, source, target, origin):
    for disk, given in storage.assign_targets(spec.disks, source.inactive):
        if given != target:
            continue
        if disk.image is not None:
            raise InvalidInput.of(
                f"{disk.option}.image", disk.image, f"the disk {target} is copied from {source.name!r}"
            )
        if disk.size is not None and disk.size < origin.capacity:
            option = "root_disk" if disk.option == "image" else f"{disk.option}.size"
            has = f"the disk {target} of {source.name!r} has {format_size(origin.capacity)}; disks are never shrunk"
            raise InvalidInput.of(option, format_size(disk.size), has)
        return disk.size or origin.capacity
    return origin.capacity


def _put_volume(root, volume):
    disk = root.find(f"devices/disk/target[@dev='{volume.target}']/..")
    for tag in ("source", "backingStore"):
        _xml.drop(disk, tag)
    kind = volume.image.kind
    disk.set("type", kind)
    disk.append(_xml.element_of("source", {"dev" if kind == "block" else "file": volume.path}))
    _xml.put(disk, "driver/@type", volume.format)
