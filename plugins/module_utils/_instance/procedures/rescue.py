# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Rescue: boot a guest from a disk of its own making, with all of its own disks at hand and in their order.

The rescue disk is an overlay on an image, appended to the guest's disks and first to boot (Nova calls it stable device
rescue). How the guest boots by itself is kept in its metadata until it is brought back.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _plan, _units, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.disks import KIND, TARGET_PREFIX
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.recorded import is_ready, retired
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.wait import await_agent
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import (
    power,
    procedure,
    storage,
    targets,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import proof
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.source import DiskSource
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.volumes import BLOCK_POOLS

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.metadata import InstanceMetadata

FORMAT = "qcow2"
USER = "root"


@dataclass(frozen=True)
class RescueSpec:
    """The rescue system: its image (None for the guest's own), the pool of its disk, and who may enter it."""

    image: str | None
    pool: str
    root_password: str | None
    authorized_keys: tuple[str, ...]
    timeout: float

    @property
    def opens(self) -> bool:
        return self.root_password is not None or bool(self.authorized_keys)


def parse(params: facet.Values) -> RescueSpec:
    """Return the RescueSpec of a task. Raises InvalidInput."""
    given = params.get("rescue") or {}
    if params["state"] != "rescued":
        raise _errors.InvalidInput.of(
            "rescue", sorted(key for key in given if given[key] is not None), "it needs state: rescued"
        )
    return RescueSpec(
        image=given.get("image"),
        pool=params["pool"],
        root_password=given.get("root_password"),
        authorized_keys=tuple(given.get("authorized_keys") or ()),
        timeout=_units.parse_duration("rescue.timeout", given.get("timeout") or "300s"),
    )


def _wanted(spec: procedure.InstanceSpec) -> Any:
    return spec.procedures.get("rescue")


def volume_name(spec: procedure.InstanceSpec) -> str:
    """Return the name of the rescue disk's volume."""
    return storage.volume_name(spec.name, "rescue", FORMAT)


def _image_name(spec: procedure.InstanceSpec, found: InstanceMetadata | None) -> str | None:
    """The image of the rescue system: the one that is asked for, or the one that the guest was made from."""
    return _wanted(spec).image or (found.image if found else None)


def needs(reading: procedure.Reading) -> procedure.Needs:
    """Return the Needs: the rescue system's image, and the volume of its disk."""
    spec, found = reading.spec, reading.record
    if _wanted(spec) is None:
        return procedure.Needs()
    image = None if found is None else _image_name(spec, found)
    images = frozenset() if image is None else frozenset({image})
    return procedure.Needs(images=images, volumes=frozenset({(_wanted(spec).pool, volume_name(spec))}))


def observe(reading: procedure.Reading, needs: procedure.Needs) -> frozenset[tuple[str, str]]:
    """Return {(pool, name)} of the rescue disk's volume when it is there and is ours, of a rescue that was interrupted or left."""
    images = [image for image in map(reading.storage.images.get, needs.images) if image is not None]
    wanted = [
        storage.NewVolume("", pool, name, "", FORMAT, 0, "overlay", image)
        for pool, name in needs.volumes
        for image in images
    ]
    begun = [volume for volume in wanted if not is_ready(reading.record, volume)]
    return proof.find_ours(reading.conn, reading.recorded, begun, reading.storage.volumes)


def _record(observed: procedure.Observed) -> metadata.Rescue | None:
    return observed.metadata.rescue if observed.metadata else None


def _stays(spec: procedure.InstanceSpec, observed: procedure.Observed) -> bool:
    return _record(observed) is not None and spec.state in ("rescued", "present")


def excludes(spec: procedure.InstanceSpec, observed: procedure.Observed) -> dict[str, str]:
    """Return what can't go with a rescue, and why."""
    reason = f"the guest {spec.name!r} is rescued; bring it back first"
    found = {"resize": reason}
    if _stays(spec, observed):
        found["rebuild"] = reason
    return found


def begin(spec: procedure.InstanceSpec, draft: procedure.Draft) -> procedure.Draft:
    """Shut the guest down to enter its rescue system, or to leave it for the system of its own.

    Raises InvalidInput, Conflict.
    """
    observed = draft.observed
    if spec.state == "rescued":
        _check(spec, observed)
    if _stays(spec, observed) and "disks" in spec.purge:
        raise _errors.Conflict(
            f"purge: the guest {spec.name!r} is rescued, and its rescue disk would go, too; bring it back first"
        )
    leaves = _record(observed) is not None and spec.state not in ("rescued", "present")
    enters = spec.state == "rescued" and _record(observed) is None
    if not leaves and not enters:
        return draft
    inactive = left(observed.inactive) if leaves else observed.inactive
    stops = power.transitions(observed.state, "stopped", spec.stop.force, discard_saved_state=spec.discard_saved_state)
    return replace(
        draft,
        observed=observed.once_stopped(inactive),
        forced=True,
        first=(*draft.first, *(_plan.Action(name, spec.name) for name in stops)),
    )


def _check(spec: procedure.InstanceSpec, observed: procedure.Observed) -> None:
    if not observed.exists:
        raise _errors.InvalidInput.of("state", "rescued", f"there is no guest {spec.name!r} to rescue")
    if observed.metadata is None:
        raise _errors.Conflict(
            f"state: the guest {spec.name!r} is not managed, so nothing would bring it back from a rescue; give adopt: true first"
        )
    if _image_name(spec, observed.metadata) is None:
        raise _errors.InvalidInput(
            f"rescue.image: no value is given, and the guest {spec.name!r} was made without an image"
        )


def left(root: _xml.Element) -> _xml.Element:
    """Return the definition as it was before the rescue; the rescue disk's volume is to be dropped."""
    root = copy.deepcopy(root)
    found = metadata.of_managed(root)
    rescued: Any = found.rescue
    disk = root.find(f"devices/disk/target[@dev='{rescued.target}']/..")
    if disk is not None:
        disk.getparent().remove(disk)
    boot = root.find("os")
    for device in rescued.boot:
        boot.append(_xml.element_of("boot", {"dev": device}))
    places = dict(rescued.orders)
    for name, device in _devices(root):
        if name in places:
            _xml.put(device, "boot/@order", places[name])
    volumes = found.volumes
    for volume in [volume for volume in volumes if volume.target == rescued.target]:
        volumes = retired(volumes, volume)
    metadata.write(root, replace(found, rescue=None, volumes=volumes))
    return root


def shape(spec: procedure.InstanceSpec, draft: procedure.Draft) -> procedure.Draft:
    """Give the guest its rescue disk, and open the rescue system once it boots. Raises NotFound, Conflict."""
    if spec.state != "rescued":
        return draft
    root, volume = entered(spec, draft.observed, draft.definition)
    last = draft.last
    if _wanted(spec).opens and any(action.name in power.BOOTS for action in draft.power):
        last = (*last, _plan.Action("open_rescue", spec.name))
    made = draft.made if volume is None else (*draft.made, volume)
    return replace(draft, definition=root, made=made, last=last)


def entered(
    spec: procedure.InstanceSpec, observed: procedure.Observed, root: _xml.Element
) -> tuple[_xml.Element, storage.NewVolume | None]:
    """Return (definition, new volume) of the guest in rescue; the volume is None when it is there already.

    Raises NotFound, Conflict.
    """
    found = metadata.of_managed(root)
    if found.rescue is not None:
        unfinished = any(v.target == found.rescue.target and v.status == "planned" for v in found.volumes)
        return root, _new_volume(spec, observed, found, found.rescue.target) if unfinished else None
    root = copy.deepcopy(root)
    bus = _xml.get(root, "devices/disk[@device='disk']/target/@bus") or "virtio"
    taken = {element.get("dev") for element in root.findall("devices/disk/target")}
    volume = _new_volume(spec, observed, found, targets.next_target(TARGET_PREFIX.get(bus, "vd"), taken))
    record = metadata.Rescue(volume.target, _take_boot(root), _take_orders(root))
    kept = tuple(item for item in found.volumes if item.target != volume.target and not metadata.is_same(item, volume))
    recorded = replace(storage.record_of(volume, found.volumes), place="rescue")
    disk = {
        "target": volume.target,
        "device": "disk",
        "bus": bus,
        "path": DiskSource("file", path=volume.path),
        "format": FORMAT,
        "boot_order": 1,
    }
    KIND.write(root, (disk,))
    metadata.write(root, replace(found, rescue=record, volumes=(*kept, recorded)))
    return root, volume


def _take_boot(root: _xml.Element) -> tuple[str, ...]:
    elements = root.findall("os/boot")
    for element in elements:
        element.getparent().remove(element)
    return tuple(element.get("dev") for element in elements)


def _take_orders(root: _xml.Element) -> tuple[tuple[str, str], ...]:
    taken = []
    for name, device in _devices(root):
        boot = device.find("boot")
        if boot is not None:
            taken.append((name, boot.get("order")))
            device.remove(boot)
    return tuple(taken)


def _devices(root: _xml.Element) -> Iterator[tuple[str, _xml.Element]]:
    """Yield (name, element) of every device; a name holds as long as nothing is put before the device."""
    counts: dict[str, int] = {}
    for device in root.find("devices"):
        if not isinstance(device.tag, str):
            continue
        counts[device.tag] = counts.get(device.tag, 0) + 1
        known = _xml.get(device, "target/@dev") if device.tag == "disk" else _xml.get(device, "mac/@address")
        yield f"{device.tag} {known or counts[device.tag]}", device


def _new_volume(
    spec: procedure.InstanceSpec, observed: procedure.Observed, found: InstanceMetadata, target: str
) -> storage.NewVolume:
    name = _image_name(spec, found)
    image = None if name is None else observed.storage.images.get(name)
    if image is None:
        known = ", ".join(sorted(observed.storage.known_images)) or "none"
        raise _errors.NotFound(f"rescue.image: {name!r} is not in the image store; it has {known}")
    pool = observed.storage.pools.get(_wanted(spec).pool)
    if pool is None or pool.type in BLOCK_POOLS:
        known = ", ".join(sorted(observed.storage.known_pools)) or "none"
        raise _errors.NotFound(
            f"pool: {_wanted(spec).pool!r} is not an active pool of files of this host; active pools are {known}"
        )
    file_name = volume_name(spec)
    key = (pool.name, file_name)
    if observed.storage.volumes.get(key) is not None and key not in observed.procedures["rescue"]:
        raise _errors.Conflict(
            f"rescue: the volume {file_name!r} exists in pool {pool.name!r} and is not this guest's; remove it"
        )
    return storage.NewVolume(
        target=target,
        pool=pool.name,
        name=file_name,
        path=f"{pool.path}/{file_name}",
        format=FORMAT,
        capacity=image.capacity,
        mode="overlay",
        image=image,
    )


def _open_rescue(run: procedure.Run, action: _plan.Action) -> None:
    """Source: virDomainSetUserPassword, virDomainAuthorizedSSHKeysSet."""
    wanted, domain = _wanted(run.spec), run.domain()
    await_agent(run.conn, domain, wanted.timeout)
    if wanted.root_password is not None:
        domain.setUserPassword(USER, wanted.root_password, 0)
    if wanted.authorized_keys:
        domain.authorizedSSHKeysSet(
            USER, list(wanted.authorized_keys), libvirt.VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_APPEND
        )


PROCEDURE = procedure.Procedure(
    parse=parse,
    needs=needs,
    observe=observe,
    excludes=excludes,
    begin=begin,
    shape=shape,
    actions={"open_rescue": _open_rescue},
)
