# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Read the guest that another one is cloned from. Writes nothing."""

from __future__ import annotations

import os

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import unless_gone
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import identity
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import power_state
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput, NotFound
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import storage
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.clone import SourceFacts, copied_disks
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.usage import volume_of


def read(conn, spec):
    """Return the SourceFacts of the guest that a spec says to clone. Raises NotFound, InvalidInput."""
    name = spec.clone_from.name
    domain = unless_gone(lambda: conn.lookupByName(name), libvirt.VIR_ERR_NO_DOMAIN)
    if domain is None:
        raise NotFound(f"clone_from.name: there is no guest {name!r} on this host")
    root = _xml.parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))
    volumes = {_xml.get(disk, "target/@dev"): _volume(conn, disk) for disk in copied_disks(root)}
    pools = {volume.pool for volume in volumes.values() if volume is not None}
    return SourceFacts(
        name=name,
        state=power_state(domain)[0],
        inactive=root,
        volumes=volumes,
        taken=frozenset((pool, file) for pool in pools for file in conn.storagePoolLookupByName(pool).listVolumes()),
        nvram=_has_nvram(spec, identity.nvram(root)),
        autostart=bool(domain.isPersistent() and domain.autostart()),
    )


def _volume(conn, disk):
    volume = volume_of(conn, disk.find("source"))
    if volume is None:
        return None
    return storage.volume_facts(volume.storagePoolLookupByVolume().name(), _xml.parse(volume.XMLDesc(0)))


def _has_nvram(spec, path):
    """Tell whether there is a file to be copied: a guest that never ran has none yet."""
    if path is None:
        return False
    if spec.uri.partition("://")[2].partition("/")[0]:
        raise InvalidInput.of(
            "uri",
            spec.uri,
            "the firmware's variables of a clone are copied on libvirt's host: run the task on that host",
        )
    return os.path.isfile(path)
