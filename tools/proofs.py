# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""List what the tests prove, so that none is lost when tests are moved or joined.

    python3 tools/proofs.py           print the list of this tree
    python3 tools/proofs.py check     name each proof of tests/proofs-before.txt that this tree does not have

A proof is a test function of pytest (whatever its parameters), or a task that a molecule scenario runs. Where one was
renamed, moved or joined with another, tests/proofs-moved.txt says so, a line for each:

    FILE => FILE (WHY)                 all proofs of a file are in another one, by the same names
    FILE: PROOF => FILE: PROOF (WHY)   one proof
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
BEFORE = "tests/proofs-before.txt"
MOVED = "tests/proofs-moved.txt"


class _Loader(yaml.SafeLoader):
    """YAML with Ansible's tags, whose values are taken as they are."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: loader.construct_scalar(node))


def proofs(root):
    """Return the proofs of a tree: for each file, by its path below the root, the sorted names of its proofs."""
    found = {}
    for path in sorted(root.glob("tests/unit/**/test_*.py")):
        found[str(path.relative_to(root))] = sorted(_tests(ast.parse(path.read_text(encoding="utf-8"))))
    scenarios = root / "extensions/molecule"
    for playbook in sorted(scenarios.glob("*/*.yml")):
        if playbook.name != "molecule.yml" and (playbook.parent / "molecule.yml").exists():
            _collect(playbook, root, found)
    return {path: names for path, names in found.items() if names}


def _tests(tree, prefix=""):
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from _tests(node, f"{node.name}::")
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            yield prefix + node.name


def _collect(path, root, found, base=None):
    """Add the tasks of a playbook or of a file of tasks, and of those that it includes."""
    name = str(path.relative_to(root))
    if name in found:
        return
    found[name] = []
    base = base or path.parent
    names = []
    for task in _tasks(yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)):  # noqa: S506
        names.append(task["name"])
        for included in _included(task):
            _collect(_resolve(included, path, base), root, found, base)
    # The second task of a name is another proof than the first.
    seen = Counter()
    for task in names:
        seen[task] += 1
        found[name].append(task if seen[task] == 1 else f"{task} #{seen[task]}")
    found[name].sort()


def _tasks(content):
    for item in content or ():
        parts = [key for key in ("pre_tasks", "tasks", "post_tasks", "block", "rescue", "always") if key in item]
        for key in parts:
            yield from _tasks(item[key])
        if not parts and "hosts" not in item and "ansible.builtin.import_playbook" not in item:
            yield item


def _included(task):
    """Yield the files that a task includes."""
    for action in ("ansible.builtin.include_tasks", "ansible.builtin.import_tasks"):
        if action in task:
            given = task[action]
            given = given["file"] if isinstance(given, dict) else given
            if "{{" not in given:
                yield given
            else:
                for item in _items(task["loop"]):
                    yield re.sub(r"\{\{ \w+ \}\}", item, given)


def _items(loop):
    """Yield the words of a loop, be it a list or an expression with lists."""
    yield from loop if isinstance(loop, list) else re.findall(r"'([a-z_]+)'", loop)


def _resolve(included, path, base):
    """Return the file that Ansible finds: beside the file that includes it, or beside the playbook."""
    return next(found.resolve() for found in (path.parent / included, base / included) if found.exists())


def dump(found):
    """Return the list as a text: each file, and below it, indented, its proofs."""
    return "".join(f"{path}\n" + "".join(f"  {name}\n" for name in names) for path, names in found.items())


def load(text):
    """Return what dump() has written."""
    found, names = {}, []
    for line in text.splitlines():
        if line.startswith("  "):
            names.append(line[2:])
        elif line and not line.startswith("#"):
            found[line] = names = []
    return found


def successors(text):
    """Return the moves of a text: where the proofs of a file, or one proof, went."""
    moves = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            old, new, _why = re.fullmatch(r"(.+) => (.+) \(([^()]+)\)", line).groups()
            moves[old] = new
    return moves


def missing(before, now, moves):
    """Return what was proved before and is not proved now, directly or by a chain of moves."""
    lost = []
    for path, names in before.items():
        for name in names:
            place, moved = (path, name), set()
            while not _has(now, place) and place not in moved:
                moved.add(place)
                place = _moved(moves, place)
            if not _has(now, place):
                lost.append(f"{path}: {name}")
    return lost


def _has(found, place):
    return place[1] in found.get(place[0], ())


def _moved(moves, place):
    path, name = place
    if f"{path}: {name}" in moves:
        path, _colon, name = moves[f"{path}: {name}"].partition(": ")
    else:
        path = moves.get(path, path)
    return path, name


def check(root):
    """Return a sentence for each proof that is missing."""
    before = load((root / BEFORE).read_text(encoding="utf-8"))
    moves = successors((root / MOVED).read_text(encoding="utf-8"))
    return [
        f"{lost}: no longer proved, and {MOVED} names no successor" for lost in missing(before, proofs(root), moves)
    ]


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        complaints = check(ROOT)
        print("\n".join(complaints))
        sys.exit(bool(complaints))
    print(dump(proofs(ROOT)), end="")
