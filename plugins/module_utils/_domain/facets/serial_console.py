# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The serial console: interactive, and recorded in a log at the same time."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facet import Facet
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._xml import element_of

OPTIONS = {
    "serial_console": {
        "type": "dict",
        "options": {
            "enabled": {"type": "bool"},
            "log_file": {"type": "path"},
        },
    },
}
LOG_DIRECTORY = "/var/log/libvirt/qemu"


def parse(params):
    if params.get("serial_console") is None:
        return {}
    console = {key: value for key, value in params["serial_console"].items() if value is not None}
    log_file = console.get("log_file")
    if log_file and not log_file.startswith("/"):
        raise InvalidInput.of("serial_console.log_file", log_file, "an absolute path is needed")
    if log_file:
        console.setdefault("enabled", True)
        if not console["enabled"]:
            raise InvalidInput.of("serial_console.log_file", log_file, "a console that is not enabled has no log")
    return {"serial_console": console} if console else {}


def read(root, wanted):
    if not wanted:
        return {}
    values = {
        "enabled": root.find("devices/serial") is not None,
        "log_file": _xml.get(root, "devices/serial/log/@file"),
    }
    return {"serial_console": {key: values[key] for key in wanted["serial_console"]}}


def write(root, wanted):
    if read(root, wanted) == wanted:
        return
    console = wanted["serial_console"]
    devices = root.find("devices")
    # libvirt shows the first serial port a second time as <console>; it makes that twin anew from <serial>.
    for twin in devices.findall("console"):
        if _xml.get(twin, "target/@type") in (None, "serial"):
            devices.remove(twin)
    if console.get("enabled") is False:
        for element in devices.findall("serial"):
            devices.remove(element)
        return
    serial = devices.find("serial")
    if serial is None:
        serial = element_of("serial", {"type": "pty"})
        devices.append(serial)
    if "log_file" in console:
        _write_log(serial, console["log_file"])


def _write_log(serial, path):
    log = serial.find("log")
    if log is None:
        log = element_of("log", {"append": "off"})
        source = serial.find("source")
        serial.insert(0 if source is None else serial.index(source) + 1, log)
    log.set("file", path)


def launch(wanted, guest):
    """A new guest has a console; where the host's libvirt is the system's, with a log in libvirt's own directory."""
    given = wanted.get("serial_console", {})
    if given.get("enabled") is False:
        return {}
    console = dict({"enabled": True}, **given)
    if guest.system:
        console.setdefault("log_file", f"{LOG_DIRECTORY}/{guest.name}-serial0.log")
    return {"serial_console": console}


def _check(before, after, wanted):
    """The console is the first serial port; what the others are for, we do not know."""
    ports = before.findall("devices/serial")
    if wanted.get("serial_console", {}).get("enabled") is False and len(ports) > 1:
        raise InvalidInput.of(
            "serial_console.enabled", False, f"the guest has {len(ports)} serial ports; remove them with xml_patch"
        )


FACET = Facet(options=OPTIONS, parse=parse, read=read, write=write, check=_check, launch=launch)
