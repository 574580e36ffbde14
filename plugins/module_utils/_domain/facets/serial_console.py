# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The serial console: interactive, and recorded in a log at the same time."""

from __future__ import annotations

from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet

LOG_DIRECTORY = "/var/log/libvirt/qemu"


def _complete(console: facet.Values) -> None:
    log_file = console.get("log_file")
    if log_file and not log_file.startswith("/"):
        raise _errors.InvalidInput.of("serial_console.log_file", log_file, "an absolute path is needed")
    if log_file and not console.setdefault("enabled", True):
        raise _errors.InvalidInput.of("serial_console.log_file", log_file, "a console that is not enabled has no log")
    if not console.get("enabled", True):
        # An empty one, which names no file.
        console.pop("log_file", None)
    if log_file == "" and "log_file" in console:
        console["log_file"] = None


def _prepare(root: _xml.Element, console: facet.Values) -> None:
    devices = root.find("devices")
    # libvirt shows the first serial port a second time as <console>; it makes that twin anew from <serial>.
    for twin in devices.findall("console"):
        if _xml.get(twin, "target/@type") in (None, "serial"):
            devices.remove(twin)
    if console.get("enabled", True) and devices.find("serial") is None:
        devices.append(_xml.element_of("serial", {"type": "pty"}))


class _LogFile(_field.Field):
    def write(self, root: _xml.Element, value: str | None) -> None:
        if value is None:
            _xml.drop(root, "log")
            return
        if root.find("log") is None:
            source = root.find("source")
            root.insert(0 if source is None else root.index(source) + 1, _xml.element_of("log", {"append": "off"}))
        super().write(root, value)


def _console(root: _xml.Element) -> _xml.Element | None:
    """The first serial port is the console."""
    return root.find("devices/serial")


def launch(wanted: facet.Values, guest: Any) -> facet.Values:
    """A new guest has a console; where the host's libvirt is the system's, with a log in libvirt's own directory."""
    given = wanted.get("serial_console", {})
    if given.get("enabled") is False:
        return {}
    console = dict({"enabled": True}, **given)
    if guest.system:
        console.setdefault("log_file", f"{LOG_DIRECTORY}/{guest.name}-serial0.log")
    return {"serial_console": console}


def _check(before: _xml.Element, after: _xml.Element, wanted: facet.Values) -> None:
    """The console is the first serial port; what the others are for, we do not know."""
    ports = before.findall("devices/serial")
    if wanted.get("serial_console", {}).get("enabled") is False and len(ports) > 1:
        raise _errors.InvalidInput.of(
            "serial_console.enabled", False, f"the guest has {len(ports)} serial ports; remove them with xml_patch"
        )


def _describe(root: _xml.Element) -> facet.Values:
    """Some machines have a console that is no serial port."""
    element = root.find("devices/serial")
    if element is None:
        element = root.find("devices/console")
    if element is None:
        return {"serial_console": None}
    return {
        "serial_console": {
            "pty": _xml.get(element, "source/@path") if element.get("type") == "pty" else None,
            "log_file": _xml.get(element, "log/@file"),
        }
    }


FACET = facet.mapping_facet(
    "serial_console",
    {"enabled": {"type": "bool"}, "log_file": {"type": "path"}},
    (facet.Has("enabled", _console), *facet.within(_console, (_LogFile("log_file", "log/@file"),))),
    _complete,
    _prepare,
    check=_check,
    launch=launch,
    describe=_describe,
)
