# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What modules return about a guest: one shape for every module, made of its definition and a few facts beside it."""

from __future__ import annotations

from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.addresses import ASK, Addresses, addresses
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facet import Values
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets import (
    boot,
    compute,
    cpu,
    disks,
    graphics,
    serial_console,
    system,
    tpm,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.guest_devices import agent_channel
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.interfaces import FACET as INTERFACES
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facts import Facts, identity
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.metadata import InstanceMetadata, Volume, read
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import read_facts

# Those that have something to tell, in the order of definition.FACETS; a module that only reads guests loads no others.
FACETS = (
    system.FACET,
    compute.FACET,
    boot.FACET,
    cpu.FACET,
    disks.FACET,
    INTERFACES,
    serial_console.FACET,
    graphics.VNC,
    tpm.FACET,
)


def describe(root: _xml.Element, facts: Facts, found_addresses: Addresses | None) -> Values:
    """Return the description of a guest.

    root: its definition, the live one while it runs. found_addresses: what addresses.addresses() returns, None when
    they were not asked for. Sizes are in bytes. Values have the names and meanings of the options of vm_instance.
    Source: libvirt domain XML format.
    """
    metadata = read(root)
    ours = metadata or InstanceMetadata()
    described = identity(facts)
    for facet in FACETS:
        described.update(facet.describe(root))
    for disk in described["disks"]:
        disk["owned"] = any(_is_on(disk, volume) for volume in ours.volumes)
    _add_addresses(described["interfaces"], found_addresses)
    described.update(
        managed=metadata is not None,
        agent=agent(root, facts),
        flavor=ours.flavor,
        image=ours.image,
        tags=list(ours.tags),
        metadata=dict(ours.properties),
        delete_protection=ours.delete_protection,
        rescued=ours.rescue is not None,
    )
    return described


def _is_on(disk: Values, volume: Volume) -> bool:
    """Tell from its description whether a disk is on a volume."""
    return disk["source"] == (f"{volume.pool}/{volume.name}" if disk["type"] == "volume" else volume.path)


def interfaces(root: _xml.Element, found_addresses: Addresses | None) -> list[Values]:
    """Return the description of a guest's interfaces; see describe()."""
    return _add_addresses(INTERFACES.describe(root)["interfaces"], found_addresses)


def _add_addresses(described: list[Values], found_addresses: Addresses | None) -> list[Values]:
    if found_addresses is not None:
        for interface in described:
            interface["addresses"] = found_addresses.get(interface["mac"], [])
    return described


def agent(root: _xml.Element, facts: Facts) -> Values:
    """Tell whether the guest has the agent's channel, and whether an agent is connected to it (None while off)."""
    channel = agent_channel(root)
    connected = channel is not None and facts.active
    return {
        "channel": channel is not None,
        "connected": _xml.get(channel, "target/@state") == "connected" if connected else None,
    }


def instance(conn: Any, domain: Any) -> Values:
    """Read one guest and return its description. Raises LibvirtFailed."""
    with _connection.doing(f"reading guest {domain.name()}"):
        root = _xml.parse(domain.XMLDesc(0))
        facts = read_facts(domain)
        return describe(root, facts, addresses(conn, domain, root) if facts.active else {})


def observed(conn: Any, found: Any, known_leases: Any = ASK) -> Values:
    """Return the description of a guest that was observed and not changed since, without reading it again."""
    active = found.facts.active
    root = found.live if active else found.inactive
    with _connection.doing(f"reading guest {found.facts.name}"):
        known = addresses(conn, found.domain, root, known_leases=known_leases) if active else {}
    return describe(root, found.facts, known)
