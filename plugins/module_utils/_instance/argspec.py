# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The argument spec of one instance, made of its facets' options and those of the run."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import patch
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.definition import FACETS, KINDS
from ansible_collections.kvmfleet.compute.plugins.module_utils._firstboot import options as first_boot
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
    "clone_from": {
        "type": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "mode": {"type": "str", "choices": ["full", "linked"], "default": "full"},
        },
    },
    "config_drive": {
        "type": "dict",
        "options": {
            "label": {"type": "str", "choices": ["config-2", "cidata"], "default": "config-2"},
            "format": {"type": "str", "choices": ["iso9660", "vfat"], "default": "iso9660"},
            **first_boot.OPTIONS,
        },
    },
    "rebuild": {"type": "str", "choices": ["never", "changed", "always"], "default": "never"},
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
    "resize": {
        "type": "dict",
        "options": {
            "action": {"type": "str", "choices": ["resize", "confirm", "revert"], "default": "resize"},
            "confirm": {"type": "str", "choices": ["auto", "manual"], "default": "auto"},
            "check": {
                "type": "dict",
                "options": {
                    "agent": {"type": "bool"},
                    "address": {"type": "bool"},
                    "cidr": {"type": "str"},
                    "console": {"type": "str"},
                },
            },
            "timeout": {"type": "str", "default": "300s"},
        },
    },
    "unplug_timeout": {"type": "str", "default": "60s"},
    "discard_saved_state": {"type": "bool", "default": False},
    "rescue": {
        "type": "dict",
        "options": {
            "image": {"type": "str"},
            "root_password": {"type": "str", "no_log": True},
            "authorized_keys": {"type": "list", "elements": "str", "no_log": False},
            "timeout": {"type": "str", "default": "300s"},
        },
    },
    "remove_storage": {"type": "str", "choices": ["none", "owned", "all"], "default": "owned"},
    "purge": {"type": "list", "elements": "str", "choices": sorted(KINDS)},
    "wait_for": {
        "type": "dict",
        "options": {
            "agent": {"type": "bool"},
            "address": {"type": "bool"},
            "cidr": {"type": "str"},
            "console": {"type": "str"},
            "timeout": {"type": "str", "default": "300s"},
        },
    },
}


def instance_options():
    """Return the argument spec of an instance, without the connection's options."""
    options = dict(RUN_OPTIONS, **patch.OPTIONS)
    for facet in FACETS:
        options.update(facet.options)
    return options
