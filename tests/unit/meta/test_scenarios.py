# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Molecule only warns of a step whose playbook is missing, and goes on: a test that is not there would pass."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.tests.unit.meta import collection

# Steps that have no playbook, or run the one of another step.
PLAYBOOK_OF = {"idempotence": "converge", "check": "converge", "dependency": None, "syntax": "converge"}
STEPS = {"create", "destroy", "prepare", "converge", "side_effect", "verify", "cleanup"}


def _sequence(scenario):
    return collection.read(f"extensions/molecule/{scenario}/molecule.yml")["scenario"]["test_sequence"]


@pytest.mark.parametrize("scenario", collection.SCENARIOS)
def test_every_step_has_its_playbook(scenario):
    wanted = {PLAYBOOK_OF.get(step, step) for step in _sequence(scenario)} - {None}
    found = {path.stem for path in (collection.ROOT / "extensions/molecule" / scenario).glob("*.yml")}
    assert wanted <= found


@pytest.mark.parametrize("scenario", collection.SCENARIOS)
def test_every_playbook_has_its_step(scenario):
    found = {path.stem for path in (collection.ROOT / "extensions/molecule" / scenario).glob("*.yml")}
    assert found & STEPS <= set(_sequence(scenario))


@pytest.mark.parametrize("scenario", sorted(set(collection.SCENARIOS) - {"default"}))
def test_a_scenario_proves_idempotence_verifies_and_cleans_up(scenario):
    assert {"converge", "idempotence", "verify", "cleanup"} <= set(_sequence(scenario))


def test_the_lab_is_made_and_removed_by_the_default_scenario():
    assert _sequence("default") == ["create", "destroy"]
    assert collection.read("extensions/molecule/config.yml")["shared_state"] is True


def test_each_proof_on_instances_runs_on_one_host_of_debian_13_and_can_run_on_debian_12():
    plays = collection.read("extensions/molecule/instances/verify.yml")
    hosts = {"compute1": [], "compute2": [], "compute3": []}
    for task in collection.tasks(plays[-1]["tasks"]):
        if "loop" in task:
            hosts[next(host for host in hosts if host in task["when"])] += task["loop"]
    debian13 = hosts["compute1"] + hosts["compute2"]
    assert sorted(set(debian13)) == sorted(set(hosts["compute3"]))
    assert len(hosts["compute3"]) == len(set(hosts["compute3"]))
    tasks = {path.stem for path in (collection.ROOT / "extensions/molecule/instances/tasks").glob("*.yml")}
    # Placed on two hosts at once, and parts of others, and what only `make further` runs.
    assert tasks - set(debian13) == {"schedule", "capture_hook", "grow", "inject_encrypted"}
