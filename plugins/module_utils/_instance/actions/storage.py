# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Actions on a guest's volumes and the size of its disks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata, recorded
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.storage import removals
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import lookup, proof, source, uses, volumes

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils import _plan
    from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn, Domain
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.metadata import VolumeName
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import procedure
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.storage import NewVolume


def _create_volume(run: procedure.Run, action: _plan.Action) -> None:
    volume = action.data
    run.on_failure(lambda: undo_volume(run, volume))
    make_volume(run, volume)
    recorded.record_volume(run.domain(), volume, "ready")


def make_volume(run: procedure.Run, volume: NewVolume) -> None:
    """Make a storage.NewVolume. Source: virStorageVolCreateXML, virStorageVolCreateXMLFrom."""
    text = _xml.to_text(_volume_element(volume))

    def make(pool: Any) -> Any:
        if volume.mode != "copy":
            # The image that it is based on is not deleted meanwhile.
            with uses.still(run.conn):
                return pool.createXML(text, 0)
        origin: Any = volume.image
        image = run.conn.storagePoolLookupByName(origin.pool).storageVolLookupByName(origin.name)
        return pool.createXMLFrom(text, image, 0)

    made = make_in_place(run, volume, make)
    if made.info()[1] < volume.capacity:
        made.resize(volume.capacity, 0)


def make_in_place(run: procedure.Run, volume: proof.Wanted, make: Callable[[Any], Any]) -> Any:
    """Return a libvirt volume that is made by make(pool), with the proof of it recorded.

    libvirt makes it only where there is none. What we have made for the guest under its name before is deleted first; what an
    interrupted run has made and not recorded is taken as it is. Raises Conflict when something else is there.
    """
    pool = run.conn.storagePoolLookupByName(volume.pool)
    there = proof.read_place(run.conn, lookup.read_pool(pool), volume.name)
    if there is not None:
        record = metadata.recorded_volume(recorded.of_domain(run.domain()), volume)
        if not proof.is_ours(run.conn, record, volume, there):
            raise _errors.Conflict(
                f"the volume {volume.name!r} exists in pool {volume.pool!r} and was not made for this guest; remove it"
            )
        if record is not None and record.is_made:
            delete_volume(run, record)
            there = None
    if there is None:
        made = make(pool)
        there = volumes.volume_facts(volume.pool, _xml.parse(made.XMLDesc(0)))
    else:
        made = pool.storageVolLookupByName(volume.name)
    identity = proof.identity(there, _connection.shares_files(run.conn))
    recorded.record_proof(run.domain(), volume, identity)
    return made


def undo_volume(run: procedure.Run, volume: VolumeName) -> bool:
    """Remove what this run made: first recorded as planned, so that the definition can be launched again. Return whether it is gone."""
    if is_in_use(run.domain(), volume):
        return False
    recorded.record_volume(run.domain(), volume, "planned")
    record = recorded.made_volume(run.domain(), volume)
    if record is not None:
        delete_volume(run, record)
    return True


def is_in_use(domain: Domain, volume: VolumeName) -> bool:
    """Tell whether a guest runs with a volume as one of its disks, or as the base of one."""
    return bool(domain.isActive()) and source.has_volume(_xml.parse(domain.XMLDesc(0)), volume)


def _volume_element(volume: NewVolume) -> _xml.Element:
    """Source: libvirt storage volume XML."""
    root = _xml.element_of("volume")
    root.append(_xml.element_of("name", text=volume.name))
    image: Any = volume.image  # there for a copy and for an overlay
    capacity = image.capacity if volume.mode == "copy" else volume.capacity
    root.append(_xml.element_of("capacity", {"unit": "bytes"}, str(capacity)))
    target = _xml.element_of("target")
    target.append(_xml.element_of("format", {"type": volume.format}))
    if volume.format == "qcow2":
        # libvirt's default is the version of 2008, which knows neither bitmaps nor zero clusters.
        target.append(_xml.element_of("compat", text="1.1"))
    root.append(target)
    if volume.mode == "overlay":
        backing = _xml.element_of("backingStore")
        backing.append(_xml.element_of("path", text=image.path))
        backing.append(_xml.element_of("format", {"type": image.format}))
        root.append(backing)
    return root


def delete_volume(run: procedure.Run, volume: metadata.Volume) -> None:
    """Delete a volume that we have made; one that is gone already, with its pool perhaps, is fine. The proof of it goes, too.

    Raises Conflict when it is another one by now, or something else has come to need it.
    """
    _delete_unused(run, volume, (), volume.proof)
    recorded.record_proof(run.domain(), volume, "")


def _delete_unused(run: procedure.Run, volume: VolumeName, without: Iterable[str], identity: str) -> None:
    """Delete a volume, if it is there.

    identity: what was recorded of it, see _storage.proof. Raises Conflict when it is another one by now, or when something has come
    to need it, besides the overlays `without` (paths).
    """
    with uses.still(run.conn):
        found = _find_volume(run.conn, volume)
        if not found:
            return
        need = uses.read(run.conn).against_sole_use(found.path(), run.spec.name, without)
        there = proof.read_known(run.conn, volume.pool, volume.name)
        if there is not None and proof.is_replaced(there, identity, _connection.shares_files(run.conn)):
            need = proof.REPLACED
        if need is not None:
            raise _errors.Conflict(
                f"the volume {volume.name!r} of the pool {volume.pool!r} can't be deleted; it is {need}"
            )
        found.delete(0)


def _find_volume(conn: Conn, volume: VolumeName) -> Any:
    pool = _connection.unless_gone(lambda: conn.storagePoolLookupByName(volume.pool), libvirt.VIR_ERR_NO_STORAGE_POOL)
    return pool and _connection.unless_gone(
        lambda: pool.storageVolLookupByName(volume.name), libvirt.VIR_ERR_NO_STORAGE_VOL
    )


def _grow_disk(run: procedure.Run, action: _plan.Action) -> None:
    """Source: virDomainBlockResize on a guest that runs, virStorageVolResize on one that does not."""
    target, size = action.data
    domain = run.domain()
    if domain.isActive():
        domain.blockResize(target, size, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
        return
    root = _xml.parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    volume = lookup.volume_of(run.conn, root.find(f"devices/disk/target[@dev='{target}']/../source"))
    if volume is None:
        raise _errors.NotFound(
            f"the disk {target} of the guest {domain.name()!r} is in no active pool; it can grow only while the guest runs"
        )
    volume.resize(size, 0)


def _delete_owned_volume(run: procedure.Run, action: _plan.Action) -> None:
    """What the plan has found nobody to need may have come into use since the guest was undefined: it stays then."""
    observed = run.observed
    together = [volume.path for volume in removals(observed.storage)]
    together += [volume.path for volume in observed.leftovers]
    try:
        _delete_unused(run, action.data, together, getattr(action.data, "proof", ""))
    except _errors.Conflict as exc:
        run.warnings.append(exc.message)


def _drop_volume(run: procedure.Run, action: _plan.Action) -> None:
    drop_volume(run, action.data)


def drop_volume(run: procedure.Run, volume: VolumeName) -> None:
    """Delete a volume that the guest does not have any more, and then forget it.

    What something else needs now stays, and so does what we have not made.
    """
    record = recorded.made_volume(run.domain(), volume)
    try:
        if record is not None:
            delete_volume(run, record)
        elif _find_volume(run.conn, volume):
            run.warnings.append(proof.unproven(volume))
    except _errors.Conflict as exc:
        run.warnings.append(exc.message)
    recorded.update_metadata(run.domain(), lambda found: metadata.without_volume(found, volume))


ACTIONS = {
    "create_volume": _create_volume,
    "grow_disk": _grow_disk,
    "delete_volume": _delete_owned_volume,
    "drop_volume": _drop_volume,
}
