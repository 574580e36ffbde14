# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What belongs to a module: its place in the action group, in the README, in tests on real hosts; no option untested."""

from __future__ import annotations

import ast
import functools

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


# Options that no test gives at their place, as far as can be read from its text: what a function puts together is not seen.
# To become less, never more.
UNUSED = {
    "clock.timers.frequency",
    "clock.timers.mode",
    "config_drive.ephemeral.filesystem",
    "config_drive.instance_id",
    "config_drive.network.dhcp6",
    "config_drive.network.routes.metric",
    "config_drive.network.vlans.dhcp4",
    "config_drive.network.vlans.dhcp6",
    "config_drive.network.vlans.dns_search",
    "config_drive.network.vlans.dns_servers",
    "config_drive.network.vlans.mtu",
    "config_drive.network.vlans.routes",
    "config_drive.network.vlans.routes.metric",
    "config_drive.network.vlans.routes.to",
    "config_drive.network.vlans.routes.via",
    "config_drive.ssh_keys",
    "config_drive.vendor_data",
    "config_drive.write_files.content_base64",
    "filesystems.readonly",
    "launch_security.author_key",
    "launch_security.cbitpos",
    "launch_security.dh_cert",
    "launch_security.guest_visible_workarounds",
    "launch_security.host_data",
    "launch_security.id_auth",
    "launch_security.id_block",
    "launch_security.kernel_hashes",
    "launch_security.reduced_phys_bits",
    "rescue.timeout",
    "smbios.baseboard.product",
    "smbios.baseboard.version",
    "smbios.chassis.version",
    "smbios.system.version",
}


@functools.cache
def _used():
    """Return the paths of options that tests and scenarios give, such as (disks, cache): the keys of mappings in mappings."""
    found = set()
    for path in collection.ROOT.glob("tests/unit/plugins/**/*.py"):
        tree = ast.parse(path.read_text())
        names = {
            target.id: node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            found.update(_paths(_items_of_node(node), lambda value, names=names: _mappings_of_node(value, names)))
    for path in collection.ROOT.glob("extensions/molecule/**/*.yml"):
        for value in _every(collection.load(path.read_text())):
            found.update(_paths(_items_of(value), _mappings_of))
    return found


def _paths(items, mappings, prefix=()):
    """Yield the paths of keys that begin with these (key, value); `mappings` returns the items of the mappings in a value."""
    for key, value in items:
        yield (*prefix, key)
        # Options are at most so deep.
        for below in mappings(value) if len(prefix) < 4 else ():
            yield from _paths(below, mappings, (*prefix, key))


def _items_of_node(node):
    """Return (key, value) of a dict, or of the keyword arguments of a call."""
    if isinstance(node, ast.Dict):
        return [(key.value, value) for key, value in zip(node.keys, node.values) if isinstance(key, ast.Constant)]
    return [(word.arg, word.value) for word in node.keywords if word.arg] if isinstance(node, ast.Call) else []


def _mappings_of_node(node, names):
    """Yield the items of the mappings that an expression has, a name in it taken for what its file assigns to it."""
    if isinstance(node, ast.Name):
        # Without the name itself, which may be in what is assigned to it.
        others = {name: value for name, value in names.items() if name != node.id}
        yield from _mappings_of_node(names[node.id], others) if node.id in names else ()
        return
    items = _items_of_node(node)
    if items:
        yield items
    if not isinstance(node, ast.Dict):
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.keyword):
                yield from _mappings_of_node(child, names)


def _every(value):
    yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _every(child)


def _items_of(value):
    return value.items() if isinstance(value, dict) else ()


def _mappings_of(value):
    return [_items_of(child) for child in (value if isinstance(value, list) else [value])]


@pytest.mark.parametrize("option", OPTIONS)
def test_a_test_gives_the_option_at_its_place(option):
    given = tuple(option.split(".")) in _used()
    assert given or option in UNUSED, f"no test under tests/unit/plugins and no scenario gives {option}"
    assert not (given and option in UNUSED), f"{option} is tested by now; take it out of UNUSED"
