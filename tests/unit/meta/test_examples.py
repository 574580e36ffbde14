# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples are what people copy: each has to be a call that its module accepts, under the module's full name."""

from __future__ import annotations

import re

import pytest
from ansible.playbook.block import Block
from ansible.playbook.task import Task
from ansible_collections.kvmfleet.compute.tests.unit.meta import collection

# Keys of a task that are not its action.
KEYWORDS = {*Task.fattributes, *Block.fattributes, "local_action"}
# Modules open it after they have accepted their options.
UNREACHABLE = "test:///no/such/host.xml"


def _examples():
    """Yield (where it stands, task) for each task in the plugins' documentation and in the project's pages."""
    texts = {name: [collection.module(name).EXAMPLES] for name in collection.MODULES}
    for kind, names in (("filter", collection.FILTERS), ("connection", collection.CONNECTIONS)):
        texts.update((name, [collection.plugin(kind, name).EXAMPLES]) for name in names)
    for path in collection.files():
        if path.endswith(".md"):
            texts[path] = re.findall(
                r"^```yaml\n(.*?)^```", (collection.ROOT / path).read_text(), re.DOTALL | re.MULTILINE
            )
    for where, blocks in texts.items():
        for block in blocks:
            content = collection.load(block)
            # An inventory is a mapping.
            for task in collection.tasks(content if isinstance(content, list) else ()):
                yield pytest.param(task, id=f"{where}-{task.get('name', 'unnamed')}")


EXAMPLES = list(_examples())


def _action(task):
    (action,) = set(task) - KEYWORDS
    return action


@pytest.mark.parametrize("task", EXAMPLES)
def test_an_example_has_a_name_and_names_its_module_in_full(task):
    assert task.get("name")
    assert re.fullmatch(r"\w+\.\w+\.\w+", _action(task))


def _own(templates):
    """Return the examples of the collection's modules, those whose options have templates, or the others."""
    own = [example for example in EXAMPLES if _action(example.values[0]).startswith(f"{collection.NAME}.")]
    return [example for example in own if ("{{" in str(example.values[0][_action(example.values[0])])) == templates]


@pytest.mark.parametrize("task", _own(templates=False))
def test_the_module_of_an_example_accepts_its_options(task, run_module):
    action = _action(task)
    # It refuses options first, and gets no further than to the connection here.
    result = run_module(action.rpartition(".")[2], dict(task[action] or {}, uri=UNREACHABLE))
    assert result["failed"]
    assert result["msg"].startswith(f"uri: '{UNREACHABLE}' can't be opened"), result["msg"]


@pytest.mark.parametrize("task", _own(templates=True))
def test_the_module_of_an_example_with_templates_knows_its_options(task):
    # What the values are, only a play says.
    action = _action(task)
    assert set(task[action]) <= collection.options(action.rpartition(".")[2])


@pytest.mark.parametrize("name", collection.MODULES)
def test_every_module_has_an_example_of_itself(name):
    actions = [_action(task) for task in collection.tasks(collection.load(collection.module(name).EXAMPLES))]
    assert f"{collection.NAME}.{name}" in actions
