# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Which CPUs of its host a guest runs on, how much of them it may use, and the threads that do its disks' work.

Source: libvirt domain XML, "CPU Tuning" and "IOThreads Allocation".
"""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _units, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet
from ansible_collections.kvmfleet.compute.plugins.module_utils._ranges import HIGHEST, RANGES, parse_ranges


class _Pins(_field.Field):
    """Pairs (number, its CPUs), in the order of the numbers. The path is that of the numbers."""

    def parse(self, items: list[facet.Values]) -> tuple[tuple[int, str], ...]:
        name = self.path.rpartition("@")[2]
        pairs = {}
        for index, item in enumerate(items):
            option = f"cpu_pinning.{self.option}[{index}]"
            # libvirt counts virtual CPUs from 0, and I/O threads from 1.
            first = 0 if name == "vcpu" else 1
            if not first <= item[name] <= HIGHEST:
                raise _errors.InvalidInput.of(
                    f"{option}.{name}", item[name], f"a number of {first} to {HIGHEST} is needed"
                )
            if item[name] in pairs:
                raise _errors.InvalidInput.of(f"{option}.{name}", item[name], "it is pinned by another item already")
            pairs[item[name]] = parse_ranges(f"{option}.cpus", item["cpus"])
        return tuple(sorted(pairs.items()))

    def read(self, root: _xml.Element) -> tuple[tuple[int, str], ...]:
        place, _slash, name = self.path.rpartition("/@")
        return tuple(sorted((int(pin.get(name)), RANGES.decode(pin.get("cpuset"))) for pin in root.findall(place)))

    def write(self, root: _xml.Element, value: tuple[tuple[int, str], ...]) -> None:
        place, _slash, name = self.path.rpartition("/@")
        _xml.drop(root, place)
        pins = [_xml.element_of(place.split("/")[1], {name: number, "cpuset": cpus}) for number, cpus in value]
        _xml.ensure(root, "cputune").extend(pins)
        _xml.prune(root, "cputune")


class _EmulatorPin(_field.Field):
    def write(self, root: _xml.Element, value: str) -> None:
        super().write(root, value)
        _xml.prune(root, "cputune")


_VCPUS = _Pins("vcpus", "cputune/vcpupin/@vcpu")
_IOTHREADS = _Pins("iothreads", "cputune/iothreadpin/@iothread")


def _complete_pinning(pinning: facet.Values) -> None:
    if pinning.get("emulator"):
        pinning["emulator"] = parse_ranges("cpu_pinning.emulator", pinning["emulator"])
    for row in (_VCPUS, _IOTHREADS):
        if row.option in pinning:
            pinning[row.option] = row.parse(pinning[row.option])


def _check_pinning(before: _xml.Element, after: _xml.Element, wanted: facet.Values) -> None:
    """libvirt forgets, and says nothing, where a pin is for a CPU that the guest does not have."""
    count = int(_xml.get(after, "vcpu") or 1)
    for number, _cpus in wanted.get("cpu_pinning", {}).get("vcpus", ()):
        if not 0 <= number < count:
            raise _errors.InvalidInput.of(
                "cpu_pinning.vcpus", number, f"the guest has the virtual CPUs 0 to {count - 1}"
            )


def _item_options(name: str) -> facet.Values:
    return {name: {"type": "int", "required": True}, "cpus": {"type": "str", "required": True}}


PINNING = facet.mapping_facet(
    "cpu_pinning",
    {
        "vcpus": {"type": "list", "elements": "dict", "options": _item_options("vcpu")},
        "emulator": {"type": "str"},
        "iothreads": {"type": "list", "elements": "dict", "options": _item_options("iothread")},
    },
    (_VCPUS, _EmulatorPin("emulator", "cputune/emulatorpin/@cpuset", RANGES, empty=""), _IOTHREADS),
    _complete_pinning,
    check=_check_pinning,
)

# In microseconds, what libvirt takes of them.
_PERIOD = (1000, 1_000_000)
_QUOTA = (1000, 17_592_186_044_415)
# Linux takes no more.
_SHARES = 262_144


def _complete_limits(limits: facet.Values) -> None:
    for key, (lowest, highest) in (("period", _PERIOD), ("quota", _QUOTA)):
        if key not in limits:
            continue
        given = limits[key]
        limits[key] = int(_units.parse_duration(f"cpu_limits.{key}", given) * 1_000_000)
        if not lowest <= limits[key] <= highest and limits[key]:
            raise _errors.InvalidInput.of(
                f"cpu_limits.{key}", given, f"{lowest // 1000}ms to {highest // 1_000_000}s, or 0 for none, is needed"
            )
    if not 0 <= limits.get("shares", 0) <= _SHARES:
        raise _errors.InvalidInput.of(
            "cpu_limits.shares", limits["shares"], f"a weight of {_SHARES} at most, or 0 for the usual one, is needed"
        )


LIMITS = facet.mapping_facet(
    "cpu_limits",
    {"shares": {"type": "int"}, "period": {"type": "str"}, "quota": {"type": "str"}},
    (
        _field.Field("shares", "cputune/shares", _field.INTEGER, empty=0),
        _field.Field("period", "cputune/period", _field.INTEGER, empty=0),
        _field.Field("quota", "cputune/quota", _field.INTEGER, empty=0),
    ),
    _complete_limits,
)


class _IoThreads(_field.Row):
    """How many there are; libvirt numbers them from 1, or as they are listed."""

    option = "iothreads"

    def read(self, root: _xml.Element) -> int:
        return max(int(_xml.get(root, "iothreads") or 0), len(root.findall("iothreadids/iothread")))

    def write(self, root: _xml.Element, value: int) -> None:
        _xml.put(root, "iothreads", str(value) if value else None)
        for thread in root.findall("iothreadids/iothread")[value:]:
            thread.getparent().remove(thread)
        # libvirt refuses what is said of a thread that is gone.
        left = {thread.get("id") for thread in root.findall("iothreadids/iothread")} or set(
            map(str, range(1, value + 1))
        )
        for pin in root.findall("cputune/iothreadpin"):
            if len(left) == value and pin.get("iothread") not in left:
                pin.getparent().remove(pin)
        _xml.prune(root, "cputune")


def _parse_iothreads(params: facet.Values) -> facet.Values:
    wanted = facet.given_options(("iothreads",), params)
    if not 0 <= wanted.get("iothreads", 0) <= HIGHEST:
        raise _errors.InvalidInput.of("iothreads", wanted["iothreads"], f"a number of 0 to {HIGHEST} is needed")
    return wanted


IOTHREADS = facet.scalar_facet({"iothreads": {"type": "int"}}, (_IoThreads(),), _parse_iothreads)
