# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests are moved, joined and made faster; what they prove stays proved."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.tests.unit.meta.collection import ROOT
from ansible_collections.kvmfleet.compute.tools import proofs

BEFORE = {"a.py": ["test_one", "test_two"], "b.yml": ["Launch"]}


def test_no_proof_is_lost():
    assert proofs.check(ROOT) == []


@pytest.mark.parametrize(
    ("now", "moves", "lost"),
    [
        (BEFORE, "", []),
        ({"a.py": ["test_one", "test_two"]}, "", ["b.yml: Launch"]),
        ({"a.py": ["test_one"], "b.yml": ["Launch"]}, "", ["a.py: test_two"]),
        ({"c.py": ["test_one", "test_two"], "b.yml": ["Launch"]}, "a.py => c.py (the package was split)", []),
        ({"c.py": ["test_one"], "b.yml": ["Launch"]}, "a.py => c.py (the package was split)", ["a.py: test_two"]),
        ({"a.py": ["test_one"], "b.yml": ["Launch"]}, "a.py: test_two => b.yml: Launch (seen there)", []),
        (
            {"a.py": ["test_one"], "b.yml": ["Launch"]},
            "a.py: test_two => b.yml: Launch it (seen there)",
            ["a.py: test_two"],
        ),
        (
            {"a.py": ["test_one"], "d.yml": ["Launch"]},
            "a.py: test_two => b.yml: Launch (seen)\nb.yml => d.yml (moved)",
            [],
        ),
    ],
)
def test_a_proof_that_is_gone_needs_a_successor(now, moves, lost):
    assert proofs.missing(BEFORE, now, proofs.successors(moves)) == lost


def test_tasks_of_included_files_are_proofs():
    found = proofs.proofs(ROOT)
    assert "Launch a guest with room to grow" in found["extensions/molecule/instances/tasks/hotplug.yml"]
    assert "Look from inside #3" in found["extensions/molecule/instances/tasks/resize.yml"]


def test_the_list_is_read_as_it_was_written():
    found = proofs.proofs(ROOT)
    assert proofs.load(proofs.dump(found)) == found
