# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules of the code that no linter knows."""

from __future__ import annotations

import ast
import re

import pytest
from ansible_collections.kvmfleet.compute.tests.unit.meta import collection

PLUGINS = [path for path in collection.files() if path.startswith("plugins/") and path.endswith(".py")]
MODULE_UTILS = "plugins/module_utils/"
UNFINISHED = ("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK")
UNTESTED = ("skip" + "if", "x" + "fail", "pytest." + "skip", "mark." + "skip", "import" + "orskip")
PRETENDED = ("Magic" + "Mock", "unittest." + "mock", "moc" + "ker")


def _imports(path):
    """Return the names of all that a file imports, those of `from` imports with their module."""
    found = set()
    for node in ast.walk(ast.parse((collection.ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("path", PLUGINS)
def test_libraries_of_the_managed_host_come_through_one_guard(path):
    # Any other import would fail in a traceback where they are missing.
    libraries = {name for name in _imports(path) if name.split(".")[0] in ("libvirt", "libvirt_qemu", "lxml")}
    assert not libraries or path == f"{MODULE_UTILS}_deps.py"


@pytest.mark.parametrize(
    "path", [path for path in PLUGINS if path.startswith(MODULE_UTILS) and path.endswith(("/spec.py", "/plan.py"))]
)
def test_what_decides_does_not_know_libvirt(path):
    assert not [
        name for name in _imports(path) if name.endswith(("_deps.libvirt", "._runner")) or "._connection." in name
    ]


@pytest.mark.parametrize("path", PLUGINS)
def test_check_mode_is_looked_at_in_one_place(path):
    # Else what check mode predicts could differ from what a run does.
    tree = ast.parse((collection.ROOT / path).read_text())
    looked = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "check_mode"]
    assert not looked or path == f"{MODULE_UTILS}_runner.py"


@pytest.mark.parametrize("path", [path for path in PLUGINS if path.startswith(MODULE_UTILS)])
def test_module_utils_are_private_and_say_so(path):
    assert path.removeprefix(MODULE_UTILS).startswith("_")
    assert "PRIVATE to the collection" in (collection.ROOT / path).read_text()


@pytest.mark.parametrize("path", [path for path in collection.files() if path.endswith((".py", ".yml", ".sh"))])
def test_a_source_file_says_its_licence(path):
    head = (collection.ROOT / path).read_text().splitlines()[:4]
    assert "# SPDX-License-Identifier: GPL-3.0-or-later" in head


def test_nothing_is_left_unfinished_and_no_test_is_left_out():
    words = re.compile("|".join(rf"\b{re.escape(word)}\b" for word in (*UNFINISHED, *UNTESTED, *PRETENDED)))
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in collection.files()
        if not path.startswith("LICENSES/")
        for number, line in enumerate(_lines(path), 1)
        if words.search(line)
    ]
    assert not found


def test_no_file_knows_where_this_clone_is():
    found = [path for path in collection.files() if any(str(collection.ROOT) in line for line in _lines(path))]
    assert not found


def _lines(path):
    return (collection.ROOT / path).read_text(errors="replace").splitlines()
