# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""spec: what a task asks for, normalised and checked as far as that needs no host. Pure."""

from __future__ import annotations

import ipaddress
import re
import uuid as uuid_library
from dataclasses import dataclass, field, replace

from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import definition, flavors, patch
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.disks import parse_disks
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._units import parse_duration

STATES = ("running", "stopped", "restarted", "paused", "suspended", "rescued", "present", "absent")


@dataclass(frozen=True)
class StopPolicy:
    """How a guest is shut down; times in seconds. force: cut the power at once; fallback: do so after the time-out."""

    force: bool
    method: str
    timeout: float
    retry_interval: float
    fallback: bool


@dataclass(frozen=True)
class WaitFor:
    """What a run waits for once the guest runs; timeout in seconds."""

    agent: bool
    address: bool
    cidr: str
    console: str
    timeout: float

    @property
    def anything(self):
        return bool(self.agent or self.address or self.console)


@dataclass(frozen=True)
class RescueSpec:
    """The rescue system: its image (None for the guest's own), the pool of its disk, and who may enter it."""

    image: str
    pool: str
    root_password: str
    authorized_keys: tuple
    timeout: float

    @property
    def opens(self):
        return self.root_password is not None or bool(self.authorized_keys)


@dataclass(frozen=True)
class ResizeSpec:
    """How a guest is resized; check is what shows that it is back, None when a later task confirms or reverts."""

    action: str
    check: WaitFor = None


@dataclass(frozen=True)
class CloneFrom:
    """The guest that a new one is a clone of. linked: its disks are based on that guest's, which must stay as they are."""

    name: str
    linked: bool


@dataclass(frozen=True)
class InstanceSpec:
    """A guest as it was asked for. `wanted` are the facets' values, of the options that were given alone."""

    name: str
    uuid: str
    uri: str
    state: str
    wanted: dict
    disks: tuple
    image: str
    image_pool: str
    virt_type: str
    arch: str
    autostart: bool
    stop: StopPolicy
    hard_restart: bool
    discard_saved_state: bool
    remove_storage: str
    patches: tuple = ()
    purge: tuple = ()
    removals: dict = field(default_factory=dict)
    apply: str = None
    unplug_timeout: float = 60
    wait_for: WaitFor = None
    network_names: tuple = field(default=())
    adopt: bool = False
    rebuild: str = "never"
    rescue: RescueSpec = None
    resize: ResizeSpec = None
    clone_from: CloneFrom = None
    config_drive: object = None


def spec(params):
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
    return InstanceSpec(
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
        unplug_timeout=parse_duration("unplug_timeout", params["unplug_timeout"]),
        wait_for=_wait_for(params.get("wait_for"), params["state"]),
        network_names=tuple(
            item["source"][1] for item in wanted.get("interfaces", ()) if item["source"][0] == "network"
        ),
        adopt=bool(params.get("adopt")),
        rebuild=_checked_rebuild(params),
        rescue=_rescue(params),
        resize=_resize(params),
        clone_from=_clone_from(params),
        config_drive=_config_drive(params),
    )


def _take_removals(params):
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


def _checked_name(name):
    # libvirt allows more, but a name is also part of file names: volumes, logs, monitor sockets.
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+:@-]{0,199}", name):
        raise InvalidInput.of(
            "name",
            name,
            "a guest's name has letters, digits and . _ + : @ -, begins with a letter or digit, and has 200 characters at most",
        )
    return name


def _checked_uuid(value):
    if value is None:
        return None
    try:
        return str(uuid_library.UUID(value))
    except ValueError as exc:
        raise InvalidInput.of("uuid", value, "a UUID is needed, such as 8a53e7c5-6f0e-4b5a-9f53-0d8c8f2e2a10") from exc


def _rescue(params):
    given = params.get("rescue") or {}
    if given and params["state"] != "rescued":
        raise InvalidInput.of(
            "rescue", sorted(key for key in given if given[key] is not None), "it needs state: rescued"
        )
    return RescueSpec(
        image=given.get("image"),
        pool=params["pool"],
        root_password=given.get("root_password"),
        authorized_keys=tuple(given.get("authorized_keys") or ()),
        timeout=parse_duration("rescue.timeout", given.get("timeout") or "300s"),
    )


def _config_drive(params):
    if params.get("config_drive") is None or params["state"] == "absent":
        return None
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import config_drive

    return config_drive.parse(params["config_drive"], params["pool"])


def _clone_from(params):
    given = params.get("clone_from")
    if given is None or params["state"] == "absent":
        return None
    if given["name"] == params["name"]:
        raise InvalidInput.of("clone_from.name", given["name"], "it is the guest itself; another one is cloned")
    if params.get("image") is not None:
        raise InvalidInput.of("image", params["image"], "clone_from is given, and a clone has the disks of its source")
    return CloneFrom(given["name"], (given.get("mode") or "full") == "linked")


def _checked_rebuild(params):
    rebuild = params.get("rebuild") or "never"
    if rebuild != "never" and params.get("image") is None and params["state"] != "absent":
        raise InvalidInput.of("rebuild", rebuild, "it needs image, which the root disk is made of")
    return rebuild


def _stop_policy(given):
    return StopPolicy(
        force=given.get("method") == "force",
        method=given.get("method") or "auto",
        timeout=parse_duration("shutdown.timeout", given.get("timeout") or "120s"),
        retry_interval=max(1.0, parse_duration("shutdown.retry_interval", given.get("retry_interval") or "10s")),
        fallback=(given.get("on_timeout") or "force") == "force",
    )


def _wait_for(given, state):
    if not given:
        return None
    wait = _seen("wait_for", given, given.get("timeout"))
    if wait.anything and state not in ("running", "restarted", "rescued"):
        raise InvalidInput.of(
            "wait_for", state, "only a guest that runs can be waited for: state running, restarted or rescued"
        )
    return wait if wait.anything else None


def _seen(option, given, timeout):
    return WaitFor(
        agent=bool(given.get("agent")),
        address=bool(given.get("address") or given.get("cidr")),
        cidr=_checked_cidr(f"{option}.cidr", given.get("cidr")),
        console=_checked_pattern(f"{option}.console", given.get("console")),
        timeout=parse_duration(f"{option}.timeout", timeout or "300s"),
    )


def _resize(params):
    given = params.get("resize")
    if not given:
        return None
    if params["state"] != "running":
        raise InvalidInput.of("state", params["state"], "a guest that is resized runs afterwards: state running")
    if params["rebuild"] != "never":
        raise InvalidInput.of("rebuild", params["rebuild"], "a task either resizes a guest or makes its root disk anew")
    if params.get("apply") in ("live", "next_boot"):
        raise InvalidInput.of("apply", params["apply"], "with resize the guest is restarted")
    check = given.get("check") or {}
    watched = given["action"] == "resize" and given["confirm"] == "auto"
    if any(check.values()) and not watched:
        raise InvalidInput.of("resize.check", check, "the guest is watched with action: resize and confirm: auto alone")
    if not watched:
        return ResizeSpec(given["action"])
    seen = _seen("resize.check", check, None)
    timeout = parse_duration("resize.timeout", given.get("timeout") or "300s")
    return ResizeSpec(given["action"], replace(seen, timeout=timeout, agent=seen.agent or not seen.anything))


def _checked_cidr(option, value):
    if value is None:
        return None
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError as exc:
        raise InvalidInput.of(option, value, "a network is needed, such as 192.168.122.0/24") from exc


def _checked_pattern(option, value):
    if value is None:
        return None
    try:
        re.compile(value)
    except re.error as exc:
        raise InvalidInput.of(option, value, f"a regular expression is needed ({exc})") from exc
    return value
