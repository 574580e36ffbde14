# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Which CPUs of its host a guest runs on, how much of them it may use, and the threads that do its disks' work.

Source: libvirt domain XML, "CPU Tuning" and "IOThreads Allocation".
"""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facet import (
    Facet,
    given_keys,
    mapping_facet,
    scalar_facet,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._field import INTEGER, Field
from ansible_collections.kvmfleet.compute.plugins.module_utils._ranges import RANGES, parse_ranges
from ansible_collections.kvmfleet.compute.plugins.module_utils._units import parse_duration
from ansible_collections.kvmfleet.compute.plugins.module_utils._xml import element_of

_LISTS = {"vcpus": ("vcpupin", "vcpu"), "iothreads": ("iothreadpin", "iothread")}
_EMULATOR = Field("emulator", "cputune/emulatorpin/@cpuset", RANGES, empty="")


def _item_options(name):
    return {name: {"type": "int", "required": True}, "cpus": {"type": "str", "required": True}}


def _parse_pinning(params):
    pinning = given_keys(params.get("cpu_pinning"))
    if pinning.get("emulator"):
        pinning["emulator"] = parse_ranges("cpu_pinning.emulator", pinning["emulator"])
    for key, (_tag, name) in _LISTS.items():
        if key in pinning:
            pinning[key] = _parse_items(f"cpu_pinning.{key}", name, pinning[key])
    return {"cpu_pinning": pinning} if pinning else {}


def _parse_items(option, name, items):
    """Return pairs (number, its CPUs), in the order of the numbers."""
    pairs = {}
    for index, item in enumerate(items):
        if item[name] in pairs:
            raise InvalidInput.of(f"{option}[{index}].{name}", item[name], "it is pinned by another item already")
        pairs[item[name]] = parse_ranges(f"{option}[{index}].cpus", item["cpus"])
    return tuple(sorted(pairs.items()))


def _read_pinning(root, wanted):
    return {option: {key: _read_key(root, key) for key in pinning} for option, pinning in wanted.items()}


def _read_key(root, key):
    if key == "emulator":
        return _EMULATOR.read(root)
    tag, name = _LISTS[key]
    pins = root.findall(f"cputune/{tag}")
    return tuple(sorted((int(pin.get(name)), RANGES.decode(pin.get("cpuset"))) for pin in pins))


def _write_pinning(root, wanted):
    for pinning in wanted.values():
        for key, value in pinning.items():
            if _read_key(root, key) == value:
                continue
            if key == "emulator":
                _EMULATOR.write(root, value)
                continue
            tag, name = _LISTS[key]
            _xml.drop(root, f"cputune/{tag}")
            place = _xml.ensure(root, "cputune")
            place.extend(element_of(tag, {name: number, "cpuset": cpus}) for number, cpus in value)
        place = root.find("cputune")
        if place is not None and not len(place):
            root.remove(place)


def _check_pinning(before, after, wanted):
    """libvirt forgets, and says nothing, where a pin is for a CPU that the guest does not have."""
    count = int(_xml.get(after, "vcpu") or 1)
    for number, _cpus in wanted.get("cpu_pinning", {}).get("vcpus", ()):
        if not 0 <= number < count:
            raise InvalidInput.of("cpu_pinning.vcpus", number, f"the guest has the virtual CPUs 0 to {count - 1}")


PINNING = Facet(
    options={
        "cpu_pinning": {
            "type": "dict",
            "options": {
                "vcpus": {"type": "list", "elements": "dict", "options": _item_options("vcpu")},
                "emulator": {"type": "str"},
                "iothreads": {"type": "list", "elements": "dict", "options": _item_options("iothread")},
            },
        },
    },
    parse=_parse_pinning,
    read=_read_pinning,
    write=_write_pinning,
    check=_check_pinning,
)

# In microseconds, what libvirt takes of them.
_PERIOD = (1000, 1_000_000)
_QUOTA = (1000, 17_592_186_044_415)


def _check_limits(limits):
    for key, (lowest, highest) in (("period", _PERIOD), ("quota", _QUOTA)):
        if key not in limits:
            continue
        given = limits[key]
        limits[key] = int(parse_duration(f"cpu_limits.{key}", given) * 1_000_000)
        if not lowest <= limits[key] <= highest and limits[key]:
            raise InvalidInput.of(
                f"cpu_limits.{key}", given, f"{lowest // 1000}ms to {highest // 1_000_000}s, or 0 for none, is needed"
            )
    if limits.get("shares", 0) < 0:
        raise InvalidInput.of("cpu_limits.shares", limits["shares"], "a weight, or 0 for the usual one, is needed")


LIMITS = mapping_facet(
    "cpu_limits",
    {"shares": {"type": "int"}, "period": {"type": "str"}, "quota": {"type": "str"}},
    (
        Field("shares", "cputune/shares", INTEGER, empty=0),
        Field("period", "cputune/period", INTEGER, empty=0),
        Field("quota", "cputune/quota", INTEGER, empty=0),
    ),
    _check_limits,
    lambda root, limits: None,
)


class _IoThreads:
    """How many there are; libvirt numbers them from 1, or as they are listed."""

    option = "iothreads"

    def read(self, root):
        return max(int(_xml.get(root, "iothreads") or 0), len(root.findall("iothreadids/iothread")))

    def write(self, root, value):
        _xml.put(root, "iothreads", str(value) if value else None)
        for thread in root.findall("iothreadids/iothread")[value:]:
            thread.getparent().remove(thread)


def _parse_count(option, value):
    if value < 0:
        raise InvalidInput.of(option, value, "a number of 0 or more is needed")
    return value


IOTHREADS = scalar_facet({"iothreads": {"type": "int"}}, (_IoThreads(),), {"iothreads": _parse_count})
