# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The argument spec of one instance, made of its facets' options and those of the run."""

from __future__ import annotations

from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import patch
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.definition import FACETS, KINDS
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import wait_for
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import table
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.spec import STATES

RUN_OPTIONS = {
    "name": {"type": "str", "required": True},
    "uuid": {"type": "str"},
    "adopt": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": list(STATES), "default": "running"},
    "flavor": {"type": "raw"},
    "flavors": {"type": "dict"},
    "image": {"type": "str"},
    "image_pool": {"type": "str", "default": "images"},
    "root_disk": {"type": "str"},
    "pool": {"type": "str", "default": "default"},
    "virt_type": {"type": "str", "choices": ["auto", "kvm", "qemu"], "default": "auto"},
    "arch": {"type": "str"},
    "autostart": {"type": "bool"},
    "restart": {"type": "str", "choices": ["soft", "hard"], "default": "soft"},
    "shutdown": {
        "type": "dict",
        "options": {
            "method": {"type": "str", "choices": ["auto", "agent", "acpi", "force"], "default": "auto"},
            "timeout": {"type": "str", "default": "120s"},
            "retry_interval": {"type": "str", "default": "10s"},
            "on_timeout": {"type": "str", "choices": ["force", "fail"], "default": "force"},
        },
    },
    "apply": {"type": "str", "choices": ["live", "restart", "next_boot"]},
    "unplug_timeout": {"type": "str", "default": "60s"},
    "discard_saved_state": {"type": "bool", "default": False},
    "remove_storage": {"type": "str", "choices": ["none", "owned", "all"], "default": "owned"},
    "purge": {"type": "list", "elements": "str", "choices": sorted(KINDS)},
    "wait_for": {"type": "dict", "options": wait_for.OPTIONS},
}


def instance_options() -> dict[str, Any]:
    """Return the argument spec of an instance, without the connection's options."""
    options = dict(RUN_OPTIONS, **table.OPTIONS, **patch.OPTIONS)
    for facet in FACETS:
        options.update(facet.options)
    return options
