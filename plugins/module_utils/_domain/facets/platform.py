# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The board that a guest believes to run on: SMBIOS tables, clock and timers, Hyper-V enlightenments."""

from __future__ import annotations

import re

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet

_SYSINFO = "sysinfo[@type='smbios']"


def _sysinfo(root: _xml.Element) -> _xml.Element:
    info = root.find(_SYSINFO)
    if info is None:
        info = _xml.element_of("sysinfo", {"type": "smbios"})
        root.append(info)
    return info


class _Section(_field.Field):
    """A mapping of the entries that a section has; an empty text is no entry."""

    def read_like(self, root: _xml.Element, wanted: dict[str, str]) -> dict[str, str]:
        return {name: root.findtext(f"{_SYSINFO}/{self.path}/entry[@name='{name}']") or "" for name in wanted}

    def write(self, root: _xml.Element, value: dict[str, str]) -> None:
        section = _xml.ensure(_sysinfo(root), self.path)
        for name, text in value.items():
            _xml.drop(section, f"entry[@name='{name}']")
            if text:
                section.append(_xml.element_of("entry", {"name": name}, text))
        _xml.prune(root, f"{_SYSINFO}/{self.path}")
        _xml.prune(root, _SYSINFO)


class _OemStrings(_field.Row):
    option = "oem_strings"

    def read(self, root: _xml.Element) -> tuple[str, ...]:
        return tuple(entry.text or "" for entry in root.findall(f"{_SYSINFO}/oemStrings/entry"))

    def write(self, root: _xml.Element, value: tuple[str, ...]) -> None:
        info = _sysinfo(root)
        _xml.drop(info, "oemStrings")
        _xml.ensure(info, "oemStrings").extend(_xml.element_of("entry", text=text) for text in value)
        _xml.prune(info, "oemStrings")
        _xml.prune(root, _SYSINFO)


# The entries of each section.
_ENTRIES = {
    "bios": ("vendor", "version", "date", "release"),
    "system": ("manufacturer", "product", "version", "serial", "sku", "family"),
    "baseboard": ("manufacturer", "product", "version", "serial", "asset", "location"),
    "chassis": ("manufacturer", "version", "serial", "asset", "sku"),
}


def _complete_smbios(smbios: facet.Values) -> None:
    for section in _ENTRIES:
        if section in smbios:
            smbios[section] = facet.given_keys(smbios[section])
    if "oem_strings" in smbios:
        smbios["oem_strings"] = tuple(smbios["oem_strings"])
    if smbios.setdefault("mode", "sysinfo") != "sysinfo" and len(smbios) > 1:
        raise _errors.InvalidInput.of(
            "smbios.mode", smbios["mode"], "the other options of smbios need the mode sysinfo"
        )
    date = smbios.get("bios", {}).get("date")
    if date and not re.fullmatch(r"\d{2}/\d{2}/(\d{2}|\d{4})", date):
        raise _errors.InvalidInput.of("smbios.bios.date", date, "a date such as 12/31/2026 is needed")


# Source: libvirt domain XML, "SMBIOS System Information".
SMBIOS = facet.mapping_facet(
    "smbios",
    {
        **{
            section: {"type": "dict", "options": {name: {"type": "str"} for name in names}}
            for section, names in _ENTRIES.items()
        },
        "mode": {"type": "str", "choices": ["emulate", "host", "sysinfo"]},
        "oem_strings": {"type": "list", "elements": "str"},
    },
    (
        _field.Field("mode", "os/smbios/@mode", empty="emulate"),
        _Section("bios", "bios"),
        _Section("system", "system"),
        _Section("baseboard", "baseBoard"),
        _Section("chassis", "chassis"),
        _OemStrings(),
    ),
    _complete_smbios,
)


_TIMERS = ("rtc", "pit", "hpet", "tsc", "kvmclock", "hypervclock", "platform", "armvtimer")


class _TickPolicy(_field.Field):
    def write(self, root: _xml.Element, value: str) -> None:
        super().write(root, value)
        if value != "catchup":
            _xml.drop(root, "catchup")


_TIMER_FIELDS = (
    _field.Field("present", "@present", _field.YES_NO),
    _TickPolicy("tickpolicy", "@tickpolicy"),
    _field.Field("track", "@track"),
    _field.Field("frequency", "@frequency", _field.INTEGER),
    _field.Field("mode", "@mode"),
)
_OFFSET = _field.Field("offset", "clock/@offset", empty="utc")


class _Timers(_field.Row):
    """What the definition says of the timers that are named."""

    option = "timers"

    def read_like(self, root: _xml.Element, wanted: tuple[facet.Values, ...]) -> tuple[facet.Values | None, ...]:
        return tuple(self._read_timer(root, timer) for timer in wanted)

    def _read_timer(self, root: _xml.Element, wanted: facet.Values) -> facet.Values | None:
        element = self._find(root, wanted)
        if element is None:
            return None
        return {
            "name": wanted["name"],
            **{row.option: row.read(element) for row in _TIMER_FIELDS if row.option in wanted},
        }

    def _find(self, root: _xml.Element, timer: facet.Values) -> _xml.Element | None:
        return root.find("clock/timer[@name='{name}']".format(**timer))

    def write(self, root: _xml.Element, value: tuple[facet.Values, ...]) -> None:
        for timer in value:
            element = self._find(root, timer)
            if element is None:
                element = _xml.element_of("timer", {"name": timer["name"]})
                _xml.ensure(root, "clock").append(element)
            for row in _TIMER_FIELDS:
                if row.option in timer:
                    row.write(element, timer[row.option])


def _complete_clock(clock: facet.Values) -> None:
    zone = clock.get("timezone")
    if zone is not None:
        if clock.setdefault("offset", "timezone") != "timezone":
            raise _errors.InvalidInput.of("clock.timezone", zone, f"the offset {clock['offset']} has no time zone")
        if not re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", zone):
            raise _errors.InvalidInput.of(
                "clock.timezone", zone, "the name of a time zone is needed, such as Europe/Paris"
            )
    elif clock.get("offset") == "timezone":
        raise _errors.InvalidInput.of("clock.offset", "timezone", "it needs clock.timezone")
    if "timers" in clock:
        clock["timers"] = tuple(facet.given_keys(timer) for timer in clock["timers"])
        names = [timer["name"] for timer in clock["timers"]]
        for index, timer in enumerate(clock["timers"]):
            if names.count(timer["name"]) > 1:
                raise _errors.InvalidInput.of("clock.timers", timer["name"], "each timer may be named once")
            if timer.get("frequency", 1) < 1:
                raise _errors.InvalidInput.of(
                    f"clock.timers[{index}].frequency", timer["frequency"], "a number of hertz, 1 or more, is needed"
                )


def _prepare_clock(root: _xml.Element, clock: facet.Values) -> None:
    if "offset" in clock:
        if _OFFSET.read(root) != clock["offset"]:
            # What belongs to another offset would contradict this one.
            for name in ("timezone", "adjustment", "basis", "start"):
                _xml.put(root, f"clock/@{name}", None)
        _xml.put(root, "clock/@offset", clock["offset"])


# Source: libvirt domain XML, "Time keeping".
CLOCK = facet.mapping_facet(
    "clock",
    {
        "offset": {"type": "str", "choices": ["utc", "localtime", "timezone"]},
        "timezone": {"type": "str"},
        "timers": {
            "type": "list",
            "elements": "dict",
            "options": {
                "name": {"type": "str", "required": True, "choices": list(_TIMERS)},
                "present": {"type": "bool"},
                "tickpolicy": {"type": "str", "choices": ["delay", "catchup", "merge", "discard"]},
                "track": {"type": "str", "choices": ["boot", "guest", "wall", "realtime"]},
                "frequency": {"type": "int"},
                "mode": {"type": "str", "choices": ["auto", "native", "emulate", "paravirt", "smpsafe"]},
            },
        },
    },
    (_OFFSET, _field.Field("timezone", "clock/@timezone"), _Timers()),
    _complete_clock,
    _prepare_clock,
)


_ENLIGHTENMENTS = (
    "relaxed vapic vpindex runtime synic stimer reset frequencies reenlightenment tlbflush ipi evmcs avic emsr_bitmap xmm_input"
).split()
# QEMU starts no guest that has the one without the other. Source: QEMU, "Hyper-V Enlightenments".
_NEEDS = {"synic": "vpindex", "stimer": "synic", "tlbflush": "vpindex", "ipi": "vpindex"}
_LEAST_SPINLOCKS = 4095


class _Enlightenments(_field.Row):
    """The names of those that are on; each is an element of its own."""

    option = "enlightenments"

    def read(self, root: _xml.Element) -> tuple[str, ...]:
        return tuple(
            sorted(name for name in _ENLIGHTENMENTS if _xml.get(root, f"features/hyperv/{name}/@state") == "on")
        )

    def write(self, root: _xml.Element, value: tuple[str, ...]) -> None:
        for name in _ENLIGHTENMENTS:
            if name in value:
                _xml.put(root, f"features/hyperv/{name}/@state", "on")
            else:
                _xml.drop(root, f"features/hyperv/{name}")


class _Switched(_field.Field):
    """A value beside a state that has to be on."""

    def write(self, root: _xml.Element, value: str | int) -> None:
        place = self.path.split("/@")[0]
        _xml.drop(root, place)
        if value != self.empty:
            _xml.put(root, f"{place}/@state", "on")
            super().write(root, value)


def _check_hyperv(hyperv: facet.Values) -> None:
    if hyperv.setdefault("mode", "custom") != "custom" and len(hyperv) > 1:
        raise _errors.InvalidInput.of("hyperv.mode", hyperv["mode"], "the other options of hyperv need the mode custom")
    if "enlightenments" in hyperv:
        names = hyperv["enlightenments"] = tuple(sorted(set(hyperv["enlightenments"])))
        for name in names:
            if _NEEDS.get(name, name) not in names:
                raise _errors.InvalidInput.of("hyperv.enlightenments", list(names), f"{name} needs {_NEEDS[name]}")
    if 0 != hyperv.get("spinlocks", 0) < _LEAST_SPINLOCKS:
        raise _errors.InvalidInput.of(
            "hyperv.spinlocks", hyperv["spinlocks"], f"{_LEAST_SPINLOCKS} or more, or 0 for none, is needed"
        )
    if not re.fullmatch(r"[^,]{0,12}", hyperv.get("vendor_id", "")):
        raise _errors.InvalidInput.of(
            "hyperv.vendor_id", hyperv["vendor_id"], "it has 12 characters at most, and no comma"
        )


def _prepare_hyperv(root: _xml.Element, hyperv: facet.Values) -> None:
    if hyperv["mode"] == "passthrough":
        # What QEMU is to pass through can't be chosen, too.
        _xml.drop(root, "features/hyperv/*")


# Source: libvirt domain XML, "Hypervisor features", hyperv.
HYPERV = facet.mapping_facet(
    "hyperv",
    {
        "mode": {"type": "str", "choices": ["custom", "passthrough"]},
        "enlightenments": {"type": "list", "elements": "str", "choices": _ENLIGHTENMENTS},
        "spinlocks": {"type": "int"},
        "vendor_id": {"type": "str"},
    },
    (
        _field.Field("mode", "features/hyperv/@mode", empty="custom"),
        _Enlightenments(),
        _Switched("spinlocks", "features/hyperv/spinlocks/@retries", _field.INTEGER, empty=0),
        _Switched("vendor_id", "features/hyperv/vendor_id/@value", empty=""),
    ),
    _check_hyperv,
    _prepare_hyperv,
)
