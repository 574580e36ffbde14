# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The structure of plugins/module_utils as its imports draw it, those in functions included.

Run as a program, it prints the picture: the floors, what each package imports, and each package's share of the code.
"""

from __future__ import annotations

import ast
import functools
import io
import subprocess
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3] / "plugins/module_utils"
PREFIX = "ansible_collections.kvmfleet.compute.plugins.module_utils"
# From the ground up. A package imports from the floors below its own alone; a file beside the packages counts as one.
FLOORS = (
    ("_errors", "_plan", "_temporary", "_typed_params"),
    ("_deps", "_inet", "_journal", "_lock", "_match", "_names", "_params", "_units"),
    ("_connection", "_events", "_firstboot", "_openstack", "_optional", "_xml"),
    ("_execute", "_field", "_runner", "_storage", "_validation_process"),
    ("_network", "_ranges", "_validation"),
    ("_domain",),
    ("_crash_dump", "_guest", "_host", "_image", "_placement"),
    ("_inject", "_instance", "_upload"),
    ("_inventory",),
)
_NO_OP = """
import contextlib, importlib, io, json, sys
from ansible.module_utils.testing import patch_module_args
module = importlib.import_module("ansible_collections.kvmfleet.compute.plugins.modules.vm_instance")
output = io.StringIO()
task = {"name": "test", "state": "present", "uri": "test:///default"}
with patch_module_args(task), contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
    module.main()
assert json.loads(output.getvalue())["changed"] is False
for name, loaded in sorted(sys.modules.items()):
    if ".kvmfleet.compute.plugins.module_utils." in name and getattr(loaded, "__file__", None):
        print(name.partition("module_utils.")[2])
"""
_NO_CODE = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
)


def package(name):
    """Return the package of a module, such as _domain of _domain.facets.disks."""
    return name.partition(".")[0]


@functools.cache
def paths():
    """Return {module: path}."""
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sorted(ROOT.rglob("*.py"))}


@functools.cache
def tree(name):
    return ast.parse(paths()[name].read_text(encoding="utf-8"))


@functools.cache
def imports(name):
    """Return {(module, name)} of what a module imports from others of module_utils; the name is None for all of a module."""
    return frozenset(_imports(tree(name)))


def packed(path):
    """Return the modules of module_utils that Ansible packs with a module of Ansible, the file of which is given."""
    direct = {module for module, _name in _imports(ast.parse(path.read_text(encoding="utf-8")))}
    return direct.union(*map(reached, direct))


def loaded():
    """Return the modules that a vm_instance with nothing to change imports, and how many lines each has."""
    done = subprocess.run([sys.executable, "-c", _NO_OP], capture_output=True, text=True, check=True)
    return {name: len(paths()[name].read_text(encoding="utf-8").splitlines()) for name in done.stdout.split()}


def looked_up(path):
    """Return how many imported names Ansible looks up as files, for the module of Ansible in `path` and what it packs."""
    trees = [ast.parse(path.read_text(encoding="utf-8")), *map(tree, packed(path))]
    return sum(name is not None for root in trees for _module, name in _imports(root))


def _imports(root):
    found = set()
    for node in ast.walk(root):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PREFIX):
            base = node.module[len(PREFIX) :].lstrip(".")
            for alias in node.names:
                whole = f"{base}.{alias.name}".lstrip(".")
                found.add((whole, None) if whole in paths() else (base, alias.name))
    return found


def imported(name):
    return {module for module, _name in imports(name)}


@functools.cache
def reached(name, besides=None):
    """Return every module that is loaded when all that a module imports is, and so on.

    besides: a module whose imports are not followed, such as a table of what is loaded where it is due.
    """
    found, waiting = set(), [name]
    while waiting:
        module = waiting.pop()
        new = imported(module) - found if module != besides else ()
        found.update(new)
        waiting.extend(new)
    return frozenset(found)


def circles():
    """Return the sets of modules that import each other."""
    return {
        frozenset(other for other in reached(name) if name in reached(other))
        for name in paths()
        if name in reached(name)
    }


@functools.cache
def lines(name):
    """Return the lines of a module with code on them: no blanks, no comments."""
    found = set()
    for token in tokenize.generate_tokens(io.StringIO(paths()[name].read_text(encoding="utf-8")).readline):
        if token.type not in _NO_CODE:
            found.update(range(token.start[0], token.end[0] + 1))
    return len(found)


def shares():
    """Return {package: (lines, share of all lines)}, the biggest first."""
    total = sum(map(lines, paths()))
    sizes = {}
    for name in paths():
        sizes[package(name)] = sizes.get(package(name), 0) + lines(name)
    return {name: (size, size / total) for name, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))}


def neighbours(name):
    """Return the packages that a package imports from."""
    return {package(other) for module in paths() if package(module) == name for other in imported(module)} - {name}


def picture():
    """Return the structure as text, from the top floor down."""
    sizes, told = shares(), []
    for number, floor in reversed(list(enumerate(FLOORS, 1))):
        told.append(f"floor {number}")
        for name in floor:
            size, share = sizes[name]
            below = ", ".join(sorted(neighbours(name))) or "nothing"
            told.append(f"  {name} ({size} lines, {share:.1%}) -> {below}")
    told.append(f"circles: {', '.join(' <-> '.join(sorted(circle)) for circle in circles()) or 'none'}")
    return "\n".join(told)


if __name__ == "__main__":
    print(picture())
