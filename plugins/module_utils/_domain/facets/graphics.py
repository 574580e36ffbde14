# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Graphical consoles: where they listen, and the password that opens them. So far VNC is one that can be asked for.

Source: libvirt domain XML, "Graphical framebuffers".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet

AUTO = "auto"
# The VNC protocol uses the first eight characters of a password and ignores the rest (RFC 6143, 7.2.2).
VNC_PASSWORD_LENGTH = 8


class _Listen(_field.Field):
    """The address stands twice, as an attribute and in <listen>; libvirt refuses a definition where they differ."""

    def read(self, root: _xml.Element) -> str | None:
        return _xml.get(root, "listen/@address") or super().read(root)

    def write(self, root: _xml.Element, value: str) -> None:
        super().write(root, value)
        _xml.drop(root, "listen")
        # A console on a socket of the host has no address.
        _xml.put(root, "@socket", None)
        root.insert(0, _xml.element_of("listen", {"type": "address", "address": value}))


class _Port(_field.Field):
    """A number, as text, or `auto` where libvirt chooses a free one at each start."""

    def read(self, root: _xml.Element) -> str | None:
        return AUTO if root.get("autoport") == "yes" else super().read(root)

    def write(self, root: _xml.Element, value: str) -> None:
        listener, kind = _xml.get(root, "listen/@type"), root.get("type")
        if listener in ("socket", "none") or root.get("socket"):
            where = "nowhere" if listener == "none" else "on a socket"
            raise _errors.InvalidInput.of(
                f"{kind}.port", value, f"the guest's {kind} console listens {where}; give {kind}.listen, too"
            )
        root.set("autoport", "yes" if value == AUTO else "no")
        super().write(root, "-1" if value == AUTO else value)


def graphics_facet(
    kind: str,
    check: Callable[[facet.Values], None],
    suboptions: facet.Values | None = None,
    fields: Iterable[_field.Field] = (),
    **kwargs: Any,
) -> facet.Facet:
    """Make the facet of a kind of graphical console, such as vnc, an option of that name.

    check(graphics) refuses what is wrong with the kind. suboptions, fields: what the kind has beside an address, a port and
    a password, below <graphics>.
    """

    def complete(graphics: facet.Values) -> None:
        if "port" in graphics:
            _check_port(f"{kind}.port", graphics["port"])
        check(graphics)
        facet.enable_by_use(kind, graphics)

    return facet.device_facet(
        kind,
        f"graphics[@type='{kind}']",
        {
            "listen": {"type": "str"},
            "port": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            **(suboptions or {}),
        },
        (_Listen("listen", "@listen"), _Port("port", "@port"), _field.Field("password", "@passwd", empty=""), *fields),
        make=lambda root, graphics: _xml.element_of("graphics", {"type": kind, "port": "-1", "autoport": "yes"}),
        complete=complete,
        secret=(f"{kind}.password",),
        **kwargs,
    )


def _check_port(option: str, value: str) -> None:
    if value != AUTO and not (value.isdigit() and 5900 <= int(value) <= 65535):
        raise _errors.InvalidInput.of(option, value, "a port between 5900 and 65535 or auto is needed")


def _check_vnc(vnc: facet.Values) -> None:
    if len(vnc.get("password", "")) > VNC_PASSWORD_LENGTH:
        raise _errors.InvalidInput("vnc.password: the given password is too long; VNC uses 8 characters at most")


def _launch_vnc(wanted: facet.Values, guest: Any) -> facet.Values:
    """A new guest has a VNC console that only the host itself can reach."""
    given = wanted.get("vnc", {})
    if given.get("enabled") is False or not guest.has_graphics:
        return {}
    return {"vnc": dict({"enabled": True, "listen": "127.0.0.1", "port": AUTO}, **given)}


# Until the guest runs, when libvirt chooses them, ports are -1.
_CHOSEN_PORT = _field.Codec(decode=lambda text: None if text == "-1" else int(text), encode=str)
_SHOWN = (
    _field.Field("type", "@type"),
    _Listen("listen", "@listen"),
    _field.Field("port", "@port", _CHOSEN_PORT),
    _field.Field("websocket", "@websocket", _CHOSEN_PORT),
    _field.Field("tls_port", "@tlsPort", _CHOSEN_PORT),
)


def _describe(root: _xml.Element) -> facet.Values:
    """All kinds, also those that can't be asked for. The password is never told."""
    return {"graphics": [_field.read_all(_SHOWN, element) for element in root.findall("devices/graphics")]}


VNC = graphics_facet("vnc", _check_vnc, launch=_launch_vnc, describe=_describe)
