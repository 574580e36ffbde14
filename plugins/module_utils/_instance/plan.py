# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""plan: from what is wanted and what is there to every action of the run, before the first write. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _plan, _units, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import definition, metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets import interfaces
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import live, power, storage
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedure import Draft
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import table
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.spec import check_new_name
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.targets import assign_targets
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import source

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedure import (
        InstanceSpec,
        Observed,
        Procedure,
    )
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.storage import VolumePlan


def plan(spec: InstanceSpec, observed: Observed) -> _plan.Plan:
    """Return the Plan that brings what was observed to what is wanted.

    Raises InvalidInput, NotFound, Conflict when that can't be: nothing has been changed then.
    """
    if spec.state == "absent":
        return _removal(spec, observed)
    if not observed.exists:
        check_new_name(spec.name)
    if spec.state == "suspended" and not observed.exists:
        raise _errors.InvalidInput.of(
            "state", "suspended", f"there is no guest {spec.name!r} whose memory could be saved"
        )
    draft = _draft(spec, observed)
    _check_bootable(spec, draft)
    running, draft = _live_plan(spec, draft)
    dropped = _drop_actions(draft, running)
    actions = [*_leftover_actions(spec, observed), *_thaw_actions(spec, observed), *draft.first, *running.unplug]
    actions += dropped if draft.drops_first else []
    actions += _definition_actions(spec, draft)
    actions += [_plan.Action(volume.action, volume.subject, volume) for volume in draft.made]
    actions += [
        _plan.Action("grow_disk", f"{name} to {_units.format_size(size)}", (name, size)) for name, size in draft.growth
    ]
    actions += [*running.change, *_autostart_actions(spec, observed), *draft.power, *draft.last]
    actions += [] if draft.drops_first else dropped
    actions += draft.finish
    return _plan.Plan(
        actions=tuple(actions),
        changes=draft.changes,
        restart_required=running.waiting,
        before=_xml.redacted_text(observed.inactive),
        after=_xml.redacted_text(draft.definition),
        warnings=(*_warnings(spec, draft), *running.warnings),
    )


def _draft(spec: InstanceSpec, observed: Observed) -> Draft:
    """Return the Draft, shaped by the procedures that are due."""
    due = table.due(spec, observed.metadata)
    _check_exclusions(spec, observed, due)
    draft = Draft(observed)
    for procedure in due.values():
        draft = procedure.begin(spec, draft)
    draft = _with_definition(spec, draft)
    facts = observed.storage
    targets = assign_targets((*spec.disks, *draft.disks), draft.definition, facts.volumes, facts.in_use)
    draft = replace(draft, targets=tuple(targets))
    for procedure in due.values():
        draft = procedure.place(spec, draft)
    _check_image(spec, draft)
    draft = _overlaid(spec, _with_disks(spec, draft))
    if draft.power is None:
        draft = replace(draft, power=_power_actions(spec, draft.observed))
    for procedure in due.values():
        draft = procedure.shape(spec, draft)
    return draft


def _collision_warnings(observed: Observed, after: _xml.Element) -> tuple[str, ...]:
    """Refuse what something else has. Return the warnings of what may go on."""
    found = [collision for collision in observed.collisions if not collision.is_moot(after)]
    for collision in found:
        if collision.refused:
            raise _errors.InvalidInput.of(collision.option, collision.value, collision.words)
    return tuple(f"{collision.option}: {collision.value!r} is given, and {collision.words}" for collision in found)


def _check_exclusions(spec: InstanceSpec, observed: Observed, due: dict[str, Procedure]) -> None:
    for procedure in due.values():
        for name, reason in procedure.excludes(spec, observed).items():
            if name in spec.procedures:
                raise _errors.Conflict(f"{table.BY_NAME[name].option or name}: {reason}")


def _with_definition(spec: InstanceSpec, draft: Draft) -> Draft:
    """What the overlay begins with: the guest's definition, the one that a procedure begins with, or that of a new guest."""
    observed = draft.observed
    wanted = dict(draft.wanted, **spec.wanted)
    draft = replace(draft, volumes=observed.metadata.volumes if observed.metadata else ())
    if observed.exists:
        if spec.adopt:
            # Its disks are somebody else's: what we did not make is not recorded, and so never deleted as ours.
            wanted["managed"] = True
        return replace(draft, definition=observed.inactive, wanted=wanted)
    if draft.definition is not None:
        return replace(draft, wanted=wanted)
    _check_complete(spec)
    wanted = dict(definition.with_launch_defaults(wanted, observed.new_guest), image_name=spec.image)
    wanted.setdefault("flavor_name", None)
    root = definition.skeleton(observed.new_guest)
    if "machine" in wanted:
        # On it depends the bus of a CD-ROM drive.
        _xml.put(root, "os/type/@machine", wanted["machine"])
    return replace(draft, definition=root, wanted=wanted)


def _with_disks(spec: InstanceSpec, draft: Draft) -> Draft:
    """Decide what the disks are, which volumes are made for them, and which grow."""
    observed = draft.observed
    planned = metadata.planned(observed.metadata) - draft.kept
    items, new = storage.resolve(spec.name, draft.targets, draft.definition, planned, observed.storage)
    items = (*draft.items, *items)
    wanted = dict(draft.wanted, disks=items) if items else draft.wanted
    return replace(
        draft,
        wanted=wanted,
        items=items,
        made=(*draft.copies, *new, *draft.made),
        growth=tuple(storage.growth(draft.targets, observed.storage)),
    )


def _overlaid(spec: InstanceSpec, draft: Draft) -> Draft:
    """Overlay what is wanted onto the definition. Raises InvalidInput, Conflict."""
    wanted, observed = draft.wanted, draft.observed
    before = observed.metadata.volumes if observed.metadata else ()
    if draft.made or draft.volumes != before or not observed.exists:
        wanted = dict(wanted, volumes=_recorded(draft.volumes, draft.made))
    if spec.image is not None and any(volume.place == "image" for volume in draft.made):
        wanted = dict(wanted, image_name=spec.image)
    if "interfaces" in wanted:
        wanted = dict(wanted, interfaces=interfaces.assign_macs(wanted["interfaces"], draft.definition))
    patched = observed.patched and draft.definition is observed.inactive
    after, changes = definition.overlay(draft.definition, wanted, spec.patches, spec.purge, spec.removals, patched)
    _check_devices(spec, draft.definition, after)
    definition.check(draft.definition, after, wanted)
    warnings = (*draft.warnings, *_collision_warnings(observed, after))
    return replace(draft, definition=after, changes=changes, wanted=wanted, warnings=warnings)


def _power_actions(spec: InstanceSpec, observed: Observed) -> tuple[_plan.Action, ...]:
    current = observed.state if observed.exists else "stopped"
    discard = spec.discard_saved_state and observed.exists
    moves = power.transitions(current, spec.state, spec.stop.force, spec.hard_restart, discard)
    return tuple(_plan.Action(name, spec.name) for name in moves)


def _names(actions: Iterable[_plan.Action]) -> list[str]:
    return [action.name for action in actions]


def _changes_run(draft: Draft) -> bool:
    """Tell whether the guest boots, or goes off, in this run."""
    return any(name in power.BOOTS + power.ENDS for name in _names(draft.power))


def _drop_actions(draft: Draft, running: live.LivePlan) -> list[_plan.Action]:
    """Delete what has been replaced, and what was begun and given up; but nothing that is in use still."""
    observed, ends = draft.observed, _changes_run(draft)
    recorded = observed.metadata.volumes if observed.metadata else ()
    dropped = [volume for volume in recorded if volume.status == "obsolete" and (ends or not _in_use(observed, volume))]
    for volume in draft.replaced:
        changes = ends or not _in_use(observed, volume) or not _waits(running, volume)
        dropped += [volume] if changes and observed.state != "suspended" else []
    dropped += draft.dropped
    return [_plan.Action("drop_volume", f"{volume.pool}/{volume.name}", volume) for volume in dropped]


def _in_use(observed: Observed, volume: metadata.Volume) -> bool:
    """Tell whether the guest as it runs, or as it was saved, has a volume."""
    if observed.live is None:
        return observed.state == "suspended"
    return source.has_volume(observed.live, volume)


def _waits(running: live.LivePlan, volume: metadata.Volume) -> bool:
    return any(option.startswith(f"disks[{volume.target}]") for option in running.waiting)


def _check_devices(spec: InstanceSpec, before: _xml.Element, after: _xml.Element) -> None:
    """Refuse to take the disk away that a guest boots from, and to give two interfaces one address.

    Some have one by intent, such as a pair for failover (`teaming`): what is there already is not judged.
    """
    root_disk = before.find("devices/disk[@device='disk']/target")
    if root_disk is not None and after.find(f"devices/disk/target[@dev='{root_disk.get('dev')}']") is None:
        raise _errors.InvalidInput.of(
            "disks", root_disk.get("dev"), "it is the guest's root disk, which can't be removed from it"
        )
    had = _macs(before)
    for mac, count in _macs(after).items():
        if count > max(1, had[mac]):
            raise _errors.InvalidInput.of("interfaces.mac", mac, "two interfaces of the guest would have this address")


def _macs(root: _xml.Element) -> Counter[str]:
    return Counter(element.get("address", "").lower() for element in root.findall("devices/interface/mac"))


def _recorded(volumes: Iterable[metadata.Volume], new_volumes: Collection[VolumePlan]) -> tuple[metadata.Volume, ...]:
    """What the metadata says of our volumes: those to be made are `planned` until each is complete."""
    made = {volume.target for volume in new_volumes}
    names = {(volume.pool, volume.name) for volume in new_volumes}
    others = [volume for volume in volumes if (volume.pool, volume.name) not in names]
    kept = tuple(volume for volume in others if volume.status == "obsolete" or volume.target not in made)
    return kept + tuple(storage.record_of(volume, volumes) for volume in new_volumes)


def _check_image(spec: InstanceSpec, draft: Draft) -> None:
    """A guest of ours knows what it was made from; to name another image is not to be overlooked in silence."""
    found = draft.observed.metadata
    replaces = "image_name" in draft.wanted
    if spec.image is not None and found is not None and spec.image != found.image and not replaces:
        made_from = f"was made from {found.image!r}" if found.image else "was made without an image"
        raise _errors.InvalidInput.of(
            "image", spec.image, f"the guest {spec.name!r} {made_from}; rebuild: changed makes its root disk anew"
        )


def _check_complete(spec: InstanceSpec) -> None:
    if "memory" not in spec.wanted:
        raise _errors.InvalidInput("memory: no value is given; a new guest needs memory, or a flavor that has it")


def _check_bootable(spec: InstanceSpec, draft: Draft) -> None:
    """A guest must not boot with a network that is down or a disk that was never made."""
    observed = draft.observed
    boots = any(name in power.BOOTS for name in _names(draft.power))
    if observed.clone is not None and (boots or spec.autostart):
        raise _errors.Conflict(
            f"state: the guest {spec.name!r} can't be started, as that would spoil its linked clone {observed.clone!r}; remove the "
            "clone first"
        )
    if not boots:
        return
    for name, active in (observed.networks or {}).items():
        if not active:
            raise _errors.Conflict(
                f"interfaces.network: {name!r} is not active on this host; a guest on it can't start"
            )
    found = metadata.read(draft.definition)
    made = {volume.target for volume in draft.made}
    made |= {action.data.target for action in draft.power if action.name == "create_volume"}
    for volume in found.volumes if found else ():
        if volume.status == "planned" and volume.target not in made:
            raise _errors.Conflict(
                f"disks: an earlier launch of {spec.name!r} did not finish the disk {volume.target!r} and this task does not "
                "say how to make it; give the disks as that launch did, or remove the guest"
            )


def _warnings(spec: InstanceSpec, draft: Draft) -> tuple[str, ...]:
    """Return the warnings of the draft, and that of saved memory which the guest is to go on with and which can't be read."""
    lost = draft.observed.lost_memory
    if lost is None or not any(action.name in power.RESTORES for action in draft.power):
        return draft.warnings
    return (*draft.warnings, f"state: the saved memory of the guest {spec.name!r} can't be read: {lost}")


def _leftover_actions(spec: InstanceSpec, observed: Observed) -> list[_plan.Action]:
    """Finish a removal that was interrupted. One that did not come as far as undefining the guest is simply forgotten."""
    actions = [_plan.Action("delete_volume", f"{volume.pool}/{volume.name}", volume) for volume in observed.leftovers]
    if actions or observed.unfinished:
        actions.append(_plan.Action("finish_removal", spec.name))
    return actions


def _thaw_actions(spec: InstanceSpec, observed: Observed) -> list[_plan.Action]:
    # The agent of a guest that is paused can't be asked.
    return [_plan.Action("thaw", spec.name)] if observed.frozen and observed.state != "paused" else []


def _definition_actions(spec: InstanceSpec, draft: Draft) -> list[_plan.Action]:
    observed = draft.observed
    unchanged = observed.persistent and not draft.changes and not draft.forced
    if unchanged and draft.define == "define":
        found = observed.metadata
        begun = found is not None and found.applied == metadata.APPLYING
        return [_plan.Action("record_definition", spec.name)] if begun else []
    return [_plan.Action(draft.define, spec.name, draft.definition)]


def _autostart_actions(spec: InstanceSpec, observed: Observed) -> list[_plan.Action]:
    current = bool(observed.autostart)
    if spec.autostart is None or spec.autostart == current:
        return []
    return [_plan.Action("set_autostart" if spec.autostart else "unset_autostart", spec.name)]


def _live_plan(spec: InstanceSpec, draft: Draft) -> tuple[live.LivePlan, Draft]:
    """Return (LivePlan, draft): what reaches the running guest, and the restart that `apply: restart` adds for the rest."""
    observed = draft.observed
    if observed.live is None or _changes_run(draft):
        return live.LivePlan(), draft
    if spec.apply == "next_boot" or not observed.active:
        return live.LivePlan(waiting=live.waiting(observed.live, spec, draft)), draft
    running = live.plan(spec, draft)
    if running.waiting and spec.apply == "live":
        live.refuse_waiting(draft, running)
    if running.waiting and spec.apply == "restart" and spec.state in ("running", "present"):
        moves = power.transitions(observed.state, "restarted", spec.stop.force, spec.hard_restart)
        return live.LivePlan(), replace(draft, power=tuple(_plan.Action(name, spec.name) for name in moves))
    return running, draft


def _removal(spec: InstanceSpec, observed: Observed) -> _plan.Plan:
    if not observed.exists:
        return _plan.Plan(actions=tuple(_leftover_actions(spec, observed)))
    actions: list[_plan.Action] = []
    found = observed.metadata
    protected = found is not None and found.delete_protection
    if protected and spec.wanted.get("delete_protection") is not False:
        raise _errors.Conflict(
            f"state: the guest {spec.name!r} is protected from being removed; give delete_protection: false with state: absent to remove it"
        )
    volumes = storage.removals(observed.storage)
    actions += _thaw_actions(spec, observed)
    if observed.active:
        actions.append(_plan.Action("power_off", spec.name))
    if observed.state == "suspended":
        actions.append(_plan.Action("discard_saved_state", spec.name))
    if volumes:
        actions.append(_plan.Action("record_removal", spec.name, volumes))
    if observed.persistent:
        actions.append(_plan.Action("undefine", spec.name))
    actions += [_plan.Action("delete_volume", f"{volume.pool}/{volume.name}", volume) for volume in volumes]
    if volumes or observed.unfinished:
        actions.append(_plan.Action("finish_removal", spec.name))
    return _plan.Plan(
        actions=tuple(actions), before=_xml.redacted_text(observed.inactive), warnings=observed.storage.unproven
    )
