# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task costs before it does anything: the files that Ansible packs, and the lines that Python compiles on the host."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.tests.unit.meta import collection, structure

# To become less. A new option of a guest may raise the lines of vm_instance by what it needs itself, and no more.
PACKED = {"vm_instance": 105, "vm_instances": 107, "vm_instance_info": 37, "vm_network": 28}
LOADED = 9500
# Ansible looks each imported name that is not a module up as a file, before it packs the module: import modules, not names.
LOOKED_UP = 300


@pytest.mark.parametrize("name", PACKED)
def test_a_module_is_packed_with_few_files(name):
    assert len(structure.packed(collection.ROOT / f"plugins/modules/{name}.py")) <= PACKED[name]


def test_a_task_without_a_change_loads_few_lines():
    loaded = structure.loaded()
    assert sum(loaded.values()) <= LOADED, loaded


def test_few_imported_names_are_looked_up_as_files():
    assert structure.looked_up(collection.ROOT / "plugins/modules/vm_instance.py") <= LOOKED_UP
