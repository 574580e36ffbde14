# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What of a task can reach a guest while it runs, and what has to wait for its next boot. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _plan, _units
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import definition
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets import compute

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facet import Values
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import procedure


@dataclass(frozen=True)
class LivePlan:
    """unplug: the Actions before the definition is changed, change: those after it; waiting: the options left over.

    obstacles: why devices among these can't come or go while the guest runs.
    """

    unplug: tuple[_plan.Action, ...] = ()
    change: tuple[_plan.Action, ...] = ()
    waiting: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(f"{obstacle}; the change waits for the guest's next boot" for obstacle in self.obstacles)


def plan(spec: procedure.InstanceSpec, draft: procedure.Draft) -> LivePlan:
    """Return the LivePlan for a guest that runs. A device is unplugged before the definition forgets it, and plugged in
    after the definition has it: whenever a run dies, the next one sees what is missing."""
    live = copy.deepcopy(draft.observed.live)
    unplug: list[_plan.Action] = []
    change: list[_plan.Action] = []
    obstacles: list[str] = []
    if not waiting(live, spec, draft):
        return LivePlan()
    if draft.observed.hotplug:
        from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import plugging

        for kind, element in definition.remove_devices(live, draft.wanted, spec.purge, spec.removals):
            obstacle = plugging.unplug_obstacle(live, element)
            if obstacle is None:
                unplug.append(_plan.Action("detach_device", kind.subject(element), (kind, kind.label(element))))
            else:
                live.find("devices").append(element)
                obstacles.append(f"{kind.subject(element)}: {obstacle}")
        for facet in definition.FACETS:
            given = facet.given(draft.wanted)
            if facet.changes(live, given):
                change += facet.hotplug(live, given, draft.definition)
        obstacles += _plug_obstacles(live, draft)
    written = _write_live_options(live, draft.wanted)
    if written:
        change.append(_plan.Action("update_live", "{}: {}".format(spec.name, ", ".join(written)), draft.definition))
    return LivePlan(tuple(unplug), tuple(change), waiting(live, spec, draft), tuple(obstacles))


def _plug_obstacles(live: _xml.Element, draft: procedure.Draft) -> Iterator[str]:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import plugging

    for option, kind in definition.KINDS.items():
        for _at, item, element in kind.missing(live, draft.wanted.get(option, ()), draft.definition):
            obstacle = plugging.plug_obstacle(live, element)
            if obstacle is not None:
                yield f"{kind.subject(element, item)}: {obstacle}"


def _write_live_options(live: _xml.Element, wanted: Values) -> list[str]:
    """Write the options that libvirt takes for a running guest as they are; returns their names."""
    written = []
    for facet in definition.FACETS:
        given = {option: value for option, value in facet.given(wanted).items() if option in facet.live}
        if facet.changes(live, given):
            written += sorted(given)
            facet.write(live, given)
    return written


def waiting(live: _xml.Element, spec: procedure.InstanceSpec, draft: procedure.Draft) -> tuple[str, ...]:
    """Return the names of what was asked for that a live definition does not have, and gets at the next boot."""
    patched = draft.observed.live_patched
    _after, changes = definition.overlay(live, draft.wanted, spec.patches, spec.purge, spec.removals, patched)
    return tuple(change.option for change in changes)


def refuse_waiting(draft: procedure.Draft, running: LivePlan) -> NoReturn:
    """Say what a running guest can't take, when everything was to take effect at once. Raises InvalidInput."""
    options = running.waiting
    option = options[0]
    value: Any = draft.wanted.get(option)
    if option in ("memory", "vcpus"):
        limits: list[Any] = [*compute.live_range(draft.observed.live, option)]
        if option == "memory":
            value, *limits = (_units.format_size(size * 1024) for size in (value, *limits))
        allowed = "the running guest can have {} to {} with apply: live".format(*limits)
        raise _errors.InvalidInput.of(option, value, allowed)
    raise _errors.InvalidInput.of(
        "apply",
        "live",
        "{} can't be changed while the guest runs{}: use apply: restart or next_boot".format(
            ", ".join(options), " ({})".format("; ".join(running.obstacles)) if running.obstacles else ""
        ),
    )
