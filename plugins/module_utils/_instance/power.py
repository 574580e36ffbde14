# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Power: which actions lead from a guest's state to the wanted one, as one table."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors

STATES = ("running", "stopped", "paused", "suspended", "crashed", "sleeping")

# The power actions that boot a guest: from its definition, so that nothing of it is pending afterwards.
BOOTS = ("start", "start_paused", "start_resized", "restart")
# The power actions that have a guest go on from its saved memory.
RESTORES = ("restore", "restore_paused")
# The power actions that end a guest's run.
ENDS = ("shutdown", "power_off", "revert_resize")

# The names of actions in their order.
Moves = tuple[str, ...]

# (what to do first to have a running guest, by state). A stopped or crashed guest has no running system to wake.
WAKE: dict[str, Moves] = {
    "running": (),
    "paused": ("resume",),
    "suspended": ("restore",),
    "sleeping": ("wake",),
}


def transitions(
    current: str, wanted: str, hard_stop: bool = False, hard_restart: bool = False, discard_saved_state: bool = False
) -> Moves:
    """Return the names of the actions that lead from one state to another.

    current is one of STATES. wanted is running, rescued, stopped, restarted, paused, suspended or present.
    Raises InvalidInput for the one thing that can't be done: saving the memory of a guest that has none.
    """
    if wanted == "present":
        return ()
    prefix: Moves = ()
    if current == "suspended" and discard_saved_state:
        # Like cutting the power: the memory is dropped, and the guest boots from its disks.
        prefix, current = ("discard_saved_state",), "stopped"
    if current == "crashed" and wanted != "suspended":
        prefix, current = ("power_off",), "stopped"
    return prefix + _MOVES[wanted](current, hard_stop, hard_restart)


def _to_running(current: str, hard_stop: bool, hard_restart: bool) -> Moves:
    return ("start",) if current == "stopped" else WAKE[current]


def _to_stopped(current: str, hard_stop: bool, hard_restart: bool) -> Moves:
    if current == "stopped":
        return ()
    if hard_stop:
        return ("discard_saved_state",) if current == "suspended" else ("power_off",)
    return WAKE[current] + ("shutdown",)


def _to_restarted(current: str, hard_stop: bool, hard_restart: bool) -> Moves:
    if current == "stopped":
        return ("start",)
    if hard_restart:
        return ("discard_saved_state", "start") if current == "suspended" else ("power_off", "start")
    return WAKE[current] + ("restart",)


def _to_paused(current: str, hard_stop: bool, hard_restart: bool) -> Moves:
    if current in ("stopped", "suspended"):
        return ("restore_paused",) if current == "suspended" else ("start_paused",)
    return () if current == "paused" else WAKE[current] + ("pause",)


def _to_suspended(current: str, hard_stop: bool, hard_restart: bool) -> Moves:
    if current in ("stopped", "crashed"):
        raise _errors.InvalidInput.of(
            "state",
            "suspended",
            f"the guest is {current} and has no memory to save; it must be running, paused or sleeping",
        )
    if current == "suspended":
        return ()
    return (("wake",) if current == "sleeping" else ()) + ("suspend",)


_MOVES = {
    "running": _to_running,
    "rescued": _to_running,
    "stopped": _to_stopped,
    "restarted": _to_restarted,
    "paused": _to_paused,
    "suspended": _to_suspended,
}
