# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What is done about a guest that hangs or that has crashed: the watchdog and the panic device.

Source: libvirt domain XML, "Watchdog devices" and "Panic device".
"""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _field, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet

# Newer versions of libvirt show the one that a q35 machine has built in.
_BUILT_IN = "itco"


def _watchdogs(root: _xml.Element) -> list[_xml.Element]:
    return root.findall("devices/watchdog")


def _plugged(root: _xml.Element) -> _xml.Element | None:
    return next((element for element in _watchdogs(root) if element.get("model") != _BUILT_IN), None)


class _Enabled(_field.Row):
    option = "enabled"

    def read(self, root: _xml.Element) -> bool:
        return _plugged(root) is not None

    def write(self, root: _xml.Element, value: bool) -> None:
        """_prepare makes it."""
        for element in _watchdogs(root):
            if not value and element.get("model") != _BUILT_IN:
                element.getparent().remove(element)


class _Model(_field.Row):
    option = "model"

    def read(self, root: _xml.Element) -> str | None:
        element = _plugged(root)
        return None if element is None else element.get("model")

    def write(self, root: _xml.Element, value: str) -> None:
        element: _xml.Element = _plugged(root)
        element.set("model", value)
        # Another model is another device, with another place.
        _xml.drop(element, "address")


class _Action(_field.Row):
    """QEMU has one action for all watchdogs of a guest, and libvirt refuses a definition that has several."""

    option = "action"

    def read(self, root: _xml.Element) -> str | None:
        actions = {element.get("action", "reset") for element in _watchdogs(root)}
        return actions.pop() if len(actions) == 1 else None

    def write(self, root: _xml.Element, value: str) -> None:
        for element in _watchdogs(root):
            element.set("action", value)


def _prepare(root: _xml.Element, watchdog: facet.Values) -> None:
    if watchdog["enabled"] and _plugged(root) is None:
        model = "diag288" if (_xml.get(root, "os/type/@arch") or "").startswith("s390") else "i6300esb"
        action = _Action().read(root) or "reset"
        root.find("devices").append(_xml.element_of("watchdog", {"model": model, "action": action}))


WATCHDOG = facet.mapping_facet(
    "watchdog",
    {
        "enabled": {"type": "bool"},
        "model": {"type": "str", "choices": ["i6300esb", "ib700", "diag288"]},
        "action": {
            "type": "str",
            "choices": ["reset", "shutdown", "poweroff", "pause", "none", "dump", "inject-nmi"],
        },
    },
    (_Enabled(), _Model(), _Action()),
    lambda watchdog: facet.enable_by_use("watchdog", watchdog),
    _prepare,
)


def _new_panic(root: _xml.Element, panic: facet.Values) -> _xml.Element:
    arch = _xml.get(root, "os/type/@arch") or ""
    usual = next((model for start, model in _PANIC_MODELS if arch.startswith(start)), "isa")
    return _xml.element_of("panic", {"model": usual})


class _PanicModel(_field.Field):
    """Another model is another device, with another place."""

    def write(self, root: _xml.Element, value: str) -> None:
        super().write(root, value)
        _xml.drop(root, "address")


# By the beginning of the architecture's name.
_PANIC_MODELS = (("s390", "s390"), ("ppc", "pseries"), ("aarch64", "pvpanic"))
PANIC = facet.device_facet(
    "panic",
    "panic",
    {"model": {"type": "str", "choices": ["isa", "hyperv", "pseries", "s390", "pvpanic"]}},
    (_PanicModel("model", "@model"),),
    make=_new_panic,
)
