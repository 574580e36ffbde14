# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What we keep with a guest, in the <metadata> of its definition, where it moves with the guest."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Protocol

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import etree

NAMESPACE = "urn:kvmfleet:compute:1"
PREFIX = "kvmfleet"


# The proof of a volume that was never made.
UNMADE = "none"


@dataclass(frozen=True)
class Volume:
    """A volume that we made for the guest, or are about to make.

    status: `planned` until it is complete, then `ready`; `next` while it is made to take the place of another, and
    `obsolete` once another has taken its place, so that it is to be deleted.
    place: the option that the volume was made for, such as `image` or `disks[0]`; empty in records of earlier versions.
    proof: its identity, see _storage.proof; empty or UNMADE until we have made it, and empty in records of earlier versions.
    """

    target: str
    pool: str
    name: str
    path: str
    status: str
    place: str = ""
    proof: str = ""

    @property
    def is_made(self) -> bool:
        """Whether we have made it: a plan to make it gives no right to what is there under its name."""
        return self.proof != UNMADE and (bool(self.proof) or self.status in ("ready", "obsolete"))


@dataclass(frozen=True)
class Interface:
    """An interface that we made for an item without a name: the item's place in the list, from 0, and the MAC address."""

    place: str
    mac: str


@dataclass(frozen=True)
class Rescue:
    """What brings a guest back from its rescue system: the rescue disk's target, and how the guest boots by itself.

    boot: the kinds of device of os/boot. orders: (device, place) of the devices with a boot order of their own.
    """

    target: str
    boot: tuple[str, ...] = ()
    orders: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Resize:
    """A resize on its way, with what the guest had before.

    status: `pending`; `confirming` once the old disk is being written to, from when on there is no way back; `confirmed` or
    `reverted` until all is tidied up.
    boot: the number of the run of the guest that has the old sizes still, None where it was off.
    vcpus, max_vcpus, memory, max_memory (KiB), flavor: the old sizes. target, type, path, format: the old root disk, and
    size the new one in bytes; all None when the disk does not grow.
    """

    status: str = "pending"
    boot: str | None = None
    vcpus: str | None = None
    max_vcpus: str | None = None
    memory: str | None = None
    max_memory: str | None = None
    flavor: str | None = None
    target: str | None = None
    type: str | None = None
    path: str | None = None
    format: str | None = None
    size: str | None = None

    @property
    def settled(self) -> bool:
        return self.status in ("confirmed", "reverted")


# See InstanceMetadata.applied.
APPLYING = "applying"


@dataclass(frozen=True)
class InstanceMetadata:
    """What we know of a managed guest besides its definition.

    applied: see applied.fingerprint; APPLYING from the moment that the definition is there until that is known of it.
    has_clones: linked clones were made of its disks. resized: how its last resize ended, `confirmed` or `reverted`.
    """

    flavor: str | None = None
    image: str | None = None
    tags: tuple[str, ...] = ()
    properties: dict[str, str] = field(default_factory=dict)
    delete_protection: bool = False
    volumes: tuple[Volume, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    applied: str | None = None
    rescue: Rescue | None = None
    resize: Resize | None = None
    has_clones: bool = False
    resized: str | None = None


class VolumeName(Protocol):
    """Anything that names a volume: a record, a plan, facts."""

    @property
    def pool(self) -> str: ...

    @property
    def name(self) -> str: ...


def _name(tag: str) -> str:
    return f"{{{NAMESPACE}}}{tag}"


def of_text(text: str) -> InstanceMetadata:
    """Return the InstanceMetadata of our element alone, as libvirt hands it out: without the namespace."""
    element = _xml.parse(text)
    for part in element.iter():
        part.tag = _name(part.tag)
    return _of_element(element)


def find(root: _xml.Element) -> _xml.Element | None:
    """Return our element in a definition, None when there is none."""
    return root.find(f"metadata/{_name('instance')}")


def read(root: _xml.Element) -> InstanceMetadata | None:
    """Return the InstanceMetadata of a definition, None when the guest is not managed by us."""
    element = find(root)
    return None if element is None else _of_element(element)


def of_managed(root: _xml.Element) -> InstanceMetadata:
    """Return the InstanceMetadata of a definition. Raises Conflict when the guest is not managed by us, or not any more."""
    found = read(root)
    if found is None:
        raise _errors.Conflict(
            f"the guest {root.findtext('name')!r} is not managed any more; its definition has lost our metadata"
        )
    return found


def _of_element(element: _xml.Element) -> InstanceMetadata:
    return InstanceMetadata(
        flavor=element.findtext(_name("flavor")),
        image=element.findtext(_name("image")),
        applied=element.findtext(_name("applied")),
        resized=element.findtext(_name("resized")),
        tags=tuple(tag.text or "" for tag in element.findall(_name("tag"))),
        properties={item.get("name"): item.text or "" for item in element.findall(_name("property"))},
        delete_protection=element.find(_name("delete_protection")) is not None,
        has_clones=element.find(_name("has_clones")) is not None,
        volumes=tuple(_volume(item) for item in element.findall(_name("volume"))),
        interfaces=tuple(
            Interface(item.get("place", ""), item.get("mac", "")) for item in element.findall(_name("interface"))
        ),
        rescue=_rescue(element.find(_name("rescue"))),
        resize=_resize(element.find(_name("resize"))),
    )


def _rescue(element: _xml.Element | None) -> Rescue | None:
    if element is None:
        return None
    return Rescue(
        target=element.get("target", ""),
        boot=tuple(item.get("dev", "") for item in element.findall(_name("boot"))),
        orders=tuple((item.get("device", ""), item.get("place", "")) for item in element.findall(_name("order"))),
    )


def _volume(element: _xml.Element) -> Volume:
    """People edit definitions: what is missing is empty, so that it names no volume, and what is unknown is ignored."""
    return Volume(**{attribute.name: element.get(attribute.name, "") for attribute in fields(Volume)})


def _resize(element: _xml.Element | None) -> Resize | None:
    if element is None:
        return None
    return Resize(**{attribute.name: element.get(attribute.name, attribute.default) for attribute in fields(Resize)})


def to_element(found: InstanceMetadata) -> _xml.Element:
    """Return the element of an InstanceMetadata."""
    root = etree.Element(_name("instance"), nsmap={PREFIX: NAMESPACE})
    for tag in ("flavor", "image", "applied", "resized"):
        text = getattr(found, tag)
        if text is not None:
            etree.SubElement(root, _name(tag)).text = text
    for tag in found.tags:
        etree.SubElement(root, _name("tag")).text = tag
    for key in sorted(found.properties):
        etree.SubElement(root, _name("property"), name=key).text = found.properties[key]
    for flag in ("delete_protection", "has_clones"):
        if getattr(found, flag):
            etree.SubElement(root, _name(flag))
    for volume in found.volumes:
        etree.SubElement(root, _name("volume"), **vars(volume))
    for interface in found.interfaces:
        etree.SubElement(root, _name("interface"), **vars(interface))
    if found.rescue is not None:
        _add_rescue(root, found.rescue)
    if found.resize is not None:
        given = {name: value for name, value in vars(found.resize).items() if value is not None}
        etree.SubElement(root, _name("resize"), **given)
    return root


def _add_rescue(root: _xml.Element, rescue: Rescue) -> None:
    element = etree.SubElement(root, _name("rescue"), target=rescue.target)
    for device in rescue.boot:
        etree.SubElement(element, _name("boot"), dev=device)
    for device, place in rescue.orders:
        etree.SubElement(element, _name("order"), device=device, place=place)


def to_fragment(found: InstanceMetadata) -> _xml.Element:
    """Return the element as virDomainSetMetadata takes it: libvirt puts the namespace on the outermost one itself."""
    fragment = etree.Element("instance")
    fragment.extend(list(to_element(found)))
    return fragment


def write(root: _xml.Element, found: InstanceMetadata) -> None:
    """Put an InstanceMetadata into a definition, beside what other tools keep there."""
    parent = _xml.ensure(root, "metadata")
    for element in parent.findall(_name("instance")):
        parent.remove(element)
    parent.append(to_element(found))


def planned(found: InstanceMetadata | None) -> set[str]:
    """Return the targets of the volumes that an interrupted run has not finished; `found` is None for a guest that is not managed."""
    return {volume.target for volume in found.volumes if volume.status == "planned"} if found else set()


def with_volume_status(found: InstanceMetadata, changed: VolumeName, status: str) -> InstanceMetadata:
    """Return the metadata with another status of one volume."""
    return replace(
        found,
        volumes=tuple(
            replace(volume, status=status) if is_same(volume, changed) else volume for volume in found.volumes
        ),
    )


def recorded_volume(found: InstanceMetadata | None, named: VolumeName) -> Volume | None:
    """Return the record of a volume, None when there is none."""
    return next((volume for volume in (found.volumes if found else ()) if is_same(volume, named)), None)


def without_volume(found: InstanceMetadata, gone: VolumeName) -> InstanceMetadata:
    """Return the metadata without one volume."""
    return replace(found, volumes=tuple(volume for volume in found.volumes if not is_same(volume, gone)))


def is_same(one: VolumeName, other: VolumeName) -> bool:
    """Tell whether two records or plans mean the same volume."""
    return (one.pool, one.name) == (other.pool, other.name)


def resize_overlay(found: InstanceMetadata | None) -> Volume | None:
    """Return the Volume that a resize has the root disk on for the time being, None when the disk does not grow."""
    if found is None or found.resize is None or not found.resize.target:
        return None
    target = f"{found.resize.target}.resize"
    return next((volume for volume in found.volumes if volume.target == target), None)


def unmade_overlay(found: InstanceMetadata | None) -> str | None:
    """Return the target of the root disk whose overlay a resize has recorded but not made yet, None when there is none."""
    overlay = resize_overlay(found)
    unmade = overlay is not None and overlay.status == "planned"
    return found.resize.target if unmade and found and found.resize else None


def with_resize_status(found: InstanceMetadata, status: str) -> InstanceMetadata:
    """Return the metadata with another status of the resize."""
    return found if found.resize is None else replace(found, resize=replace(found.resize, status=status))


def without_resize(found: InstanceMetadata) -> InstanceMetadata:
    """Return the metadata once a resize is complete: all that is kept is how it ended."""
    return found if found.resize is None else replace(found, resize=None, resized=found.resize.status)
