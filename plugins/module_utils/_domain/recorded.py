# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What we record in a guest's metadata while actions go on."""

from __future__ import annotations

from collections.abc import Callable

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


def record_volume(domain: Domain, volume: VolumeName, status: str) -> None:
    update_metadata(domain, lambda found: metadata.with_volume_status(found, volume, status))
