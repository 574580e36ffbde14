# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection consists of, for the tests of its conventions."""

from __future__ import annotations

import functools
import importlib
import subprocess
from pathlib import Path

import yaml

NAME = "kvmfleet.compute"
ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted(path.stem for path in ROOT.glob("plugins/modules/*.py"))
FILTERS = sorted(path.stem for path in ROOT.glob("plugins/filter/*.py"))
CONNECTIONS = sorted(path.stem for path in ROOT.glob("plugins/connection/*.py"))
ROLES = sorted(path.name for path in ROOT.glob("roles/*"))
SCENARIOS = sorted(path.parent.name for path in ROOT.glob("extensions/molecule/*/molecule.yml"))


class _Loader(yaml.SafeLoader):
    """YAML with Ansible's tags, whose values are taken as they are."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: loader.construct_scalar(node))


def load(text):
    """Return what a YAML text says."""
    return yaml.load(text, Loader=_Loader)  # noqa: S506


def read(path):
    """Return what a YAML file says, by its path below the root."""
    return load((ROOT / path).read_text())


@functools.cache
def files():
    """Return the paths of all files that belong to the project, new ones included, below the root."""
    # Who tests may be another user than who cloned.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode()
    return sorted(path for path in listed.split("\0") if path and (ROOT / path).is_file())


def module(name):
    """Return a module of the collection as Python has it."""
    return plugin("modules", name)


def plugin(kind, name):
    """Return a plugin of the collection as Python has it; `kind` is the directory of its kind."""
    return importlib.import_module(f"ansible_collections.{NAME}.plugins.{kind}.{name}")


def options(name):
    """Return the names of a module's options, those in its documentation fragments too."""
    documentation = load(module(name).DOCUMENTATION)
    fragments = [
        load(plugin("doc_fragments", fragment.rpartition(".")[2]).ModuleDocFragment.DOCUMENTATION)
        for fragment in documentation.get("extends_documentation_fragment", ())
    ]
    return {option for part in (documentation, *fragments) for option in part.get("options", {})}


def tasks(content):
    """Yield every task of a list of plays or tasks, those in blocks too."""
    for item in content or ():
        parts = [
            key for key in ("pre_tasks", "tasks", "post_tasks", "handlers", "block", "rescue", "always") if key in item
        ]
        for key in parts:
            yield from tasks(item[key])
        if not parts and "hosts" not in item and "import_playbook" not in item:
            yield item
