# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What we record in a guest's metadata while actions go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Domain, libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.metadata import InstanceMetadata, VolumeName


def of_domain(domain: Domain) -> InstanceMetadata | None:
    """Return the InstanceMetadata of a domain without reading its whole definition, None when it is not managed by us.

    Source: virDomainGetMetadata.
    """
    kind = libvirt.VIR_DOMAIN_METADATA_ELEMENT
    gone = (libvirt.VIR_ERR_NO_DOMAIN_METADATA, libvirt.VIR_ERR_NO_DOMAIN)
    text = _connection.unless_gone(
        lambda: domain.metadata(kind, metadata.NAMESPACE, libvirt.VIR_DOMAIN_AFFECT_CONFIG), *gone
    )
    return None if text is None else metadata.of_text(text)


def set_metadata(domain: Domain, found: InstanceMetadata, flags: int) -> None:
    domain.setMetadata(
        libvirt.VIR_DOMAIN_METADATA_ELEMENT,
        _xml.to_text(metadata.to_fragment(found)),
        metadata.PREFIX,
        metadata.NAMESPACE,
        flags,
    )


def update_metadata(domain: Domain, change: Callable[[InstanceMetadata], InstanceMetadata]) -> None:
    """Replace our metadata with what `change(metadata)` returns, in the definition and in the running guest.

    Raises Conflict when the guest has lost it.
    """
    flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG
    if domain.isActive():
        flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE
    root = _xml.parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    set_metadata(domain, change(metadata.of_managed(root)), flags)


def with_volume_proof(found: InstanceMetadata, made: VolumeName, proof: str) -> InstanceMetadata:
    """Return the metadata with another proof of one volume; it is empty for one that is not there any more."""
    volumes = tuple(
        replace(volume, proof=proof) if metadata.is_same(volume, made) else volume for volume in found.volumes
    )
    return replace(found, volumes=volumes)


def retired(volumes: Iterable[metadata.Volume], gone: VolumeName) -> tuple[metadata.Volume, ...]:
    """Return records in which one volume is obsolete."""
    return tuple(
        replace(volume, status="obsolete", proof=volume.proof if volume.is_made else metadata.UNMADE)
        if metadata.is_same(volume, gone)
        else volume
        for volume in volumes
    )


def is_ready(found: InstanceMetadata | None, named: VolumeName) -> bool:
    """Tell whether a volume is complete."""
    record = metadata.recorded_volume(found, named)
    return record is not None and record.status == "ready"


def record_proof(domain: Domain, volume: VolumeName, proof: str) -> None:
    update_metadata(domain, lambda found: with_volume_proof(found, volume, proof))


def made_volume(domain: Domain, volume: VolumeName) -> metadata.Volume | None:
    """Return the record of a volume that we have made for the guest, None when we have not."""
    record = metadata.recorded_volume(of_domain(domain), volume)
    return record if record is not None and record.is_made else None


def keep_proofs(domain: Domain, root: _xml.Element) -> None:
    """Have a definition that was planned before a volume was made keep what proves that we have made it."""
    found = metadata.read(root)
    bare = [volume for volume in found.volumes if volume.status == "ready" and not volume.proof] if found else []
    known = of_domain(domain) if bare else None
    for volume in bare:
        record = metadata.recorded_volume(known, volume)
        if found is not None and record is not None:
            found = with_volume_proof(found, volume, record.proof)
            metadata.write(root, found)


def record_volume(domain: Domain, volume: VolumeName, status: str) -> None:
    update_metadata(domain, lambda found: metadata.with_volume_status(found, volume, status))
