# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""spec: what a task asks for, normalised and checked as far as that needs no host. Pure."""

from __future__ import annotations

import re
import uuid as uuid_library

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _names, _units
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import definition, flavors, patch
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facet import Values
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.disks import parse_disks
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.wait_for import WaitFor, parse_wait
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import procedure
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import table

STATES = ("running", "stopped", "restarted", "paused", "suspended", "rescued", "present", "absent")


def parse(params: Values) -> procedure.InstanceSpec:
    """Return the InstanceSpec of a task's parameters. Raises InvalidInput."""
    params = dict(params)
    name = _checked_name(params["name"])
    flavor_name, sizes = flavors.resolve(params.get("flavor"), params.get("flavors"))
    for option in ("memory", "vcpus"):
        if params.get(option) is None:
            params[option] = sizes.get(option)
    removals = _take_removals(params)
    wanted = {}
    for facet in definition.FACETS:
        wanted.update(facet.parse(params))
    if flavor_name:
        wanted["flavor_name"] = flavor_name
    stop = params.get("shutdown") or {}
    return procedure.InstanceSpec(
        name=name,
        uuid=_checked_uuid(params.get("uuid")),
        uri=params["uri"],
        state=params["state"],
        wanted=wanted,
        disks=parse_disks(params, params.get("image"), flavors.root_disk(params, sizes)),
        image=params.get("image"),
        image_pool=params["image_pool"],
        virt_type=params.get("virt_type") or "auto",
        arch=params.get("arch"),
        autostart=params.get("autostart"),
        stop=_stop_policy(stop),
        hard_restart=params["restart"] == "hard",
        discard_saved_state=params["discard_saved_state"],
        remove_storage=params["remove_storage"],
        patches=patch.parse(params),
        purge=tuple(params.get("purge") or ()),
        removals=removals,
        apply=params.get("apply"),
        unplug_timeout=_units.parse_duration("unplug_timeout", params["unplug_timeout"]),
        wait_for=_wait_for(params.get("wait_for"), params["state"]),
        network_names=tuple(
            item["source"][1] for item in wanted.get("interfaces", ()) if item["source"][0] == "network"
        ),
        adopt=bool(params.get("adopt")),
        procedures=table.parse(params),
    )


def _take_removals(params: Values) -> definition.Items:
    """Take the items with `state: absent` out of the lists of devices; returns them by option."""
    removals = {}
    for option, kind in definition.KINDS.items():
        items = list(enumerate(params.get(option) or ()))
        absent = [(index, item) for index, item in items if item.get("state") == "absent"]
        if items:
            params[option] = [
                {key: value for key, value in item.items() if key != "state"}
                for _index, item in items
                if item.get("state") != "absent"
            ]
        removals[option] = kind.parse_removals(absent)
    return removals


def _checked_name(name: str) -> str:
    """A guest that exists can have any name that libvirt allows. That of a new one is checked by check_new_name."""
    if not _names.may_exist(name):
        raise _bad_name(name)
    return name


def check_new_name(name: str) -> None:
    """Refuse a name that libvirt allows, but that is a nuisance in the names of files: volumes, logs, sockets."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+:@-]{0,199}", name):
        raise _bad_name(name)


def _bad_name(name: str) -> _errors.InvalidInput:
    return _errors.InvalidInput.of(
        "name",
        name,
        "a new guest's name has letters, digits and . _ + : @ -, begins with a letter or digit, and has 200 characters at most",
    )


def _checked_uuid(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return str(uuid_library.UUID(value))
    except ValueError as exc:
        raise _errors.InvalidInput.of(
            "uuid", value, "a UUID is needed, such as 8a53e7c5-6f0e-4b5a-9f53-0d8c8f2e2a10"
        ) from exc


def _stop_policy(given: Values) -> procedure.StopPolicy:
    return procedure.StopPolicy(
        force=given.get("method") == "force",
        method=given.get("method") or "auto",
        timeout=_units.parse_duration("shutdown.timeout", given.get("timeout") or "120s"),
        retry_interval=max(1.0, _units.parse_duration("shutdown.retry_interval", given.get("retry_interval") or "10s")),
        fallback=(given.get("on_timeout") or "force") == "force",
    )


def _wait_for(given: Values | None, state: str) -> WaitFor | None:
    if not given:
        return None
    wait = parse_wait("wait_for", given)
    if wait.anything and state not in ("running", "restarted", "rescued"):
        raise _errors.InvalidInput.of(
            "wait_for", state, "only a guest that runs can be waited for: state running, restarted or rescued"
        )
    return wait if wait.anything else None
