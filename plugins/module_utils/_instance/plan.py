# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""plan: from what is wanted and what is there to every action of the run, before the first write. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import definition, metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import live, power, storage
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.step import Step
from ansible_collections.kvmfleet.compute.plugins.module_utils._plan import Action, Plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._units import format_size

# The power actions that boot a guest: from its definition, so that nothing of it is pending afterwards.
BOOTS = ("start", "start_paused", "start_resized", "restart")
# The power actions that end a guest's run.
ENDS = ("shutdown", "power_off", "revert_resize")


@dataclass(frozen=True)
class Target:
    """What a run is to reach: the definition, what differs from the present one, and the volumes to make or to grow.

    rebuild: the rebuild.Rebuild that is due. first: the Actions that a clone needs before it is defined. drive: the
    config_drive.ConfigDrive that the guest is to have.
    """

    definition: object
    changes: tuple
    wanted: dict
    new_volumes: tuple = ()
    growth: tuple = ()
    rebuild: object = None
    first: tuple = ()
    drive: object = None


def plan(spec, observed):
    """Return the Plan that brings what was observed to what is wanted.

    Raises InvalidInput, NotFound, Conflict when that can't be: nothing has been changed then.
    """
    if spec.state == "absent":
        return _removal(spec, observed)
    if spec.state == "suspended" and not observed.exists:
        raise InvalidInput.of("state", "suspended", f"there is no guest {spec.name!r} whose memory could be saved")
    seen, stops = observed, []
    if spec.state == "rescued" or (observed.metadata and observed.metadata.rescue):
        observed, stops = _around_rescue(spec, observed)
    target = _target(spec, observed)
    if spec.state == "rescued":
        target = _rescued(spec, observed, target)
    step = _step(spec, observed, target)
    target = step.target
    moves = target.rebuild.moves(spec) if target.rebuild else _moves(spec, observed)
    moves = moves if step.moves is None else step.moves
    _check_bootable(spec, observed, target, moves)
    running, moves = _live_plan(spec, observed, target, moves)
    actions = _leftover_actions(spec, observed)
    actions += [*stops, *target.first]
    actions += running.unplug
    dropped = _drop_actions(observed, target, moves, running)
    if step.define == "resize":
        # Its overlay may get the name of one that is to be dropped.
        actions, dropped = actions + dropped, []
    if target.rebuild:
        actions += target.rebuild.actions(spec, observed)
    actions += _definition_actions(spec, observed, target, step.define, seen is not observed)
    actions += [Action(volume.action, volume.subject, volume) for volume in target.new_volumes]
    actions += [Action("grow_disk", f"{name} to {format_size(size)}", (name, size)) for name, size in target.growth]
    actions += running.change
    actions += _autostart_actions(spec, observed)
    actions += [step.actions.get(name, Action(name, spec.name)) for name in moves]
    if spec.state == "rescued" and spec.rescue.opens and any(move in BOOTS for move in moves):
        actions.append(Action("open_rescue", spec.name))
    actions += [*step.last, *dropped]
    if step.ends:
        actions.append(Action("finish_resize", spec.name))
    return Plan(
        actions=tuple(actions),
        changes=target.changes,
        restart_required=running.waiting,
        before=_xml.redacted_text(seen.inactive),
        after=_xml.redacted_text(target.definition),
        warnings=step.warnings,
    )


def _around_rescue(spec, observed):
    """Return (observed, actions): how the guest is once it is off to enter or leave its rescue, and what brings it there."""
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import rescue

    rescue.check(spec, observed)
    if rescue.is_leaving(spec, observed):
        return rescue.stopped(observed, rescue.left(observed.inactive)), rescue.stop_actions(spec, observed)
    if rescue.is_entering(spec, observed):
        return rescue.stopped(observed, observed.inactive), rescue.stop_actions(spec, observed)
    return observed, []


def _rescued(spec, observed, target):
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import rescue

    root, volume = rescue.entered(spec, observed, target.definition)
    made = target.new_volumes if volume is None else (*target.new_volumes, volume)
    return replace(target, definition=root, new_volumes=made)


def _step(spec, observed, target):
    if spec.resize is None and not (observed.metadata and observed.metadata.resize):
        return Step(target)
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import resize

    return resize.plan(spec, observed, target)


def _moves(spec, observed):
    current = observed.state if observed.exists else "stopped"
    discard = spec.discard_saved_state and observed.exists
    wanted = "running" if spec.state == "rescued" else spec.state
    return power.transitions(current, wanted, spec.stop.force, spec.hard_restart, discard)


def _drop_actions(observed, target, moves, running):
    """Delete what has been replaced, and what a rebuild that was given up had begun; but nothing that is in use still."""
    recorded = observed.metadata.volumes if observed.metadata else ()
    ends = any(move in BOOTS + ENDS for move in moves)
    dropped = [volume for volume in recorded if volume.status == "obsolete" and (ends or not _in_use(observed, volume))]
    if target.drive and target.drive.replaced:
        changes = ends or not _in_use(observed, target.drive.replaced) or not _waits(running, target.drive.replaced)
        dropped += [target.drive.replaced] if changes and observed.state != "suspended" else []
    if target.rebuild:
        dropped.append(target.rebuild.old)
    else:
        dropped += [volume for volume in recorded if volume.status == "next"]
    return [Action("drop_volume", f"{volume.pool}/{volume.name}", volume) for volume in dropped]


def _in_use(observed, volume):
    """Tell whether the guest as it runs, or as it was saved, has a volume."""
    if observed.live is None:
        return observed.state == "suspended"
    return any(volume.path in (source.get("file"), source.get("dev")) for source in observed.live.iter("source"))


def _waits(running, volume):
    return any(option.startswith(f"disks[{volume.target}]") for option in running.waiting)


def _target(spec, observed):
    found = observed.metadata or metadata.InstanceMetadata()
    _check_image(spec, observed.metadata)
    planned = {volume.target for volume in found.volumes if volume.status == "planned"}
    wanted = dict(spec.wanted)
    root = observed.inactive
    cloned = _clone(spec, observed, planned)
    copies = cloned.volumes if cloned else ()
    planned -= {volume.target for volume in copies}
    if cloned and not observed.exists:
        root = cloned.definition
    elif not observed.exists:
        _check_complete(spec)
        wanted = definition.with_launch_defaults(wanted, observed.new_guest)
        root = definition.skeleton(observed.new_guest)
    elif spec.adopt:
        # Its disks are somebody else's: what we did not make is not recorded, and so never deleted as ours.
        wanted["managed"] = True
    drive = _config_drive(spec, observed)
    targets = _targets((*spec.disks, drive.disk) if drive else spec.disks, root, found)
    items, new_volumes = storage.resolve(
        spec.name, targets, root if observed.exists or cloned else _machine_of(root, wanted), planned, observed.storage
    )
    new_volumes = (*copies, *new_volumes)
    volumes = found.volumes
    if drive:
        volumes, new_volumes = drive.records(spec, targets[-1][1], volumes, new_volumes)
    rebuilt = _rebuild(spec, observed, targets)
    if rebuilt:
        items, volumes = rebuilt.items(items), rebuilt.records(volumes)
        targets = [(disk, target) for disk, target in targets if target != rebuilt.volume.target]
    if items:
        wanted["disks"] = items
    if new_volumes or rebuilt or not observed.exists:
        wanted["volumes"] = _recorded(volumes, new_volumes)
    if spec.rebuild != "never" or not (observed.exists or cloned):
        wanted["image_name"] = spec.image
    if not (observed.exists or cloned):
        wanted.setdefault("flavor_name", None)
    after, changes = definition.overlay(root, wanted, spec.patches, spec.purge, spec.removals)
    _check_devices(spec, root, after)
    definition.check(root, after, wanted)
    return Target(
        definition=after,
        changes=changes,
        wanted=wanted,
        new_volumes=new_volumes,
        growth=tuple(storage.growth(targets, observed.storage)),
        rebuild=rebuilt,
        first=cloned.actions if cloned else (),
        drive=drive,
    )


def _config_drive(spec, observed):
    if spec.config_drive is None:
        return None
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import config_drive

    return config_drive.plan(spec, observed)


def _targets(disks, root, found):
    targets = storage.assign_targets(disks, root)
    if not found.resize:
        return targets
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import resize

    return resize.with_disk_in_place(targets, found)


def _clone(spec, observed, planned):
    if observed.source is None:
        return None
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import clone

    return clone.plan(spec, observed, planned)


def _rebuild(spec, observed, targets):
    if spec.rebuild == "never" or not observed.exists:
        return None
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import rebuild

    return rebuild.plan(spec, observed, targets)


def _check_devices(spec, before, after):
    """Refuse to take the disk away that a guest boots from, and two interfaces with one address."""
    root_disk = before.find("devices/disk[@device='disk']/target")
    if root_disk is not None and after.find(f"devices/disk/target[@dev='{root_disk.get('dev')}']") is None:
        raise InvalidInput.of(
            "disks", root_disk.get("dev"), "it is the guest's root disk, which can't be removed from it"
        )
    macs = [element.get("address") for element in after.findall("devices/interface/mac")]
    for mac in macs:
        if macs.count(mac) > 1:
            raise InvalidInput.of("interfaces.mac", mac, "two interfaces of the guest would have this address")


def _machine_of(root, wanted):
    """A new guest's definition with the machine type that was asked for, on which the bus of a CD-ROM drive depends."""
    if "machine" in wanted:
        _xml.put(root, "os/type/@machine", wanted["machine"])
    return root


def _recorded(volumes, new_volumes):
    """What the metadata says of our volumes: those to be made are `planned` until each is complete."""
    made = {volume.target for volume in new_volumes}
    kept = tuple(volume for volume in volumes if volume.status == "obsolete" or volume.target not in made)
    return kept + tuple(
        metadata.Volume(target=volume.target, pool=volume.pool, name=volume.name, path=volume.path, status="planned")
        for volume in new_volumes
    )


def _check_image(spec, found):
    """A guest of ours knows what it was made from; to name another image is not to be overlooked in silence."""
    if spec.rebuild == "never" and spec.image is not None and found is not None and spec.image != found.image:
        made_from = f"was made from {found.image!r}" if found.image else "was made without an image"
        raise InvalidInput.of(
            "image", spec.image, f"the guest {spec.name!r} {made_from}; rebuild: changed makes its root disk anew"
        )


def _check_complete(spec):
    for option in ("memory", "vcpus"):
        if option not in spec.wanted:
            raise InvalidInput(
                f"{option}: no value is given; a new guest needs memory and vcpus, or a flavor that has them"
            )


def _check_bootable(spec, observed, target, moves):
    """A guest must not boot with a network that is down or a disk that was never made."""
    boots = any(move in BOOTS for move in moves)
    if observed.clone is not None and (boots or spec.autostart):
        raise Conflict(
            f"state: the guest {spec.name!r} can't be started, as that would spoil its linked clone {observed.clone!r}; remove the "
            "clone first"
        )
    if not boots:
        return
    for name, active in (observed.networks or {}).items():
        if not active:
            raise Conflict(f"interfaces.network: {name!r} is not active on this host; a guest on it can't start")
    found = metadata.read(target.definition)
    made = {volume.target for volume in target.new_volumes}
    unmade = metadata.unmade_overlay(found)
    if unmade and "start_resized" not in moves:
        raise Conflict(
            f"resize: the resize of {spec.name!r} did not come as far as its disk {unmade}; run it again, or give "
            "resize.action: revert"
        )
    for volume in found.volumes if found and not unmade else ():
        if volume.status == "planned" and volume.target not in made:
            raise Conflict(
                f"disks: an earlier launch of {spec.name!r} did not finish the disk {volume.target!r} and this task does not "
                "say how to make it; give the disks as that launch did, or remove the guest"
            )


def _leftover_actions(spec, observed):
    """Finish a removal that was interrupted. One that did not come as far as undefining the guest is simply forgotten."""
    actions = [Action("delete_volume", f"{volume.pool}/{volume.name}", volume) for volume in observed.leftovers]
    if actions or observed.unfinished:
        actions.append(Action("finish_removal", spec.name))
    return actions


def _definition_actions(spec, observed, target, name, forced):
    if observed.exists and observed.persistent and not target.changes and name == "define" and not forced:
        return []
    return [Action(name, spec.name, target.definition)]


def _autostart_actions(spec, observed):
    current = bool(observed.autostart)
    if spec.autostart is None or spec.autostart == current:
        return []
    return [Action("set_autostart" if spec.autostart else "unset_autostart", spec.name)]


def _live_plan(spec, observed, target, moves):
    """Return (LivePlan, moves): what reaches the running guest, and the restart that `apply: restart` adds for the rest."""
    if observed.live is None or target.rebuild or any(move in BOOTS + ENDS for move in moves):
        return live.LivePlan(), moves
    if spec.apply == "next_boot" or not observed.active:
        return live.LivePlan(waiting=live.waiting(observed.live, spec, target)), moves
    running = live.plan(spec, observed, target)
    if running.waiting and spec.apply == "live":
        live.refuse_waiting(observed, target, running.waiting)
    if running.waiting and spec.apply == "restart" and spec.state in ("running", "present"):
        return live.LivePlan(), power.transitions(observed.state, "restarted", spec.stop.force, spec.hard_restart)
    return running, moves


def _removal(spec, observed):
    if not observed.exists:
        return Plan(actions=tuple(_leftover_actions(spec, observed)))
    actions = []
    found = observed.metadata
    protected = found is not None and found.delete_protection
    if protected and spec.wanted.get("delete_protection") is not False:
        raise Conflict(
            f"state: the guest {spec.name!r} is protected from being removed; give delete_protection: false with state: absent to remove it"
        )
    volumes = storage.removals(observed.storage)
    if observed.active:
        actions.append(Action("power_off", spec.name))
    if observed.state == "suspended":
        actions.append(Action("discard_saved_state", spec.name))
    if volumes:
        actions.append(Action("record_removal", spec.name, volumes))
    if observed.persistent:
        actions.append(Action("undefine", spec.name))
    actions += [Action("delete_volume", f"{volume.pool}/{volume.name}", volume) for volume in volumes]
    if volumes or observed.unfinished:
        actions.append(Action("finish_removal", spec.name))
    return Plan(actions=tuple(actions), before=_xml.redacted_text(observed.inactive))
