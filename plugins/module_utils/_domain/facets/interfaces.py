# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Network interfaces: on a libvirt network or on a bridge of the host."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facet import DeviceKind, Facet
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._field import INTEGER, Field
from ansible_collections.kvmfleet.compute.plugins.module_utils._mac import parse_mac
from ansible_collections.kvmfleet.compute.plugins.module_utils._xml import element_of

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


class SourceField:
    """The network or bridge that an interface is on, as the pair (type, name): they change together.

    Source: libvirt domain XML, "Network interfaces".
    """

    option = "source"

    def read(self, element):
        kind = element.get("type")
        return (kind, _xml.get(element, f"source/@{kind}"))

    def write(self, element, value):
        kind, name = value
        element.set("type", kind)
        source = element.find("source")
        if source is not None:
            # What belongs to the old place (port group, port id, the other type's name) has no meaning in the new one.
            element.remove(source)
        element.append(element_of("source", {kind: name}))


def _identity(item):
    """A MAC or an alias (libvirt keeps those that start with `ua-`) names an interface; else its place in the list does."""
    if "mac" in item:
        return item["mac"], lambda element: _xml.get(element, "mac/@address") == item["mac"]
    if "alias" in item:
        return item["alias"], lambda element: _xml.get(element, "alias/@name") == item["alias"]
    return None


def _normalised(option, item):
    return dict(item, mac=parse_mac(f"{option}.mac", item["mac"])) if "mac" in item else item


def _new(item):
    """A new interface is virtio unless its model is given."""
    interface = element_of("interface", {"type": item["source"][0]})
    interface.append(element_of("model", {"type": "virtio"}))
    return interface


KIND = DeviceKind(
    option="interfaces",
    tag="interface",
    fields=(
        SourceField(),
        Field("mac", "mac/@address"),
        Field("alias", "alias/@name"),
        Field("model", "model/@type"),
        Field("mtu", "mtu/@size", INTEGER),
        Field("boot_order", "boot/@order", INTEGER),
    ),
    identify=_identity,
    new=_new,
    label=lambda element: _xml.get(element, "mac/@address"),
    identity=("mac", "alias"),
    normalise=_normalised,
    live_fields=lambda element: ("source",),
)


def parse(params):
    if params.get("interfaces") is None:
        return {}
    return {"interfaces": tuple(_parse_one(index, item) for index, item in enumerate(params["interfaces"]))}


def _parse_one(index, given):
    option = f"interfaces[{index}]"
    item = {key: value for key, value in given.items() if value is not None}
    if ("network" in item) == ("bridge" in item):
        raise InvalidInput.of(option, given, "an interface has either network or bridge")
    kind = "network" if "network" in item else "bridge"
    item["source"] = (kind, item.pop(kind))
    item = _normalised(option, item)
    if "alias" in item and not item["alias"].startswith("ua-"):
        raise InvalidInput.of(f"{option}.alias", item["alias"], "libvirt keeps only aliases that start with ua-")
    return item


def read(root, wanted):
    return {"interfaces": KIND.read(root, wanted["interfaces"])} if wanted else {}


def write(root, wanted):
    if wanted:
        KIND.write(root, wanted["interfaces"])


FACET = Facet(
    options=OPTIONS,
    parse=parse,
    read=read,
    write=write,
    hotplug=lambda live, wanted: KIND.hotplug(live, wanted["interfaces"]),
)
