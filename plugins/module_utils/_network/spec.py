# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""spec: what a task asks of a network, checked as far as that needs no host. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _names
from ansible_collections.kvmfleet.compute.plugins.module_utils._inet import parse_bridge, parse_domain
from ansible_collections.kvmfleet.compute.plugins.module_utils._network import subnets
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.definition import MODES

STATES = ("active", "inactive", "absent")

OPTIONS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": "active"},
    "autostart": {"type": "bool"},
    "mode": {"type": "str", "choices": list(MODES)},
    "nat_ipv6": {"type": "bool"},
    "bridge": {"type": "str"},
    "mtu": {"type": "int"},
    "domain": {"type": "str"},
    "dns": {"type": "bool"},
    "port_isolation": {"type": "bool"},
    "addresses": {
        "type": "list",
        "elements": "dict",
        "options": {
            "address": {"type": "str", "required": True},
            "dhcp": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"start": {"type": "str", "required": True}, "end": {"type": "str", "required": True}},
            },
            "reservations": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "mac": {"type": "str", "required": True},
                    "ip": {"type": "str", "required": True},
                    "name": {"type": "str"},
                },
            },
        },
    },
}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")


@dataclass(frozen=True)
class NetworkSpec:
    """A network as it was asked for. `wanted` has the values of the options of the definition that were given."""

    name: str
    state: str
    autostart: bool
    wanted: dict


def parse(params):
    """Return the NetworkSpec of a task. Raises InvalidInput."""
    if not _names.may_exist(params["name"]):
        check_new_name(params["name"])
    if params["bridge"] is not None:
        parse_bridge("bridge", params["bridge"])
    if params["domain"]:
        parse_domain("domain", params["domain"])
    if params["mtu"] and not 68 <= params["mtu"] <= 65535:
        raise _errors.InvalidInput.of("mtu", params["mtu"], "it is from 68 to 65535 bytes")
    wanted = {
        option: params[option]
        for option in ("mode", "nat_ipv6", "bridge", "mtu", "domain", "dns", "port_isolation")
        if params[option] is not None
    }
    for option in ("domain", "mtu"):
        if option in wanted and not wanted[option]:
            wanted[option] = None
    if params["addresses"] is not None:
        wanted["addresses"] = subnets.parse(params["addresses"])
        if params["mode"] == "nat" and subnets.has_ipv6(wanted["addresses"]):
            wanted.setdefault("nat_ipv6", True)
    return NetworkSpec(params["name"], params["state"], params["autostart"], wanted)


def check_new_name(name):
    """A network that exists can have any name that libvirt allows. Raises InvalidInput."""
    if not _NAME.fullmatch(name):
        allowed = "a new network's name has letters, digits, _, . and -, begins with none of the last two, and has 200 characters at most"
        raise _errors.InvalidInput.of("name", name, allowed)
