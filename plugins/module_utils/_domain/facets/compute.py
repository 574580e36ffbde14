# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Memory and virtual CPUs, and how far both can grow while the guest runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _plan, _units, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet

OPTIONS = {
    "memory": {"type": "str"},
    "max_memory": {"type": "str"},
    "vcpus": {"type": "str"},
    "max_vcpus": {"type": "str"},
}

# libvirt's schema has no more.
MOST_VCPUS = 65535


def parse(params: facet.Values) -> facet.Values:
    wanted = {}
    for option in ("memory", "max_memory"):
        if params.get(option) is not None:
            wanted[option] = _units.parse_memory(option, params[option])
    for option in ("vcpus", "max_vcpus"):
        if params.get(option) is not None:
            wanted[option] = _units.parse_count(option, params[option], "virtual CPUs", MOST_VCPUS)
    for option in ("memory", "vcpus"):
        limit = wanted.get(f"max_{option}")
        if limit is not None and wanted.get(option, 0) > limit:
            raise _errors.InvalidInput.of(
                f"max_{option}", params[f"max_{option}"], f"{option} is {params[option]} already"
            )
    return wanted


def read(root: _xml.Element, wanted: Iterable[str]) -> dict[str, int]:
    """Memory in KiB: `memory` is what the guest is given, `max_memory` what its balloon can be let out to."""
    maximum = int(_xml.get(root, "memory") or 0)
    vcpus = int(_xml.get(root, "vcpu") or 0)
    # Where CPUs are listed one by one, the list counts.
    listed = root.findall("vcpus/vcpu")
    online = len([vcpu for vcpu in listed if vcpu.get("enabled") == "yes"])
    values = {
        "memory": int(_xml.get(root, "currentMemory") or maximum),
        "max_memory": maximum,
        "vcpus": online if listed else int(_xml.get(root, "vcpu/@current") or vcpus),
        "max_vcpus": vcpus,
    }
    return {option: values[option] for option in wanted}


def write(root: _xml.Element, wanted: facet.Values) -> None:
    if "memory" in wanted or "max_memory" in wanted:
        now, limit = _within_limit(root, wanted, "memory")
        for path, size in (("memory", limit), ("currentMemory", now)):
            _xml.put(root, path, str(size))
            _xml.put(root, f"{path}/@unit", "KiB")
    if "vcpus" in wanted or "max_vcpus" in wanted:
        now, limit = _within_limit(root, wanted, "vcpus")
        if {"vcpus": now, "max_vcpus": limit} != read(root, ("vcpus", "max_vcpus")):
            # Another number than is listed: libvirt makes a list of its own.
            _xml.drop(root, "vcpus")
        _xml.put(root, "vcpu/@current", None if now == limit else str(now))
        _xml.put(root, "vcpu", str(limit))


def _within_limit(root: _xml.Element, wanted: dict[str, int], option: str) -> tuple[int, int]:
    """Return (value, maximum). The maximum is kept as long as it is large enough.

    Without a balloon a guest has the maximum of memory, whatever it is given.
    """
    current = read(root, (option, f"max_{option}"))
    is_fixed = option == "memory" and _xml.get(root, "devices/memballoon/@model") == "none"
    now = wanted.get(option, current[option])
    limit = wanted.get(f"max_{option}", now if is_fixed else current[f"max_{option}"])
    return (min(now, limit), limit) if option not in wanted else (now, max(now, limit))


def hotplug(live: _xml.Element, wanted: facet.Values, after: _xml.Element) -> tuple[_plan.Action, ...]:
    """Source: virDomainSetVcpusFlags, virDomainSetMemoryFlags."""
    actions = []
    current = read(live, ("memory", "vcpus"))
    for option, name in (("vcpus", "set_vcpus"), ("memory", "set_memory")):
        value = wanted.get(option, current[option])
        lowest, highest = live_range(live, option)
        if value != current[option] and lowest <= value <= highest:
            path = "vcpu/@current" if option == "vcpus" else "currentMemory"
            _xml.put(live, path, str(value))
            shown = str(value) if option == "vcpus" else _units.format_size(value * 1024)
            actions.append(_plan.Action(name, shown, value))
    return tuple(actions)


def live_range(live: _xml.Element, option: str) -> tuple[int, int]:
    """Return the least and the most that a running guest can be given of memory (KiB) or vcpus."""
    current = read(live, (option, f"max_{option}"))
    if option == "memory":
        has_balloon = _xml.get(live, "devices/memballoon/@model") not in (None, "none")
        return (1, current["max_memory"]) if has_balloon else (current["memory"], current["memory"])
    # QEMU can take away again what was plugged in, not the CPUs that the guest was started with.
    fixed = live.findall("vcpus/vcpu[@enabled='yes'][@hotpluggable='no']")
    return len(fixed) or current["vcpus"], current["max_vcpus"]


def describe(root: _xml.Element) -> facet.Values:
    """Memory in bytes."""
    size = read(root, OPTIONS)
    return dict(size, memory=size["memory"] * 1024, max_memory=size["max_memory"] * 1024)


def launch(wanted: facet.Values, guest: Any) -> facet.Values:
    """See Facet.launch: one virtual CPU, as OpenStack and virt-install have it."""
    return {} if "vcpus" in wanted else {"vcpus": 1}


FACET = facet.Facet(
    options=OPTIONS, parse=parse, read=read, write=write, hotplug=hotplug, describe=describe, launch=launch
)
