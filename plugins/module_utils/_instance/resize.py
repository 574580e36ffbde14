# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Cold resize: a guest is shut down, given its new sizes and started, and what it had is kept until that is confirmed. Pure.

A root disk that grows is kept as it is: the guest runs on a larger overlay of it. To revert is to drop the overlay, to confirm
is to write it into the old disk.
"""

from __future__ import annotations

import copy
from dataclasses import replace

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets import compute
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.disks import SourceField
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.guest_devices import agent_channel
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import power, storage
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.step import Step
from ansible_collections.kvmfleet.compute.plugins.module_utils._plan import Action
from ansible_collections.kvmfleet.compute.plugins.module_utils._units import format_size

SIZES = ("vcpus", "max_vcpus", "memory", "max_memory")


def plan(spec, observed, target):
    """Return the Step of a run. Raises InvalidInput, Conflict."""
    found = observed.metadata
    pending = found.resize if found else None
    if pending is not None and not pending.settled:
        return _go_on(spec, observed, target, pending)
    if spec.resize is None:
        return Step(target, ends=pending is not None)
    if spec.resize.action != "resize":
        if pending is not None and pending.status == {"confirm": "confirmed", "revert": "reverted"}[spec.resize.action]:
            return Step(target, ends=True)
        raise Conflict(f"resize.action: there is no resize of the guest {spec.name!r} to {spec.resize.action}")
    if not observed.exists or not _differs(observed, target):
        return Step(target, ends=pending is not None)
    _check_devices(spec, observed)
    target, overlay = _begin(spec, observed, target)
    return _carry_out(spec, observed, target, overlay, boots=True, stops=_stops(spec, observed))


def root_target(root):
    """Return the target of a guest's root disk, None when it has no disk."""
    return _xml.get(root, "devices/disk[@device='disk']/target/@dev")


def volume_name(guest, target):
    return f"{guest}-{target}.resize.qcow2"


def with_disk_in_place(targets, found):
    """Return the (DiskSpec, target) pairs; a root disk that lies on an overlay for the time being is not asked where it lies."""
    pending = found.resize.target if found.resize else None
    return [
        (replace(disk, volume=None, source=None, format=None), target) if target == pending else (disk, target)
        for disk, target in targets
    ]


def reverted(root):
    """Return a definition with the sizes and the disk that it had before its resize; the overlay is obsolete then."""
    after, found = copy.deepcopy(root), metadata.read(root)
    record = found.resize
    compute.write(after, {name: int(getattr(record, name)) for name in SIZES})
    if record.target is not None:
        put_disk(after, record.target, (record.type, record.path), record.format)
    metadata.write(after, replace(settled(found, "reverted"), flavor=record.flavor))
    return after


def settled(found, status):
    """Return the metadata of a guest whose resize is confirmed or reverted: its overlay is obsolete."""
    overlay = metadata.resize_overlay(found)
    found = metadata.with_resize_status(found, status)
    return found if overlay is None else metadata.with_volume_status(found, overlay, "obsolete")


def put_disk(root, target, place, disk_format):
    """Have a disk lie at another place, a pair of its type and its path."""
    disk = root.find(f"devices/disk/target[@dev='{target}']/..")
    for chain in disk.findall("backingStore"):
        disk.remove(chain)
    SourceField().write(disk, place)
    _xml.put(disk, "driver/@type", disk_format)


def is_booted(record, live):
    """Tell whether a running guest, by its live definition, was started since its resize was recorded."""
    return live is not None and live.get("id") != record.boot


def _differs(observed, target):
    if compute.read(observed.inactive, SIZES) != compute.read(target.definition, SIZES):
        return True
    return any(name == root_target(observed.inactive) for name, _size in target.growth)


def _check_devices(spec, observed):
    """What shows that the guest is back must be there to be looked at."""
    check = spec.resize.check
    if check is None:
        return
    if check.agent and agent_channel(observed.inactive) is None:
        raise InvalidInput.of(
            "resize.check.agent", True, "the guest has no agent channel; give another check, or confirm: manual"
        )
    if check.console and observed.inactive.find("devices/serial/log") is None:
        raise InvalidInput.of("resize.check.console", check.console, "the guest's serial console has no log_file")


def _stops(spec, observed):
    return power.transitions(
        observed.state, "stopped", spec.stop.force or spec.hard_restart, False, spec.discard_saved_state
    )


def _begin(spec, observed, target):
    """Return (target, overlay): the definition with the new sizes and the record of the old ones."""
    after = copy.deepcopy(target.definition)
    before = compute.read(observed.inactive, SIZES)
    record = metadata.Resize(
        boot=observed.live.get("id") if observed.active else None,
        flavor=observed.metadata.flavor if observed.metadata else None,
        **{name: str(value) for name, value in before.items()},
    )
    found = metadata.read(after) or metadata.InstanceMetadata()
    root, overlay = root_target(observed.inactive), None
    for name, size in target.growth:
        if name == root:
            disk = observed.inactive.find(f"devices/disk/target[@dev='{root}']/..")
            place = SourceField().read(disk)
            if place is None:
                raise Conflict(
                    f"resize: the root disk {root} can't be resized with a way back, as the guest does not name it by a path of the host; "
                    f"give it in disks with target: {root} and its volume, or grow it in place, without resize"
                )
            kind, path = place
            disk_format = _xml.get(disk, "driver/@type") or "raw"
            record = replace(record, target=root, type=kind, path=path, format=disk_format, size=str(size))
            overlay = _new_overlay(spec, observed, root)
            put_disk(after, root, ("file", overlay.path), "qcow2")
            others = tuple(volume for volume in found.volumes if volume.target != overlay.target)
            found = replace(found, volumes=(*others, overlay))
    metadata.write(after, replace(found, resize=record))
    growth = tuple(item for item in target.growth if item[0] != root)
    return replace(target, definition=after, growth=growth), overlay


def _new_overlay(spec, observed, target):
    facts, name = observed.storage, volume_name(spec.name, target)
    pool = facts.root_pool
    if pool is None or pool.type in storage.BLOCK_POOLS:
        raise Conflict(
            f"resize: the root disk {target} can't be resized with a way back, as it is not in an active storage pool of files; "
            "without resize it grows in place"
        )
    known = {(volume.pool, volume.name) for volume in (observed.metadata.volumes if observed.metadata else ())}
    if facts.volumes.get((pool.name, name)) is not None and (pool.name, name) not in known:
        raise Conflict(f"resize: the volume {name!r} exists in pool {pool.name!r} and was not made for this guest")
    return metadata.Volume(f"{target}.resize", pool.name, name, f"{pool.path}/{name}", "planned")


def _go_on(spec, observed, target, pending):
    """A resize is pending: go on with it, end it, or leave it alone."""
    found = observed.metadata
    confirming = pending.status == "confirming"
    # The memory of a guest that was saved is taken for one with the new sizes.
    booted = is_booted(pending, observed.live) and (observed.active or observed.state == "suspended")
    if spec.resize is None:
        _refuse_sizes(spec, observed, target)
        return Step(target)
    if spec.resize.action == "revert":
        if confirming:
            raise Conflict(
                f"resize.action: 'revert' is not possible any more; the resize of the guest {spec.name!r} is being confirmed, "
                "which resize.action: confirm completes"
            )
        _refuse_other_changes(spec, target)
        return _way_back(spec, observed, target, booted)
    if spec.resize.action == "confirm":
        _refuse_other_changes(spec, target)
    else:
        _refuse_sizes(spec, observed, target)
        _check_devices(spec, observed)
    stops = _stops(spec, observed) if observed.active and not booted else ()
    return _carry_out(spec, observed, target, metadata.resize_overlay(found), boots=not booted, stops=stops)


def _carry_out(spec, observed, target, overlay, boots, stops):
    """Return the Step that starts the guest with its new sizes, unless it runs with them, and confirms where that is wanted."""
    record = metadata.read(target.definition).resize
    actions, moves, last = {}, None, ()
    if boots:
        moves = stops
        if overlay is not None and overlay.status == "planned":
            actions["create_volume"] = _create(record, overlay)
            moves += ("create_volume",)
        moves += ("start_resized",)
    ends = spec.resize.action == "confirm" or spec.resize.check is not None or record.status == "confirming"
    if ends:
        last = (Action("confirm_resize", spec.name, spec.resize.check), *_drop(overlay))
    found = observed.metadata.resize if observed.metadata else None
    begun = found is not None and not found.settled
    return Step(target, "define" if begun else "resize", moves, actions, last, ends)


def _create(record, overlay):
    base = storage.VolumeFacts(overlay.pool, record.path.rpartition("/")[2], record.path, record.format, 0)
    volume = storage.NewVolume(
        overlay.target, overlay.pool, overlay.name, overlay.path, "qcow2", int(record.size), "overlay", base
    )
    return Action("create_volume", volume.subject, volume)


def _drop(overlay):
    return () if overlay is None else (Action("drop_volume", f"{overlay.pool}/{overlay.name}", overlay),)


def _way_back(spec, observed, target, booted):
    overlay = metadata.resize_overlay(observed.metadata)
    stops = ()
    if booted:
        # What is on the overlay is dropped; what a guest without one has in its memory still belongs on its disk.
        stops = power.transitions(observed.state, "stopped", spec.stop.force or overlay is not None)
    starts = ("start",) if booted or not observed.active else ()
    warnings = ()
    if overlay is not None and booted:
        disk = observed.metadata.resize.target
        warnings = (f"resize: what the guest {spec.name!r} wrote to the disk {disk} since its resize is dropped",)
    return Step(
        replace(target, definition=reverted(observed.inactive)),
        moves=(*stops, "revert_resize", *starts),
        last=_drop(overlay),
        ends=True,
        warnings=warnings,
    )


def _refuse_sizes(spec, observed, target):
    if not _differs(observed, target):
        return
    before, after = (compute.read(root, SIZES) for root in (observed.inactive, target.definition))
    values = [(name, after[name]) for name in SIZES if after[name] != before[name]]
    values += [("root_disk", format_size(size)) for name, size in target.growth]
    option, value = values[0]
    if option.endswith("memory"):
        value = format_size(value * 1024)
    raise InvalidInput.of(option, value, f"a resize of the guest {spec.name!r} is pending; confirm or revert it first")


def _refuse_other_changes(spec, target):
    options = [change.option for change in target.changes]
    options += [f"disks[{volume.target}]" for volume in target.new_volumes]
    options += [f"disks[{name}].size" for name, _size in target.growth]
    if options:
        raise InvalidInput.of(
            "resize.action",
            spec.resize.action,
            f"it goes with no other change, and this task changes {', '.join(options)}",
        )
