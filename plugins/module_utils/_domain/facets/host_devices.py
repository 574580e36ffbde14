# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Devices of the host that a guest has to itself: PCI, USB, and mediated ones such as virtual GPUs.

Source: libvirt domain XML, "Host device assignment".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet

_HEX = "([0-9a-f]{%s})"
_PCI = re.compile(rf"(?:{_HEX % 4}:)?{_HEX % 2}:([01][0-9a-f])\.([0-7])")
_USB_PRODUCT = re.compile(f"{_HEX % 4}:{_HEX % 4}")
_USB_PLACE = re.compile(r"([0-9]{1,3})/([0-9]{1,3})")
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KINDS = ("pci", "usb", "mdev")


def _checked_pci(option: str, value: str) -> str:
    match = _PCI.fullmatch(value.lower())
    if not match:
        raise _errors.InvalidInput.of(option, value, "the address of a PCI device is needed, such as 0000:01:00.0")
    return "{}:{}:{}.{}".format(match[1] or "0000", match[2], match[3], match[4])


def _checked_usb(option: str, value: str) -> str:
    product, place = _USB_PRODUCT.fullmatch(value.lower()), _USB_PLACE.fullmatch(value)
    if product:
        return product[0]
    if place:
        return f"{int(place[1])}/{int(place[2])}"
    raise _errors.InvalidInput.of(
        option, value, "vendor:product, such as 046d:c52b, or bus/device, such as 1/4, is needed"
    )


def _checked_mdev(option: str, value: str) -> str:
    if not _UUID.fullmatch(value.lower()):
        raise _errors.InvalidInput.of(option, value, "the UUID of a mediated device is needed")
    return value.lower()


_CHECKS = {"pci": _checked_pci, "usb": _checked_usb, "mdev": _checked_mdev}


def _kind(item: facet.Values) -> str:
    return next(key for key in _KINDS if key in item)


def _normalised(option: str, item: facet.Values) -> facet.Values:
    kind = _kind(item)
    return dict(item, **{kind: _CHECKS[kind](f"{option}.{kind}", item[kind])})


def _parse_one(option: str, given: facet.Values) -> facet.Values:
    item = facet.given_keys(given)
    if sum(key in item for key in _KINDS) != 1:
        raise _errors.InvalidInput.of(
            option, item, "a device of the host is named by one of {}".format(", ".join(_KINDS))
        )
    if "managed" in item and "pci" not in item:
        raise _errors.InvalidInput.of(
            f"{option}.managed", item["managed"], "only PCI devices have a driver to be taken from"
        )
    return _normalised(option, item)


class _Address(_field.Row):
    """The device of one kind that an element names, None for one of another kind. Another address is another device."""

    def __init__(self, option: str, read: Callable[[_xml.Element], str | None]) -> None:
        self.option = option
        self._read = read

    def read(self, root: _xml.Element) -> str | None:
        return self._read(root.find("source")) if root.get("type") == self.option else None


def _number(element: _xml.Element, name: str) -> int:
    """libvirt writes these numbers with 0x or without, and reads both."""
    text = element.get(name, "0")
    return int(text, 16 if text.startswith("0x") else 10)


def _read_pci(source: _xml.Element) -> str:
    address = source.find("address")
    parts = (int(address.get(name, "0"), 16) for name in ("domain", "bus", "slot", "function"))
    return "{:04x}:{:02x}:{:02x}.{:x}".format(*parts)


def _pci_source(value: str) -> _xml.Element:
    domain, bus, slot, function = re.split("[:.]", value)
    numbers = {"domain": domain, "bus": bus, "slot": slot, "function": function}
    return _source(_xml.element_of("address", {name: f"0x{number}" for name, number in numbers.items()}))


def _read_usb(source: _xml.Element) -> str:
    vendor = source.find("vendor")
    if vendor is not None:
        return "{:04x}:{:04x}".format(int(vendor.get("id"), 16), int(source.find("product").get("id"), 16))
    address = source.find("address")
    return "{}/{}".format(_number(address, "bus"), _number(address, "device"))


def _usb_source(value: str) -> _xml.Element:
    if "/" in value:
        bus, device = value.split("/")
        return _source(_xml.element_of("address", {"bus": bus, "device": device}))
    vendor, product = value.split(":")
    return _source(_xml.element_of("vendor", {"id": f"0x{vendor}"}), _xml.element_of("product", {"id": f"0x{product}"}))


def _source(*parts: _xml.Element) -> _xml.Element:
    source = _xml.element_of("source")
    source.extend(parts)
    return source


_ADDRESSES = (
    _Address("pci", _read_pci),
    _Address("usb", _read_usb),
    _Address("mdev", lambda source: _xml.get(source, "address/@uuid")),
)
_SOURCES = {
    "pci": _pci_source,
    "usb": _usb_source,
    "mdev": lambda value: _source(_xml.element_of("address", {"uuid": value})),
}


def _label(element: _xml.Element) -> str | None:
    return next((found for found in (row.read(element) for row in _ADDRESSES) if found), None)


def _identity(item: facet.Values) -> Any:
    kind = _kind(item)
    return item[kind], lambda element: element.get("type") == kind and _label(element) == item[kind]


def _new(item: facet.Values) -> _xml.Element:
    """A PCI device is taken from its host's driver when the guest starts, and given back when it ends."""
    kind = _kind(item)
    device = _xml.element_of("hostdev", {"mode": "subsystem", "type": kind})
    if kind == "pci":
        device.set("managed", "yes")
    elif kind == "mdev":
        device.set("model", "vfio-pci")
    device.append(_SOURCES[kind](item[kind]))
    return device


KIND = facet.DeviceKind(
    option="host_devices",
    tag="hostdev[@mode='subsystem']",
    fields=(*_ADDRESSES, _field.Field("managed", "@managed", _field.YES_NO, empty=False)),
    identify=_identity,
    new=_new,
    label=_label,
    identity=_KINDS,
    normalise=_normalised,
)
FACET = facet.device_list_facet(
    KIND,
    {
        "pci": {"type": "str"},
        "usb": {"type": "str"},
        "mdev": {"type": "str"},
        "managed": {"type": "bool"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    },
    _parse_one,
)
