# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Network interfaces: on a libvirt network or on a bridge of the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _match, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet, metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._inet import parse_bridge, parse_mac, random_mac

OPTIONS = {
    "interfaces": {
        "type": "list",
        "elements": "dict",
        "options": {
            "network": {"type": "str"},
            "bridge": {"type": "str"},
            "mac": {"type": "str"},
            "alias": {"type": "str"},
            "model": {"type": "str"},
            "mtu": {"type": "int"},
            "boot_order": {"type": "int"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
}


class SourceField(_field.Row):
    """The network or bridge that an interface is on, as the pair (type, name): they change together.

    Source: libvirt domain XML, "Network interfaces".
    """

    option = "source"

    def read(self, root: _xml.Element) -> tuple[str, str | None]:
        kind = root.get("type")
        return (kind, _xml.get(root, f"source/@{kind}"))

    def write(self, root: _xml.Element, value: tuple[str, str]) -> None:
        kind, name = value
        if root.get("type") != kind:
            self._leave(root, kind)
        root.set("type", kind)
        source = root.find("source")
        if source is not None:
            # What belongs to the old place (port group, port id, the other type's name) has no meaning in the new one.
            root.remove(source)
        root.append(_xml.element_of("source", {kind: name}))

    @staticmethod
    def _leave(root: _xml.Element, kind: str) -> None:
        """Remove what another type of interface has, and this one can't have; filters and VLANs stay."""
        for tag in ("ip", "route", "portForward", "backend[@type]"):
            _xml.drop(root, tag)
        if root.get("type") == "hostdev":
            _xml.put(root, "@managed", None)
            _xml.drop(root, "driver")
        port = root.find("virtualport")
        if port is not None and kind == "bridge" and port.get("type") not in ("openvswitch", "midonet"):
            root.remove(port)


class _ShownSource(_field.Row):
    """The name of the network, the bridge or another device."""

    option = "source"

    def read(self, root: _xml.Element) -> str | None:
        kind, source = root.get("type"), root.find("source")
        return None if source is None else source.get(kind) or source.get("dev") or source.get("path")


def _identity(item: facet.Values) -> Any:
    """A MAC or an alias (libvirt keeps those that start with `ua-`) names an interface. Of several with one MAC, such as a pair for
    failover, the one that the item agrees with is meant.

    An item without either means an interface that needs no change.
    """
    if "mac" in item:
        return (
            item["mac"],
            lambda element: KIND.label(element) == item["mac"],
            lambda element: KIND.agrees(element, item),
        )
    if "alias" in item:
        return item["alias"], lambda element: _xml.get(element, "alias/@name") == item["alias"]
    return [lambda element: KIND.agrees(element, item)]


def _normalised(option: str, item: facet.Values) -> facet.Values:
    return dict(item, mac=parse_mac(f"{option}.mac", item["mac"])) if "mac" in item else item


def _new(item: facet.Values) -> _xml.Element:
    """A new interface is virtio unless its model is given."""
    interface = _xml.element_of("interface", {"type": item["source"][0]})
    interface.append(_xml.element_of("model", {"type": "virtio"}))
    return interface


_FIELDS = (
    _field.Field("mac", "mac/@address"),
    _field.Field("alias", "alias/@name"),
    _field.Field("model", "model/@type"),
    _field.Field("mtu", "mtu/@size", _field.INTEGER),
)
KIND = facet.DeviceKind(
    option="interfaces",
    tag="interface",
    fields=(SourceField(), *_FIELDS, _field.Field("boot_order", "boot/@order", _field.INTEGER)),
    shown=(
        *_FIELDS,
        _field.Field("type", "@type"),
        _ShownSource(),
        _field.Field("target", "target/@dev"),
        _field.Field("filter", "filterref/@filter"),
    ),
    identify=_identity,
    new=_new,
    label=lambda element: _xml.get(element, "mac/@address"),
    identity=("mac", "alias"),
    normalise=_normalised,
    # libvirt moves the tap device of an interface to another bridge; other interfaces have none.
    live_fields=lambda element: ("source",) if element.get("type") in ("network", "bridge") else (),
)


def assign_macs(items: Sequence[facet.Values], root: _xml.Element) -> tuple[facet.Values, ...]:
    """Return the items, each that has no name with the MAC address of the interface that it means; a new one has none.

    Such an item means an interface that needs no change, else one that we made for it or for another item without a name.
    """
    return tuple(
        dict(item, mac=KIND.label(element))
        if _is_nameless(item) and element is not None and KIND.label(element)
        else item
        for item, element in _meant_pairs(root, items)
    )


def write_in_order(root: _xml.Element, items: Sequence[facet.Values]) -> None:
    """Give the interfaces of a guest that is made like another what the items without a name say, in their order."""
    for item, element in zip(items, KIND.elements(root)):
        if _is_nameless(item):
            KIND.write_fields(element, item)


def record_new(root: _xml.Element, items: Sequence[facet.Values]) -> None:
    """Give the interfaces that a definition has for items without a name a MAC address each, and record them as ours.

    items: those of the task. A guest that is not managed has no record.
    """
    found = metadata.read(root)
    if found is None:
        return
    known = [KIND.label(element) for element in KIND.elements(root)]
    records = [record for record in found.interfaces if record.mac in known]
    for place, (item, element) in enumerate(_meant_pairs(root, items)):
        if _is_nameless(item) and element is not None and not KIND.label(element):
            mac = random_mac(known)
            element.insert(0, _xml.element_of("mac", {"address": mac}))
            known.append(mac)
            records = [record for record in records if record.place != str(place)]
            records.append(metadata.Interface(str(place), mac))
    if tuple(records) != found.interfaces:
        metadata.write(root, replace(found, interfaces=tuple(records)))


def _is_nameless(item: facet.Values) -> bool:
    return "mac" not in item and "alias" not in item


def _meant_pairs(root: _xml.Element, items: Sequence[facet.Values]) -> list[tuple[facet.Values, _xml.Element | None]]:
    """Return (item, element or None) for each item, by what a definition records of our interfaces, too."""
    found = metadata.read(root)
    places: dict[str | None, str] = {record.mac: record.place for record in found.interfaces} if found else {}
    identities = [_meant(item, str(index), places) for index, item in enumerate(items)]
    return list(zip(items, _match.pair(KIND.option, identities, KIND.elements(root))))


def _meant(item: facet.Values, place: str, places: dict[str | None, str]) -> Any:
    """See _match.pair. places: by the MAC address of an interface that we made, the place of its item."""
    if not _is_nameless(item):
        return _identity(item)

    def is_ours(element: _xml.Element) -> bool:
        return KIND.label(element) in places

    def is_at_place(element: _xml.Element) -> bool:
        return is_ours(element) and places[KIND.label(element)] == place

    def agrees(element: _xml.Element) -> bool:
        return KIND.agrees(element, item)

    def is_on_source(element: _xml.Element) -> bool:
        return SourceField().read(element) == item["source"]

    return [
        lambda element: is_at_place(element) and agrees(element),
        agrees,
        lambda element: is_ours(element) and is_on_source(element),
        is_at_place,
    ]


def parse(params: facet.Values) -> facet.Values:
    if params.get("interfaces") is None:
        return {}
    return {"interfaces": tuple(_parse_one(index, item) for index, item in enumerate(params["interfaces"]))}


def _parse_one(index: int, given: facet.Values) -> facet.Values:
    option = f"interfaces[{index}]"
    item = facet.without_empty(facet.given_keys(given), ("mtu", "boot_order"))
    if ("network" in item) == ("bridge" in item):
        raise _errors.InvalidInput.of(option, given, "an interface has either network or bridge")
    kind = "network" if "network" in item else "bridge"
    item["source"] = (kind, item.pop(kind))
    if kind == "bridge":
        parse_bridge(f"{option}.bridge", item["source"][1])
    if item.get("mtu") is not None and not 68 <= item["mtu"] <= 65535:
        raise _errors.InvalidInput.of(f"{option}.mtu", item["mtu"], "it is from 68 to 65535 bytes")
    item = _normalised(option, item)
    if "alias" in item and not item["alias"].startswith("ua-"):
        raise _errors.InvalidInput.of(
            f"{option}.alias", item["alias"], "libvirt keeps only aliases that start with ua-"
        )
    return item


def read(root: _xml.Element, wanted: facet.Values) -> facet.Values:
    return {"interfaces": KIND.read(root, wanted["interfaces"])} if wanted else {}


def write(root: _xml.Element, wanted: facet.Values) -> None:
    if wanted:
        KIND.write(root, wanted["interfaces"])


FACET = facet.Facet(
    options=OPTIONS,
    parse=parse,
    read=read,
    write=write,
    hotplug=lambda live, wanted, after: KIND.hotplug(live, wanted["interfaces"], after),
    describe=KIND.describe,
)
