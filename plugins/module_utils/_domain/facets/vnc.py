# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The VNC console."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facet import Facet, enable_by_use, given_keys
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._xml import element_of

OPTIONS = {
    "vnc": {
        "type": "dict",
        "options": {
            "enabled": {"type": "bool"},
            "listen": {"type": "str"},
            "port": {"type": "str"},
            "password": {"type": "str", "no_log": True},
        },
    },
}
AUTO = "auto"
# The VNC protocol uses the first eight characters of a password and ignores the rest (RFC 6143, 7.2.2).
PASSWORD_LENGTH = 8


def parse(params):
    if params.get("vnc") is None:
        return {}
    vnc = given_keys(params["vnc"])
    if "port" in vnc:
        vnc["port"] = _parse_port(vnc["port"])
    if len(vnc.get("password", "")) > PASSWORD_LENGTH:
        raise InvalidInput("vnc.password: the given password is too long; VNC uses 8 characters at most")
    if vnc:
        enable_by_use("vnc", vnc)
    return {"vnc": vnc} if vnc else {}


def _parse_port(value):
    if value == AUTO:
        return AUTO
    if not value.isdigit() or not 5900 <= int(value) <= 65535:
        raise InvalidInput.of("vnc.port", value, "a port between 5900 and 65535 or auto is needed")
    return value


def _graphics(root):
    return root.find("devices/graphics[@type='vnc']")


def read(root, wanted):
    if not wanted:
        return {}
    graphics = _graphics(root)
    values = {"enabled": graphics is not None}
    if graphics is not None:
        values["listen"] = _xml.get(graphics, "listen/@address") or graphics.get("listen")
        values["port"] = AUTO if graphics.get("autoport") == "yes" else graphics.get("port")
        values["password"] = graphics.get("passwd", "")
    return {"vnc": {key: values.get(key) for key in wanted["vnc"]}}


def write(root, wanted):
    if read(root, wanted) == wanted:
        return
    vnc = wanted["vnc"]
    graphics = _graphics(root)
    devices = root.find("devices")
    if not vnc["enabled"]:
        devices.remove(graphics)
        return
    if graphics is None:
        graphics = element_of("graphics", {"type": "vnc", "port": "-1", "autoport": "yes"})
        devices.append(graphics)
    if "listen" in vnc:
        _write_listen(graphics, vnc["listen"])
    if "port" in vnc:
        automatic = vnc["port"] == AUTO
        graphics.set("autoport", "yes" if automatic else "no")
        graphics.set("port", "-1" if automatic else vnc["port"])
    if "password" in vnc:
        _xml.put(graphics, "@passwd", vnc["password"] or None)


def _write_listen(graphics, address):
    """The address stands twice, as an attribute and in <listen>; libvirt refuses a definition where they differ."""
    graphics.set("listen", address)
    for element in graphics.findall("listen"):
        graphics.remove(element)
    graphics.insert(0, element_of("listen", {"type": "address", "address": address}))


def launch(wanted, guest):
    """A new guest has a VNC console that only the host itself can reach."""
    given = wanted.get("vnc", {})
    if given.get("enabled") is False or not guest.has_graphics:
        return {}
    return {"vnc": dict({"enabled": True, "listen": "127.0.0.1", "port": AUTO}, **given)}


FACET = Facet(options=OPTIONS, parse=parse, read=read, write=write, launch=launch, secret=("vnc.password",))
