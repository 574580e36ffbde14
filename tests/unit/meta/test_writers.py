# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every action is known to write to disks and files of the host, and proved to ask who else needs them first, or not to."""

from __future__ import annotations

import ast

import pytest
from ansible_collections.kvmfleet.compute.tests.unit.meta import collection

MODULE_UTILS = "plugins/module_utils/"
TABLES = ("ACTIONS", "_ACTIONS", "_FILES", "_FETCHES")
INSTANCE = "module_utils/_instance/"
GUARD = f"{INSTANCE}test_guard.py::"
START = f"{INSTANCE}test_clone.py::test_what_a_linked_clone_needs_stays_as_it_is"
ATTACH = f"{GUARD}test_the_base_of_an_overlay_is_attached_only_to_be_read"
DROP = f"{GUARD}test_a_volume_that_was_replaced_stays_when_it_is_needed_since"
MAKE = f"{GUARD}test_what_took_the_name_of_an_unfinished_disk_is_not_replaced"
GROW = f"{GUARD}test_a_disk_that_something_else_needs_does_not_grow"
REPLACE = "modules/test_vm_image.py::test_a_version_that_was_changed_is_not_replaced_while_it_is_needed"
INJECT = (
    "module_utils/_inject/test_plan.py::"
    "test_a_disk_that_something_else_needs_is_refused_as_soon_as_there_is_something_to_write"
)

# The test that shows that an action leaves alone what something else needs, by package and action.
WRITERS = {
    "_instance": {
        "grow_disk": GROW,
        "resize": GROW,
        "confirm_resize": f"{GUARD}test_a_resize_is_not_confirmed_into_a_disk_that_is_a_base",
        "create_volume": MAKE,
        "create_config_drive": MAKE,
        "image_disk": f"{GUARD}test_a_disk_that_another_guest_has_is_not_made_anew",
        "delete_volume": f"{GUARD}test_an_image_is_neither_grown_nor_attached_to_be_written_nor_deleted",
        "drop_volume": DROP,
        "revert_resize": DROP,
        "define": ATTACH,
        "attach_device": ATTACH,
        "update_device": ATTACH,
        "copy_nvram": f"{GUARD}test_the_nvram_of_another_guest_is_not_written_over",
        **dict.fromkeys(["start", "start_paused", "start_resized", "restart"], START),
    },
    "_crash_dump": {"dump": "modules/test_vm_crash_dump.py::test_a_disk_is_not_replaced_by_a_dump"},
    "_image": {
        "delete": "modules/test_vm_image_prune.py::test_what_is_needed_stays",
        **dict.fromkeys(["download", "import", "copy_disk"], REPLACE),
    },
    "_inject": dict.fromkeys(
        ["grow_partition", "grow_volume", "grow_filesystem", "make_directory", "write_file", "set_file_mode"], INJECT
    ),
}

# Why the others need not ask.
HARMLESS = {
    "_instance": {
        "it ends the guest or lets it go on, with the disks that it has": (
            "restore restore_paused resume wake pause suspend discard_saved_state shutdown power_off"
        ),
        "it changes definitions and records": (
            "update_live set_autostart unset_autostart record_removal undefine finish_removal record_volume record_definition "
            "mark_source finish_resize"
        ),
        "it changes what the guest has of the host's memory and processors, or what is no disk": (
            "attach_controller detach_device set_vcpus set_memory"
        ),
        "the guest's agent does it": "open_rescue thaw",
    },
    "_crash_dump": {"it interrupts the guest": "inject_nmi"},
    "_image": {
        "the file is one that a run of vm_image has begun and not finished": "remove_leftover",
        "no content changes": "make_current update_properties refresh_pool",
    },
    "_upload": {"it is about images in Glance": "upload update delete delete_unfinished"},
    "_guest": {
        "the guest's agent does it": (
            "run_command freeze thaw set_time set_hostname set_password add_authorized_keys replace_authorized_keys write_file "
            "set_file_mode grow_partition grow_physical_volume grow_logical_volume grow_filesystem"
        )
    },
    "_network": {
        "networks are no disks": (
            "define_network start_network stop_network undefine_network enable_autostart disable_autostart add_reservation "
            "remove_reservation"
        )
    },
}


def _found():
    """Return {package: names of its actions}, as its tables and its plans have them."""
    found = {}
    for path in collection.files():
        if path.startswith(MODULE_UTILS) and path.endswith(".py"):
            names = set(_names(ast.parse((collection.ROOT / path).read_text())))
            if names:
                package = path.removeprefix(MODULE_UTILS).removesuffix(".py").partition("/")[0]
                # What facets plan on a running guest, vm_instance does.
                found.setdefault({"_domain": "_instance"}.get(package, package), set()).update(names)
    return found


def _names(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "Action" and node.args:
            yield from _texts(node.args[0])
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            table = getattr(node.targets[0], "id", None)
            if table == "_FETCHES":
                yield from (value.value for value in node.value.values)
            elif table in TABLES:
                yield from (key.value for key in node.value.keys)
        elif isinstance(node, ast.keyword) and node.arg == "actions" and isinstance(node.value, ast.Dict):
            yield from (key.value for key in node.value.keys)  # of a procedure


def _texts(argument):
    """Yield the names that the first argument of an Action can be; a name that is computed is in a table."""
    branches = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
    yield from (branch.value for branch in branches if isinstance(branch, ast.Constant))


@pytest.mark.parametrize("package", sorted(_found()))
def test_it_is_known_of_every_action_whether_it_writes(package):
    writers = set(WRITERS.get(package, ()))
    harmless = {name for names in HARMLESS.get(package, {}).values() for name in names.split()}
    assert not writers & harmless
    assert writers | harmless == _found()[package]


@pytest.mark.parametrize("proof", sorted({proof for proofs in WRITERS.values() for proof in proofs.values()}))
def test_there_is_a_proof_that_it_asks_first(proof):
    file, _colons, name = proof.partition("::")
    assert f"\ndef {name}(" in (collection.ROOT / "tests/unit/plugins" / file).read_text()
