# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Disks: what an item of the list asks for, and how a resolved disk stands in the definition."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _plan, _units, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import source

OPTIONS = {
    "disks": {
        "type": "list",
        "elements": "dict",
        "options": {
            "target": {"type": "str"},
            "device": {"type": "str", "choices": ["disk", "cdrom"]},
            "bus": {"type": "str", "choices": ["virtio", "scsi", "sata", "ide", "usb"]},
            "image": {"type": "str"},
            "image_mode": {"type": "str", "choices": ["overlay", "copy"]},
            "size": {"type": "str"},
            "pool": {"type": "str"},
            "volume": {"type": "str"},
            "source": {"type": "path"},
            "format": {"type": "str", "choices": ["qcow2", "raw"]},
            "serial": {"type": "str"},
            "cache": {
                "type": "str",
                "choices": ["default", "none", "writeback", "writethrough", "directsync", "unsafe"],
            },
            "io": {"type": "str", "choices": ["default", "native", "threads", "io_uring"]},
            "discard": {"type": "str", "choices": ["default", "unmap", "ignore"]},
            "iothread": {"type": "int"},
            "readonly": {"type": "bool"},
            "shareable": {"type": "bool"},
            "boot_order": {"type": "int"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
}
# Attributes of a disk that go into the definition as they are given.
PLAIN = ("bus", "device", "serial", "cache", "io", "discard", "iothread", "readonly", "shareable", "boot_order")
# Those that a disk can be without.
_OPTIONAL = ("serial", "cache", "io", "discard", "iothread", "boot_order")
TARGET_PREFIX = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd"}


@dataclass(frozen=True)
class DiskSpec:
    """One disk as it was asked for. Where it comes from is one of:

    a new volume (size, image or both; `pool`), an existing volume (`volume` in `pool`), an existing file or block device
    (`source`), or nothing (an empty CD-ROM drive, or a disk that the guest has already).
    `plain` holds the attributes that go into the definition as they are. `replaces`: another source takes its place.
    `ejects`: a CD-ROM drive is to be empty.
    """

    option: str
    target: str | None = None
    image: str | None = None
    image_mode: str = "overlay"
    size: int | None = None
    pool: str = "default"
    volume: str | None = None
    source: str | None = None
    format: str | None = None
    plain: tuple[tuple[str, Any], ...] = ()
    replaces: bool = False
    ejects: bool = False

    @property
    def attributes(self) -> facet.Values:
        return dict(self.plain)

    @property
    def creates_volume(self) -> bool:
        return self.image is not None or (
            self.size is not None and self.volume is None and self.source is None and not self.ejects
        )


def parse_disks(params: facet.Values, image: str | None, root_disk: str | None) -> tuple[DiskSpec, ...]:
    """Return the DiskSpecs of the list, led by the root disk that `image`, or a root_disk of its own, asks for.

    Raises InvalidInput.
    """
    given = [dict(item) for item in params.get("disks") or ()]
    options = [f"disks[{index}]" for index in range(len(given))]
    if image is not None or root_disk is not None:
        if (
            image is not None
            and given
            and given[0].get("image") is not None
            and given[0].get("target") in (None, "vda")
        ):
            raise _errors.InvalidInput.of("image", image, "disks[0] has an image already; give one of the two")
        given.insert(0, {"image": image, "size": root_disk})
        options.insert(0, "image")
    return tuple(_parse_one(option, item, params["pool"]) for option, item in zip(options, given))


def _parse_one(option: str, given: facet.Values, pool: str) -> DiskSpec:
    item: facet.Values = {"pool": pool}
    item.update({key: value for key, value in given.items() if value is not None})
    if "size" in item:
        item["size"] = _units.parse_size(
            "root_disk" if option == "image" else f"{option}.size", item["size"], minimum=1024 * 1024
        )
    _check_origin(option, item)
    if "target" in item and not re.fullmatch(r"(vd|sd|hd|fd|xvd)[a-z]+", item["target"]):
        raise _errors.InvalidInput.of(f"{option}.target", item["target"], "a device name such as vda or sdb is needed")
    if item.get("source") == "":
        item.update(source=None, ejects=True)
    elif "source" in item and not item["source"].startswith("/"):
        raise _errors.InvalidInput.of(f"{option}.source", item["source"], "an absolute path is needed")
    # Source: libvirt's schema of a domain.
    if not re.fullmatch(r"[A-Za-z0-9_.+ -]*", item.get("serial", "")):
        allowed = "a serial number has letters, digits, spaces and . _ + -"
        raise _errors.InvalidInput.of(f"{option}.serial", item["serial"], allowed)
    if item.get("iothread", 0) < 0:
        raise _errors.InvalidInput.of(
            f"{option}.iothread", item["iothread"], "a number of 1 or more is needed, or 0 for none"
        )
    item = facet.without_empty(item, _OPTIONAL)
    plain = tuple((key, item.pop(key)) for key in PLAIN if key in item)
    return DiskSpec(option=option, plain=plain, **item)


def _check_origin(option: str, item: facet.Values) -> None:
    origins = [key for key in ("image", "volume", "source") if key in item]
    if len(origins) > 1:
        raise _errors.InvalidInput.of(
            f"{option}.{origins[1]}", item[origins[1]], f"{option}.{origins[0]} is given already; a disk has one origin"
        )
    if item.get("device") == "cdrom" and ("image" in item or "size" in item):
        raise _errors.InvalidInput.of(f"{option}.device", "cdrom", "a CD-ROM is given by source or volume, or is empty")
    if "image_mode" in item and "image" not in item:
        raise _errors.InvalidInput.of(f"{option}.image_mode", item["image_mode"], f"it needs {option}.image")
    if (
        not origins
        and "size" not in item
        and item.get("device") != "cdrom"
        and "target" not in item
        and not item.get("serial")
    ):
        raise _errors.InvalidInput.of(
            option, item, "a disk needs one of image, size, volume, source, or the target of a disk that the guest has"
        )


class SourceField(_field.Row):
    """Where a disk's data is, as a DiskSource; None for an empty drive."""

    option = "path"

    def read(self, root: _xml.Element) -> source.DiskSource | None:
        return source.read(root)

    def write(self, root: _xml.Element, value: source.DiskSource | None) -> None:
        source.write(root, value)


class _ShownSource(_field.Row):
    """See DiskSource.text."""

    option = "source"

    def read(self, root: _xml.Element) -> str | None:
        found = source.read(root)
        return None if found is None else found.text


class BusField(_field.Field):
    """A disk on another bus has another address, which libvirt gives it when the old one is gone."""

    def write(self, root: _xml.Element, value: str) -> None:
        super().write(root, value)
        address = root.find("address")
        if address is not None:
            root.remove(address)


def _new_disk(item: facet.Values) -> _xml.Element:
    disk = _xml.element_of("disk", {"type": "file", "device": item.get("device", "disk")})
    disk.append(_xml.element_of("driver", {"name": "qemu"}))
    disk.append(_xml.element_of("target", {"dev": item["target"]}))
    return disk


_DEVICE = _field.Field("device", "@device", _field.TEXT, empty="disk")
_FIELDS = (
    _field.Field("format", "driver/@type"),
    BusField("bus", "target/@bus"),
    _field.Field("serial", "serial"),
    _field.Field("cache", "driver/@cache"),
    _field.Field("io", "driver/@io"),
    _field.Field("discard", "driver/@discard"),
    _field.Field("iothread", "driver/@iothread", _field.INTEGER),
    _field.Field("readonly", "readonly", _field.PRESENCE, empty=False),
    _field.Field("shareable", "shareable", _field.PRESENCE, empty=False),
    _field.Field("boot_order", "boot/@order", _field.INTEGER),
)


class _Disks(facet.DeviceKind):
    """A SCSI disk brings the controller that it needs."""

    def write(self, root: _xml.Element, items: Sequence[facet.Values]) -> None:
        super().write(root, items)
        if root.get("type") in ("kvm", "qemu") and root.find("devices/disk/target[@bus='scsi']") is not None:
            from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import plugging

            if root.find(plugging.SCSI_CONTROLLER) is None:
                root.find("devices").append(plugging.new_scsi_controller())

    def hotplug(
        self, live: _xml.Element, items: Sequence[facet.Values], after: _xml.Element
    ) -> tuple[_plan.Action, ...]:
        from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import plugging

        actions = []
        is_new = any(_xml.get(disk, "target/@bus") == "scsi" for _at, _item, disk in self.missing(live, items, after))
        controller = plugging.new_scsi_controller()
        if is_new and live.find(plugging.SCSI_CONTROLLER) is None and not plugging.plug_obstacle(live, controller):
            live.find("devices").append(controller)
            actions.append(_plan.Action("attach_controller", "virtio-scsi", controller))
        return (*actions, *super().hotplug(live, items, after))


KIND = _Disks(
    option="disks",
    tag="disk",
    fields=(_DEVICE, SourceField(), *_FIELDS),
    shown=(_DEVICE, *_FIELDS, _field.Field("target", "target/@dev"), _field.Field("type", "@type"), _ShownSource()),
    identify=lambda item: (item["target"], lambda element: _xml.get(element, "target/@dev") == item["target"]),
    new=_new_disk,
    label=lambda element: _xml.get(element, "target/@dev"),
    identity=("target",),
    # The medium in a drive can be changed; a disk is another device with other data.
    live_fields=lambda element: ("path", "format") if element.get("device") == "cdrom" else (),
)


def read(root: _xml.Element, wanted: facet.Values) -> facet.Values:
    if not wanted:
        return {}
    found = KIND.read(root, wanted["disks"])
    return {
        "disks": tuple(
            None if values is None else dict(values, target=item["target"])
            for item, values in zip(wanted["disks"], found)
        )
    }


def write(root: _xml.Element, wanted: facet.Values) -> None:
    if wanted:
        KIND.write(root, wanted["disks"])


# What a disk is made of depends on the host's pools and images: storage.resolve turns DiskSpecs into `disks`.
FACET = facet.Facet(
    options=OPTIONS,
    parse=lambda params: {},
    read=read,
    write=write,
    hotplug=lambda live, wanted, after: KIND.hotplug(live, wanted["disks"], after),
    describe=KIND.describe,
)
