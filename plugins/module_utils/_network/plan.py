# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""plan: from what is wanted and what is there to every action of the run, before the first write. Pure."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _plan, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._network import definition
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.spec import check_new_name

# What a network that only lends a bridge of the host can't have: others look after it.
NOT_OF_A_BRIDGE = ("mtu", "domain", "dns", "addresses")


def plan(spec, observed):
    """Return the Plan that brings what was observed to what is wanted. Raises InvalidInput, Conflict, NotFound."""
    if spec.state == "absent":
        return _removal(spec, observed)
    if not observed.exists:
        check_new_name(spec.name)
    if not observed.exists and spec.state == "inactive" and not spec.wanted and spec.autostart is None:
        raise _errors.NotFound(
            f"name: there is no network {spec.name!r} that could be inactive; give the options of a new one"
        )
    root = _xml.parse(observed.text) if observed.exists else definition.new(spec.name)
    mode = spec.wanted.get("mode", definition.Mode.read(root))
    if spec.wanted.get("nat_ipv6") and mode != "nat":
        raise _errors.InvalidInput.of("nat_ipv6", True, f"the mode is {mode}; only mode nat translates addresses")
    before = definition.read(root)
    changed = not (observed.exists and observed.persistent) or bool(definition.differing(root, spec.wanted))
    definition.write(root, spec.wanted)
    if changed:
        _check(spec, before, definition.read(root), observed)
    text = _xml.to_text(root)
    autostart = _autostart(spec, observed)
    actions = [_plan.Action("define_network", spec.name, text)] if changed else []
    power, restart_required = _power(spec, observed)
    actions += power
    # After a start that worked: what does not start now must not be tried at each boot.
    # Once more where a run was killed just after it, so that what is written down of it goes.
    if autostart != observed.autostart or observed.autostart_due:
        actions.append(_plan.Action("enable_autostart" if autostart else "disable_autostart", spec.name))
    makes = observed.host is not None and (changed or any(action.name == "start_network" for action in power))
    return _plan.Plan(
        actions=tuple(actions),
        restart_required=tuple(restart_required),
        warnings=_check_host(root, observed) if makes else (),
        before=_shown(observed.text, observed.live is not None, observed.autostart) if observed.exists else "",
        after=_shown(text, spec.state == "active", autostart),
    )


def _autostart(spec, observed):
    if spec.autostart is not None:
        return spec.autostart
    # A run that was killed before it came to this has left a network that is not active either, or has written down what is due.
    return observed.autostart or (spec.state == "active" and (observed.live is None or observed.autostart_due))


def _power(spec, observed):
    """Return the actions that start or stop the network, and the options that wait until no guest runs on it."""
    if spec.state == "inactive":
        if observed.live is None:
            return [], []
        _check_unused(spec, "stopped", observed.running)
        return [_plan.Action("stop_network", spec.name)], []
    if observed.live is None:
        start = {"is_new": not observed.exists, "autostart": _autostart(spec, observed) and not observed.autostart}
        return [_plan.Action("start_network", spec.name, start)], []
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
    return [_plan.Action("stop_network", spec.name), _plan.Action("start_network", spec.name)], []


def _updates(found, wanted):
    """Return the actions that give an active network other reservations; None when more than these differ."""
    if [(subnet.address, subnet.ranges) for subnet in found] != [(subnet.address, subnet.ranges) for subnet in wanted]:
        return None
    actions = []
    for index, (before, after) in enumerate(zip(found, wanted)):
        if before.dhcp != after.dhcp:
            return None
        actions += [
            _plan.Action("remove_reservation", item.mac, (index, item))
            for item in before.reservations
            if item not in after.reservations
        ]
        actions += [
            _plan.Action("add_reservation", item.mac, (index, item))
            for item in after.reservations
            if item not in before.reservations
        ]
    return actions or None


def _removal(spec, observed):
    if not observed.exists:
        return _plan.Plan()
    _check_unused(spec, "removed", observed.guests)
    actions = [_plan.Action("stop_network", spec.name)] if observed.live is not None else []
    return _plan.Plan(
        actions=(*actions, _plan.Action("undefine_network", spec.name)),
        before=_shown(observed.text, observed.live is not None, observed.autostart),
    )


def _check_unused(spec, what, guests):
    if guests:
        raise _errors.Conflict(
            f"name: the network {spec.name!r} can't be {what}; guests are on it: {', '.join(guests)}"
        )


def _check(spec, before, values, observed):
    """What the options are together, and beside the host's other networks, as far as the task changes it.

    before: the values of the definition that is changed. Raises InvalidInput, Conflict.
    """
    if observed.exists and all(before[option] == values[option] for option in ("mode", "bridge", "addresses")):
        return
    if observed.exists and before["mode"] != values["mode"] and "bridge" in (before["mode"], values["mode"]):
        # The one is a bridge of the host's, the other all that libvirt makes. Guests on it would lose their network.
        raise _errors.InvalidInput.of(
            "mode",
            values["mode"],
            f"the network {spec.name!r} has the mode {before['mode']}; remove it first with state: absent, or take another name",
        )
    if values["mode"] == "bridge":
        if values["bridge"] is None and "mode" in spec.wanted:
            raise _errors.InvalidInput.of(
                "mode", "bridge", "it needs bridge, the bridge of the host that guests are to be on"
            )
        for option in NOT_OF_A_BRIDGE:
            if option in spec.wanted and spec.wanted[option] not in (None, ()):
                raise _errors.InvalidInput(
                    f"{option}: a network of mode bridge has none; that is the host's own bridge to have"
                )
    elif not values["addresses"] and _needs_address(values["mode"], observed):
        raise _errors.InvalidInput.of(
            "mode", values["mode"], "it needs addresses, by which the host is the guests' gateway"
        )
    for other in observed.neighbours:
        # A bridge that the host has may be lent out by more than one network.
        changed = not observed.exists or any(before[option] != values[option] for option in ("mode", "bridge"))
        same_bridge = other.bridge is not None and other.bridge == values["bridge"]
        if changed and same_bridge and {other.mode, values["mode"]} != {"bridge"}:
            raise _errors.Conflict(f"bridge: {other.bridge!r} is the bridge of the network {other.name!r}")
        for subnet in values["addresses"]:
            if observed.exists and subnet in before["addresses"]:
                continue
            clash = next(
                (address for address in other.addresses if address.network.overlaps(subnet.address.network)), None
            )
            if clash is not None:
                raise _errors.Conflict(
                    f"addresses: {subnet.address} overlaps with {clash} of the network {other.name!r}"
                )


def _check_host(root, observed):
    """Refuse to take from the host what it has. Return the warnings about what can't be seen. Raises Conflict.

    What the active network has already is not judged again.
    """
    values, host = definition.read(root), observed.host
    live = definition.read(_xml.parse(observed.live)) if observed.live is not None else None
    own = live["bridge"] if live is not None and live["mode"] != "bridge" else None
    interfaces = [item for item in host.interfaces if own not in item.names]
    found = next((item for item in interfaces if values["bridge"] in item.names), None)
    if values["mode"] == "bridge":
        # An Open vSwitch bridge is a device of another kind.
        if root.find("virtualport") is None and (live is None or live["bridge"] != values["bridge"]) and host.complete:
            _check_bridge(values["bridge"], found)
        return ()
    if found is not None:
        # libvirt 11.3 deletes that interface when it can't make its own; libvirt 9.0 only fails.
        other_way = ", or mode bridge to put guests on that bridge" if found.kind == "bridge" else ""
        raise _errors.Conflict(
            f"bridge: {values['bridge']!r} is not allowed; the host has an interface of this name; "
            f"choose another name{other_way}"
        )
    for subnet in values["addresses"]:
        if live is None or subnet.address not in [other.address for other in live["addresses"]]:
            routes = [route for route in host.routes if own is None or route.interface != own]
            _check_subnet(subnet.address, interfaces, routes)
    if host.complete:
        return ()
    return (
        "uri: this connection does not show all interfaces, addresses and routes of the host; make sure that the host has none that "
        f"the network {root.findtext('name')!r} is to have, or run the task on the host itself",
    )


def _check_bridge(bridge, found):
    """A network of mode bridge needs a bridge of the host. Without it, it starts all the same, and guests on it don't."""
    if bridge is not None and (found is None or found.kind != "bridge"):
        has = "no interface of this name" if found is None else "an interface of this name that is not a bridge"
        raise _errors.Conflict(
            f"bridge: {bridge!r} is not allowed; the host has {has}; with mode bridge it must have the bridge"
        )


def _check_subnet(address, interfaces, routes):
    for interface in interfaces:
        for other in interface.addresses:
            if other.network.overlaps(address.network):
                raise _errors.Conflict(
                    f"addresses: {str(address)!r} is not allowed; it overlaps with {other} of the host's interface {interface.names[0]!r}"
                )
    for route in routes:
        # libvirt refuses the same (networkCheckRouteCollision). A wider route gives way to the network, a narrower one is kept.
        if route.network == address.network:
            by = f" by the interface {route.interface!r}" if route.interface else ""
            raise _errors.Conflict(
                f"addresses: {str(address)!r} is not allowed; the host has a route to {route.network}{by}"
            )


def _needs_address(mode, observed):
    return mode in ("nat", "routed") or (mode == "open" and not observed.open_without_address)


def _shown(text, active, autostart):
    flags = f"active: {'yes' if active else 'no'}\nautostart: {'yes' if autostart else 'no'}\n"
    return flags + _xml.to_text(_xml.parse(text))
