# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The structure of module_utils: floors, no circles, no package that outgrows the others, pure functions that stay pure."""

from __future__ import annotations

import re

import pytest
from ansible_collections.kvmfleet.compute.tests.unit.meta import collection, structure

FLOOR = {name: number for number, floor in enumerate(structure.FLOORS) for name in floor}
# What knows a host: a pure module reaches none of it, not by any way.
IMPURE = ("_connection", "_events", "_optional", "_journal", "_lock", "_runner")


def _is_pure(name):
    doc = structure.ast.get_docstring(structure.tree(name)) or ""
    return name.endswith((".spec", ".plan")) or " Pure." in doc


PURE = [name for name in structure.paths() if _is_pure(name)]


def test_every_package_has_its_floor():
    assert {structure.package(name) for name in structure.paths()} == set(FLOOR)


@pytest.mark.parametrize("name", sorted(FLOOR))
def test_a_package_imports_from_lower_floors_alone(name):
    assert [other for other in sorted(structure.neighbours(name)) if FLOOR[other] >= FLOOR[name]] == []


def test_no_modules_import_each_other():
    assert structure.circles() == set()


def test_no_package_has_more_than_a_quarter_of_the_code():
    too_big = {name: f"{share:.1%}" for name, (_size, share) in structure.shares().items() if share > 0.25}
    assert too_big == {}


def test_the_architecture_page_names_every_package():
    page = (collection.ROOT / "docs/architecture.md").read_text()
    assert [name for name in FLOOR if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", PURE)
def test_what_is_pure_reaches_no_host(name):
    # Procedures read and write, too; that they plan without a host is seen when they run (test_runs.no_host).
    ways = structure.reached(name, besides="_instance.procedures.table") | {name}
    assert sorted(ways.intersection(IMPURE)) == []
    assert [module for module in sorted(ways) if ("_deps", "libvirt") in structure.imports(module)] == []


def _files_to_open():
    page = (collection.ROOT / "docs/architecture.md").read_text()
    table = page.split("## Which file to open", 1)[1].split("What is to come", 1)[0]
    return [row.split("|")[2:4] for row in table.splitlines() if row.startswith("| ") and "`" in row]


@pytest.mark.parametrize(("files", "names"), _files_to_open())
def test_the_architecture_page_names_files_that_are_there(files, names):
    paths = [collection.ROOT / path for path in re.findall("`([^`]+)`", files)]
    assert paths and all(path.exists() for path in paths)
    text = "\n".join(file.read_text() for path in paths for file in ([path] if path.is_file() else path.glob("*.py")))
    missing = [name for name in re.findall(r"`(\w+)`", names) if not re.search(rf"\b{name}\b", text)]
    assert missing == []
