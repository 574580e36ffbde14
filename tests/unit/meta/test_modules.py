# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What belongs to a module: its place in the action group, in the README, in tests on real hosts; no option untested."""

from __future__ import annotations

import re

import pytest
import yaml
from ansible_collections.kvmfleet.compute.tests.unit.meta import collection


def _text(*patterns):
    """Return the text of all files that match one of the patterns."""
    paths = {path for pattern in patterns for path in collection.ROOT.glob(pattern)}
    return "\n".join(path.read_text() for path in sorted(paths))


def test_the_action_group_has_every_module():
    groups = collection.read("meta/runtime.yml")["action_groups"]
    assert sorted(groups["compute"]) == collection.MODULES


@pytest.mark.parametrize("name", [*collection.MODULES, *collection.FILTERS, *collection.CONNECTIONS])
def test_the_readme_names_the_plugin(name):
    assert f"`{name}`" in _text("README.md")


@pytest.mark.parametrize("name", collection.FILTERS)
def test_a_scenario_uses_the_filter(name):
    assert any(f"{collection.NAME}.{name}" in str(task) for task in _scenario_tasks())


@pytest.mark.parametrize("name", collection.CONNECTIONS)
def test_a_scenario_uses_the_connection(name):
    assert f"ansible_connection: {collection.NAME}.{name}\n" in _text("extensions/molecule/**/*.yml")


@pytest.mark.parametrize("name", collection.MODULES)
def test_a_scenario_uses_the_module(name):
    used = [f"{collection.NAME}.{name}" in task for task in _scenario_tasks()]
    assert any(used), f"no scenario of molecule, nor a playbook that one runs, has a task with {collection.NAME}.{name}"


def _scenario_tasks():
    for path in sorted(collection.ROOT.glob("extensions/molecule/**/*.yml")):
        content = collection.load(path.read_text())
        if isinstance(content, list):
            yield from collection.tasks(content)
            for play in content:
                if "import_playbook" in play:
                    yield from collection.tasks(_playbook(play["import_playbook"], path.parent))


def _playbook(name, directory):
    """Return a playbook by its full name in the collection, or by its path."""
    own = name.startswith(f"{collection.NAME}.")
    path = collection.ROOT / "playbooks" / f"{name.rpartition('.')[2]}.yml" if own else directory / name
    return collection.load(path.read_text())


@pytest.mark.parametrize("name", collection.MODULES)
def test_the_module_has_tests_of_its_own(name):
    assert (collection.ROOT / f"tests/unit/plugins/modules/test_{name}.py").is_file()


def _options(documentation, prefix=""):
    for option, entry in documentation.get("options", {}).items():
        yield f"{prefix}{option}"
        yield from _options({"options": entry.get("suboptions", {})}, f"{prefix}{option}.")


OPTIONS = [
    pytest.param(option, id=f"{name}-{option}")
    for name in collection.MODULES
    for option in _options(yaml.safe_load(collection.module(name).DOCUMENTATION))
]


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_is_used_in_a_test(option):
    tests = _text("tests/unit/plugins/**/*.py", "extensions/molecule/**/*.yml")
    word = option.rpartition(".")[2]
    assert re.search(rf"\b{word}\b", tests), f"no test under tests/unit/plugins and no scenario uses {option}"
