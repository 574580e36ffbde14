# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Power transitions: every pair of states, played on a model of what each action does."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.power import STATES, transitions

# What each action needs and what it leads to, as libvirt documents them: state before -> state after.
MODEL = {
    "start": {"stopped": "running"},
    "start_paused": {"stopped": "paused"},
    "restore": {"suspended": "running"},
    "restore_paused": {"suspended": "paused"},
    "resume": {"paused": "running"},
    "wake": {"sleeping": "running"},
    "pause": {"running": "paused"},
    "suspend": {"running": "suspended", "paused": "suspended"},
    "discard_saved_state": {"suspended": "stopped"},
    "shutdown": {"running": "stopped"},
    "restart": {"running": "running"},
    "power_off": {"running": "stopped", "paused": "stopped", "crashed": "stopped", "sleeping": "stopped"},
}
WANTED = ("running", "stopped", "restarted", "paused", "suspended", "present")
REFUSED = {("stopped", "suspended"), ("crashed", "suspended")}


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize(("current", "wanted"), list(itertools.product(STATES, WANTED)))
def test_every_pair_of_states(current, wanted, hard):
    if (current, wanted) in REFUSED:
        with pytest.raises(InvalidInput, match="no memory to save"):
            transitions(current, wanted, hard_stop=hard, hard_restart=hard)
        return
    state = current
    for action in transitions(current, wanted, hard_stop=hard, hard_restart=hard):
        state = MODEL[action][state]
    assert state == {"restarted": "running", "present": current}.get(wanted, wanted)


@pytest.mark.parametrize("wanted", ["running", "stopped", "paused", "suspended", "present"])
def test_a_state_that_is_reached_needs_nothing(wanted):
    state = "running" if wanted == "present" else wanted
    assert transitions(state, wanted) == ()


@pytest.mark.parametrize("current", ["running", "paused", "suspended", "sleeping"])
def test_a_soft_restart_goes_through_the_guest(current):
    assert transitions(current, "restarted")[-1] == "restart"


@pytest.mark.parametrize("wanted", ["running", "stopped", "restarted", "paused"])
def test_saved_memory_is_kept_unless_told_otherwise(wanted):
    assert "discard_saved_state" not in transitions("suspended", wanted)
    assert transitions("suspended", wanted, discard_saved_state=True)[0] == "discard_saved_state"
