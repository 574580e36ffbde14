# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of what a task can create: the code and the tests that it names exist."""

from __future__ import annotations

import ast

import pytest
from ansible_collections.kvmfleet.compute.tests.unit.meta import collection

COLUMNS = ["thing", "made by", "collides with", "refusal", "checked in", "test"]


def _rows():
    lines = (collection.ROOT / "docs/decisions/0002-what-a-task-can-create.md").read_text().splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    first = table.index(COLUMNS)
    return [row for row in table[first + 1 :] if len(row) == len(COLUMNS)]


ROWS = _rows()


def _has(path, name):
    """Tell whether a file has a test function, or a task, of that name."""
    if path.endswith(".py"):
        tree = ast.parse((collection.ROOT / path).read_text())
        return any(isinstance(node, ast.FunctionDef) and node.name == name for node in ast.walk(tree))
    return any(task.get("name") == name for task in collection.tasks(collection.read(path)))


def test_there_is_a_table():
    assert len(ROWS) > 20


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}, {row[2]}")
def test_what_a_row_names_exists(row):
    refusal, checked, proof = row[3:]
    assert checked.strip("`") in collection.files()
    if proof in ("open", "none"):
        assert proof == "open" or refusal == "none needed"
        return
    path, _colons, name = proof.strip("`").partition("::")
    assert not refusal.startswith("open")
    assert path in collection.files() and _has(path, name), proof
