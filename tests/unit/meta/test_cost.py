# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task costs before it does anything: the files that Ansible packs, and the lines that Python compiles on the host."""

from __future__ import annotations

import subprocess
import sys

import pytest
from ansible_collections.kvmfleet.compute.tests.unit.meta import collection, structure

# To become less. A new option of a guest may raise the lines of vm_instance by what it needs itself, and no more.
PACKED = {"vm_instance": 93, "vm_instances": 95, "vm_instance_info": 33, "vm_network": 23}
LOADED = 8000

NO_OP = """
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


@pytest.mark.parametrize("name", PACKED)
def test_a_module_is_packed_with_few_files(name):
    assert len(structure.packed(collection.ROOT / f"plugins/modules/{name}.py")) <= PACKED[name]


def test_a_task_without_a_change_loads_few_lines():
    done = subprocess.run([sys.executable, "-c", NO_OP], capture_output=True, text=True, check=True)
    loaded = {name: len(structure.paths()[name].read_text().splitlines()) for name in done.stdout.split()}
    assert sum(loaded.values()) <= LOADED, loaded
