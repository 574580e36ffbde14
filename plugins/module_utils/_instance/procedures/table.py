# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The procedures as a table: their options, and when each is due. Pure.

Every run reads the table; a procedure's own module is loaded where it is due. To add one is to add a row, a function that imports
its module, and that module; their order is the one in which they shape a plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.kvmfleet.compute.plugins.module_utils._firstboot import options as first_boot
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.wait_for import CHECK_OPTIONS

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.metadata import InstanceMetadata
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import procedure


@dataclass(frozen=True)
class Row:
    """A procedure: its name, which is that of its option; the argument spec; whether a task asks for it; whether a guest's
    InstanceMetadata says that there is something to go on with; how to load it. option: what a message calls it."""

    name: str
    options: dict[str, Any]
    is_asked: Callable[[facet.Values], bool]
    load: Callable[[], procedure.Procedure]
    is_pending: Callable[[InstanceMetadata], bool] = lambda record: False
    option: str | None = None


def _rescue() -> procedure.Procedure:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import rescue

    return rescue.PROCEDURE


def _clone() -> procedure.Procedure:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import clone

    return clone.PROCEDURE


def _resize() -> procedure.Procedure:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import resize

    return resize.PROCEDURE


def _rebuild() -> procedure.Procedure:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import rebuild

    return rebuild.PROCEDURE


def _config_drive() -> procedure.Procedure:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import config_drive

    return config_drive.PROCEDURE


TABLE = (
    Row(
        "rescue",
        {
            "type": "dict",
            "options": {
                "image": {"type": "str"},
                "root_password": {"type": "str", "no_log": True},
                "authorized_keys": {"type": "list", "elements": "str", "no_log": False},
                "timeout": {"type": "str", "default": "300s"},
            },
        },
        is_asked=lambda params: params["state"] == "rescued" or bool(params.get("rescue")),
        is_pending=lambda record: record.rescue is not None,
        load=_rescue,
        option="state",
    ),
    Row(
        "clone_from",
        {
            "type": "dict",
            "options": {
                "name": {"type": "str", "required": True},
                "mode": {"type": "str", "choices": ["full", "linked"], "default": "full"},
            },
        },
        is_asked=lambda params: params.get("clone_from") is not None,
        load=_clone,
    ),
    Row(
        "resize",
        {
            "type": "dict",
            "options": {
                "action": {"type": "str", "choices": ["resize", "confirm", "revert"], "default": "resize"},
                "confirm": {"type": "str", "choices": ["auto", "manual"], "default": "auto"},
                "check": {"type": "dict", "options": CHECK_OPTIONS},
                "timeout": {"type": "str", "default": "300s"},
            },
        },
        is_asked=lambda params: bool(params.get("resize")),
        is_pending=lambda record: record.resize is not None,
        load=_resize,
    ),
    Row(
        "rebuild",
        {"type": "str", "choices": ["never", "changed", "always"], "default": "never"},
        is_asked=lambda params: (params.get("rebuild") or "never") != "never",
        is_pending=lambda record: any(volume.status == "next" for volume in record.volumes),
        load=_rebuild,
    ),
    Row(
        "config_drive",
        {
            "type": "dict",
            "options": {
                "label": {"type": "str", "choices": ["config-2", "cidata"], "default": "config-2"},
                "format": {"type": "str", "choices": ["iso9660", "vfat"], "default": "iso9660"},
                **first_boot.OPTIONS,
            },
        },
        is_asked=lambda params: params.get("config_drive") is not None,
        load=_config_drive,
    ),
)
OPTIONS = {row.name: row.options for row in TABLE}
BY_NAME = {row.name: row for row in TABLE}


def parse(params: facet.Values) -> dict[str, Any]:
    """Return {name: value} of the procedures that a task asks for. Raises InvalidInput."""
    return {row.name: row.load().parse(params) for row in TABLE if row.is_asked(params)}


def due(spec: procedure.InstanceSpec, record: InstanceMetadata | None) -> dict[str, procedure.Procedure]:
    """Return {name: Procedure} of those that a task asks for, or that its guest's InstanceMetadata (None for none) has pending."""
    return {
        row.name: row.load()
        for row in TABLE
        if row.name in spec.procedures or (record is not None and row.is_pending(record))
    }


def actions() -> dict[str, Any]:
    """Return the handlers of the actions of all procedures."""
    return {name: handler for row in TABLE for name, handler in row.load().actions.items()}
