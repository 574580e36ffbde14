# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The board that a guest believes to run on: SMBIOS tables, clock and timers, Hyper-V enlightenments."""

from __future__ import annotations

import re

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facet import Facet, given_keys, mapping_facet
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._field import INTEGER, YES_NO, Field
from ansible_collections.kvmfleet.compute.plugins.module_utils._xml import element_of

# Section of smbios: its element, and its entries. Source: libvirt domain XML, "SMBIOS System Information".
_SECTIONS = {
    "bios": ("bios", ("vendor", "version", "date", "release")),
    "system": ("system", ("manufacturer", "product", "version", "serial", "sku", "family")),
    "baseboard": ("baseBoard", ("manufacturer", "product", "version", "serial", "asset", "location")),
    "chassis": ("chassis", ("manufacturer", "version", "serial", "asset", "sku")),
}
_SMBIOS_OPTIONS = {
    section: {"type": "dict", "options": {name: {"type": "str"} for name in names}}
    for section, (_tag, names) in _SECTIONS.items()
}
_SMBIOS_OPTIONS["mode"] = {"type": "str", "choices": ["emulate", "host", "sysinfo"]}
_SMBIOS_OPTIONS["oem_strings"] = {"type": "list", "elements": "str"}
_MODE = Field("mode", "os/smbios/@mode", empty="emulate")


def _parse_smbios(params):
    smbios = given_keys(params.get("smbios"))
    for section in _SECTIONS:
        if section in smbios:
            smbios[section] = given_keys(smbios[section])
    if "oem_strings" in smbios:
        smbios["oem_strings"] = tuple(smbios["oem_strings"])
    if smbios and smbios.setdefault("mode", "sysinfo") != "sysinfo" and len(smbios) > 1:
        raise InvalidInput.of("smbios.mode", smbios["mode"], "the other options of smbios need the mode sysinfo")
    date = smbios.get("bios", {}).get("date")
    if date and not re.fullmatch(r"\d{2}/\d{2}/(\d{2}|\d{4})", date):
        raise InvalidInput.of("smbios.bios.date", date, "a date such as 12/31/2026 is needed")
    return {"smbios": smbios} if smbios else {}


def _read_smbios(root, wanted):
    return {
        option: {key: _read_section(root, key, value) for key, value in smbios.items()}
        for option, smbios in wanted.items()
    }


def _read_section(root, key, wanted):
    if key == "mode":
        return _MODE.read(root)
    if key == "oem_strings":
        return tuple(entry.text or "" for entry in root.findall("sysinfo[@type='smbios']/oemStrings/entry"))
    path = f"sysinfo[@type='smbios']/{_SECTIONS[key][0]}/entry[@name='%s']"
    return {name: root.findtext(path % name) or "" for name in wanted}


def _write_smbios(root, wanted):
    for smbios in wanted.values():
        info = root.find("sysinfo[@type='smbios']")
        if info is None:
            info = element_of("sysinfo", {"type": "smbios"})
            root.append(info)
        for key, value in smbios.items():
            if key == "mode":
                _MODE.write(root, value)
            elif key == "oem_strings":
                _xml.drop(info, "oemStrings")
                _xml.ensure(info, "oemStrings").extend(element_of("entry", text=text) for text in value)
            else:
                _write_entries(_xml.ensure(info, _SECTIONS[key][0]), value)
        for section in (*info, info):
            if not len(section):
                section.getparent().remove(section)


def _write_entries(section, entries):
    for name, text in entries.items():
        _xml.drop(section, f"entry[@name='{name}']")
        if text:
            section.append(element_of("entry", {"name": name}, text))


SMBIOS = Facet(
    options={"smbios": {"type": "dict", "options": _SMBIOS_OPTIONS}},
    parse=_parse_smbios,
    read=_read_smbios,
    write=_write_smbios,
)


_TIMERS = ("rtc", "pit", "hpet", "tsc", "kvmclock", "hypervclock", "platform", "armvtimer")
_TIMER_FIELDS = (
    Field("present", "@present", YES_NO),
    Field("tickpolicy", "@tickpolicy"),
    Field("track", "@track"),
    Field("frequency", "@frequency", INTEGER),
    Field("mode", "@mode"),
)
_CLOCK_FIELDS = (Field("offset", "clock/@offset", empty="utc"), Field("timezone", "clock/@timezone"))


def _parse_clock(params):
    clock = given_keys(params.get("clock"))
    zone = clock.get("timezone")
    if zone is not None:
        if clock.setdefault("offset", "timezone") != "timezone":
            raise InvalidInput.of("clock.timezone", zone, f"the offset {clock['offset']} has no time zone")
        if not re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", zone):
            raise InvalidInput.of("clock.timezone", zone, "the name of a time zone is needed, such as Europe/Paris")
    elif clock.get("offset") == "timezone":
        raise InvalidInput.of("clock.offset", "timezone", "it needs clock.timezone")
    if "timers" in clock:
        clock["timers"] = tuple(given_keys(timer) for timer in clock["timers"])
        names = [timer["name"] for timer in clock["timers"]]
        for name in names:
            if names.count(name) > 1:
                raise InvalidInput.of("clock.timers", name, "each timer may be named once")
    return {"clock": clock} if clock else {}


def _read_clock(root, wanted):
    return {option: _read_clock_keys(root, clock) for option, clock in wanted.items()}


def _read_clock_keys(root, clock):
    found = {row.option: row.read(root) for row in _CLOCK_FIELDS if row.option in clock}
    if "timers" in clock:
        found["timers"] = tuple(_read_timer(_timer(root, timer["name"]), timer) for timer in clock["timers"])
    return found


def _timer(root, name):
    return root.find(f"clock/timer[@name='{name}']")


def _read_timer(element, wanted):
    if element is None:
        return None
    return dict({row.option: row.read(element) for row in _TIMER_FIELDS if row.option in wanted}, name=wanted["name"])


def _write_clock(root, wanted):
    for clock in wanted.values():
        if "offset" in clock and _CLOCK_FIELDS[0].read(root) != clock["offset"]:
            # What belongs to another offset would contradict this one.
            for name in ("timezone", "adjustment", "basis", "start"):
                _xml.put(root, f"clock/@{name}", None)
        for row in _CLOCK_FIELDS:
            if row.option in clock:
                _xml.put(root, row.path, clock[row.option])
        for timer in clock.get("timers", ()):
            element = _timer(root, timer["name"])
            if element is None:
                element = element_of("timer", {"name": timer["name"]})
                _xml.ensure(root, "clock").append(element)
            for row in _TIMER_FIELDS:
                if row.option in timer:
                    row.write(element, timer[row.option])


# Source: libvirt domain XML, "Time keeping".
CLOCK = Facet(
    options={
        "clock": {
            "type": "dict",
            "options": {
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
        },
    },
    parse=_parse_clock,
    read=_read_clock,
    write=_write_clock,
)


_ENLIGHTENMENTS = (
    "relaxed vapic vpindex runtime synic stimer reset frequencies reenlightenment tlbflush ipi evmcs avic emsr_bitmap xmm_input"
).split()
# QEMU starts no guest that has the one without the other. Source: QEMU, "Hyper-V Enlightenments".
_NEEDS = {"synic": "vpindex", "stimer": "synic", "tlbflush": "vpindex", "ipi": "vpindex"}
_LEAST_SPINLOCKS = 4095


class _Enlightenments:
    """The names of those that are on; each is an element of its own."""

    option = "enlightenments"

    def read(self, root):
        return tuple(
            sorted(name for name in _ENLIGHTENMENTS if _xml.get(root, f"features/hyperv/{name}/@state") == "on")
        )

    def write(self, root, value):
        for name in _ENLIGHTENMENTS:
            if name in value:
                _xml.put(root, f"features/hyperv/{name}/@state", "on")
            else:
                _xml.drop(root, f"features/hyperv/{name}")


class _Switched(Field):
    """A value beside a state that has to be on."""

    def write(self, root, value):
        place = self.path.split("/@")[0]
        _xml.drop(root, place)
        if value != self.empty:
            _xml.put(root, f"{place}/@state", "on")
            super().write(root, value)


def _check_hyperv(hyperv):
    if hyperv.setdefault("mode", "custom") != "custom" and len(hyperv) > 1:
        raise InvalidInput.of("hyperv.mode", hyperv["mode"], "the other options of hyperv need the mode custom")
    if "enlightenments" in hyperv:
        names = hyperv["enlightenments"] = tuple(sorted(set(hyperv["enlightenments"])))
        for name in names:
            if _NEEDS.get(name, name) not in names:
                raise InvalidInput.of("hyperv.enlightenments", list(names), f"{name} needs {_NEEDS[name]}")
    if 0 != hyperv.get("spinlocks", 0) < _LEAST_SPINLOCKS:
        raise InvalidInput.of(
            "hyperv.spinlocks", hyperv["spinlocks"], f"{_LEAST_SPINLOCKS} or more, or 0 for none, is needed"
        )
    if not re.fullmatch(r"[^,]{0,12}", hyperv.get("vendor_id", "")):
        raise InvalidInput.of("hyperv.vendor_id", hyperv["vendor_id"], "it has 12 characters at most, and no comma")


def _prepare_hyperv(root, hyperv):
    if hyperv["mode"] == "passthrough":
        # What QEMU is to pass through can't be chosen, too.
        _xml.drop(root, "features/hyperv/*")


# Source: libvirt domain XML, "Hypervisor features", hyperv.
HYPERV = mapping_facet(
    "hyperv",
    {
        "mode": {"type": "str", "choices": ["custom", "passthrough"]},
        "enlightenments": {"type": "list", "elements": "str", "choices": _ENLIGHTENMENTS},
        "spinlocks": {"type": "int"},
        "vendor_id": {"type": "str"},
    },
    (
        Field("mode", "features/hyperv/@mode", empty="custom"),
        _Enlightenments(),
        _Switched("spinlocks", "features/hyperv/spinlocks/@retries", INTEGER, empty=0),
        _Switched("vendor_id", "features/hyperv/vendor_id/@value", empty=""),
    ),
    _check_hyperv,
    _prepare_hyperv,
)
