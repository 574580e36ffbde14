# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What a task waits for once a guest runs: its options, and their values. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _units

CHECK_OPTIONS = {
    "agent": {"type": "bool"},
    "address": {"type": "bool"},
    "cidr": {"type": "str"},
    "console": {"type": "str"},
}
OPTIONS = dict(CHECK_OPTIONS, timeout={"type": "str", "default": "300s"})


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


def parse_wait(option, given):
    """Return the WaitFor that an option gives. Raises InvalidInput."""
    return WaitFor(
        agent=bool(given.get("agent")),
        address=bool(given.get("address") or given.get("cidr")),
        cidr=_checked_cidr(f"{option}.cidr", given.get("cidr")),
        console=_checked_pattern(f"{option}.console", given.get("console")),
        timeout=_units.parse_duration(f"{option}.timeout", given.get("timeout") or "300s"),
    )


def _checked_cidr(option, value):
    if value is None:
        return None
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError as exc:
        raise _errors.InvalidInput.of(option, value, "a network is needed, such as 192.168.122.0/24") from exc


def _checked_pattern(option, value):
    if value is None:
        return None
    try:
        re.compile(value)
    except re.error as exc:
        raise _errors.InvalidInput.of(option, value, f"a regular expression is needed ({exc})") from exc
    return value
