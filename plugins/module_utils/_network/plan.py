# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""plan: from what is wanted and what is there to every action of the run, before the first write. Pure."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, InvalidInput, NotFound
from ansible_collections.kvmfleet.compute.plugins.module_utils._network import definition
from ansible_collections.kvmfleet.compute.plugins.module_utils._plan import Action, Plan

# What a network that only lends a bridge of the host can't have: others look after it.
NOT_OF_A_BRIDGE = ("mtu", "domain", "dns", "addresses")


def plan(spec, observed):
    """Return the Plan that brings what was observed to what is wanted. Raises InvalidInput, Conflict, NotFound."""
    if spec.state == "absent":
        return _removal(spec, observed)
    if not observed.exists and spec.state == "inactive" and not spec.wanted and spec.autostart is None:
        raise NotFound(f"name: there is no network {spec.name!r} that could be inactive; give the options of a new one")
    root = _xml.parse(observed.text) if observed.exists else definition.new(spec.name)
    changed = not (observed.exists and observed.persistent) or bool(definition.differing(root, spec.wanted))
    definition.write(root, spec.wanted)
    if changed:
        _check(spec, definition.read(root), observed)
    text = _xml.to_text(root)
    autostart = _autostart(spec, observed)
    actions = [Action("define_network", spec.name, text)] if changed else []
    if autostart != observed.autostart:
        actions.append(Action("enable_autostart" if autostart else "disable_autostart", spec.name))
    power, restart_required = _power(spec, observed)
    return Plan(
        actions=(*actions, *power),
        restart_required=tuple(restart_required),
        before=_shown(observed.text, observed.live is not None, observed.autostart) if observed.exists else "",
        after=_shown(text, spec.state == "active", autostart),
    )


def _autostart(spec, observed):
    if spec.autostart is not None:
        return spec.autostart
    # A run that was killed before it came to this has left a network that is not active either.
    return observed.autostart or (spec.state == "active" and observed.live is None)


def _power(spec, observed):
    """Return the actions that start or stop the network, and the options that wait until no guest runs on it."""
    if spec.state == "inactive":
        if observed.live is None:
            return [], []
        _check_unused(spec, "stopped", observed.running)
        return [Action("stop_network", spec.name)], []
    if observed.live is None:
        return [Action("start_network", spec.name)], []
    live = _xml.parse(observed.live)
    waiting = definition.differing(live, spec.wanted)
    if not waiting:
        return [], []
    if waiting == ["addresses"]:
        updates = _updates(definition.read(live)["addresses"], spec.wanted["addresses"])
        if updates is not None:
            return updates, []
    if observed.running:
        # A network that is stopped takes the guests' interfaces off its bridge, and does not put them back.
        return [], waiting
    return [Action("stop_network", spec.name), Action("start_network", spec.name)], []


def _updates(found, wanted):
    """Return the actions that give an active network other reservations; None when more than these differ."""
    if [(subnet.address, subnet.ranges) for subnet in found] != [(subnet.address, subnet.ranges) for subnet in wanted]:
        return None
    actions = []
    for index, (before, after) in enumerate(zip(found, wanted)):
        if before.dhcp != after.dhcp:
            return None
        actions += [
            Action("remove_reservation", item.mac, (index, item))
            for item in before.reservations
            if item not in after.reservations
        ]
        actions += [
            Action("add_reservation", item.mac, (index, item))
            for item in after.reservations
            if item not in before.reservations
        ]
    return actions or None


def _removal(spec, observed):
    if not observed.exists:
        return Plan()
    _check_unused(spec, "removed", observed.guests)
    actions = [Action("stop_network", spec.name)] if observed.live is not None else []
    return Plan(
        actions=(*actions, Action("undefine_network", spec.name)),
        before=_shown(observed.text, observed.live is not None, observed.autostart),
    )


def _check_unused(spec, what, guests):
    if guests:
        raise Conflict(f"name: the network {spec.name!r} can't be {what}; guests are on it: {', '.join(guests)}")


def _check(spec, values, observed):
    """What the options are together, and beside the host's other networks. Raises InvalidInput, Conflict."""
    if values["mode"] == "bridge":
        if values["bridge"] is None and "mode" in spec.wanted:
            raise InvalidInput.of("mode", "bridge", "it needs bridge, the bridge of the host that guests are to be on")
        for option in NOT_OF_A_BRIDGE:
            if option in spec.wanted and spec.wanted[option] not in (None, ()):
                raise InvalidInput(
                    f"{option}: a network of mode bridge has none; that is the host's own bridge to have"
                )
    elif not values["addresses"] and _needs_address(values["mode"], observed):
        raise InvalidInput.of("mode", values["mode"], "it needs addresses, by which the host is the guests' gateway")
    for other in observed.neighbours:
        # A bridge that the host has may be lent out by more than one network.
        if other.bridge is not None and other.bridge == values["bridge"] and {other.mode, values["mode"]} != {"bridge"}:
            raise Conflict(f"bridge: {other.bridge!r} is the bridge of the network {other.name!r}")
        for subnet in values["addresses"]:
            clash = next(
                (address for address in other.addresses if address.network.overlaps(subnet.address.network)), None
            )
            if clash is not None:
                raise Conflict(f"addresses: {subnet.address} overlaps with {clash} of the network {other.name!r}")


def _needs_address(mode, observed):
    return mode in ("nat", "routed") or (mode == "open" and not observed.open_without_address)


def _shown(text, active, autostart):
    flags = f"active: {'yes' if active else 'no'}\nautostart: {'yes' if autostart else 'no'}\n"
    return flags + _xml.to_text(_xml.parse(text))
