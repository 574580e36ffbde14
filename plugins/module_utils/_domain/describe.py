# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What modules return about a guest: one shape for every module, made of its definition and a few facts beside it."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import doing
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.addresses import ASK, addresses
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets import boot, compute, cpu, disks, system
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.guest_devices import (
    agent_channel,
    agent_connected,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.metadata import InstanceMetadata, read
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import power_state


@dataclass(frozen=True)
class Facts:
    """What libvirt tells of a guest beside its definition. `id` is None while it is off; `reason` is libvirt's word."""

    name: str
    uuid: str
    id: int
    state: str
    reason: str
    persistent: bool
    autostart: bool

    @property
    def active(self):
        return self.id is not None


def identity(facts):
    """Return the part of a description that needs no definition."""
    return {
        "name": facts.name,
        "uuid": facts.uuid,
        "id": facts.id,
        "state": facts.state,
        "state_reason": facts.reason,
        "persistent": facts.persistent,
        "autostart": facts.autostart,
    }


def describe(root, facts, found_addresses):
    """Return the description of a guest.

    root: its definition, the live one while it runs. found_addresses: what addresses.addresses() returns, None when
    they were not asked for. Sizes are in bytes. Values have the names and meanings of the options of vm_instance.
    Source: libvirt domain XML format.
    """
    metadata = read(root)
    ours = metadata or InstanceMetadata()
    size = compute.FACET.read(root, dict.fromkeys(compute.OPTIONS))
    described = identity(facts)
    described.update(system.FACET.read(root, dict.fromkeys(("title", "description", "machine"))))
    described.update(boot.FACET.read(root, dict.fromkeys(("firmware", "secure_boot"))))
    described.update(
        managed=metadata is not None,
        memory=size["memory"] * 1024,
        max_memory=size["max_memory"] * 1024,
        vcpus=size["vcpus"],
        max_vcpus=size["max_vcpus"],
        cpu={row.option: row.read(root) for row in cpu.FIELDS},
        virt_type=root.get("type"),
        arch=_xml.get(root, "os/type/@arch"),
        disks=[_disk(element, ours.volumes) for element in disks.KIND.elements(root)],
        interfaces=interfaces(root, found_addresses),
        graphics=[_graphics(element) for element in root.findall("devices/graphics")],
        serial_console=_serial_console(root),
        agent=agent(root, facts),
        tpm=_tpm(root),
        flavor=ours.flavor,
        image=ours.image,
        tags=list(ours.tags),
        metadata=dict(ours.properties),
        delete_protection=ours.delete_protection,
        rescued=ours.rescue is not None,
    )
    return described


def _disk(element, volumes):
    disk = {row.option: row.read(element) for row in disks.KIND.fields if row.option != "path"}
    source = element.find("source")
    disk["target"] = _xml.get(element, "target/@dev")
    disk["type"] = element.get("type")
    disk["source"] = None if source is None else _disk_source(source)
    disk["owned"] = source is not None and any(_is_volume(source, volume) for volume in volumes)
    return disk


def _disk_source(source):
    """A path; POOL/VOLUME of a pool's volume; PROTOCOL:NAME of network storage."""
    if source.get("volume"):
        return f"{source.get('pool')}/{source.get('volume')}"
    if source.get("protocol"):
        return f"{source.get('protocol')}:{source.get('name')}"
    return source.get("file") or source.get("dev") or source.get("dir") or source.get("path")


def _is_volume(source, volume):
    path = source.get("file") or source.get("dev")
    return path == volume.path if path else (source.get("pool"), source.get("volume")) == (volume.pool, volume.name)


def interfaces(root, found_addresses):
    """Return the description of a guest's interfaces; see describe()."""
    return [_interface(element, found_addresses) for element in root.findall("devices/interface")]


def _interface(element, found_addresses):
    kind = element.get("type")
    source = element.find("source")
    mac = _xml.get(element, "mac/@address")
    mtu = _xml.get(element, "mtu/@size")
    interface = {
        "type": kind,
        "source": None if source is None else source.get(kind) or source.get("dev") or source.get("path"),
        "mac": mac,
        "model": _xml.get(element, "model/@type"),
        "alias": _xml.get(element, "alias/@name"),
        "target": _xml.get(element, "target/@dev"),
        "mtu": None if mtu is None else int(mtu),
        "filter": _xml.get(element, "filterref/@filter"),
    }
    if found_addresses is not None:
        interface["addresses"] = found_addresses.get(mac, [])
    return interface


def _graphics(element):
    """Ports are None until the guest runs, when libvirt chooses them. The password is never told."""
    return {
        "type": element.get("type"),
        "listen": _xml.get(element, "listen/@address") or element.get("listen"),
        "port": _port(element, "port"),
        "websocket": _port(element, "websocket"),
        "tls_port": _port(element, "tlsPort"),
    }


def _port(element, name):
    text = element.get(name)
    return None if text in (None, "-1") else int(text)


def _serial_console(root):
    element = root.find("devices/serial")
    if element is None:
        element = root.find("devices/console")
    if element is None:
        return None
    return {
        "pty": _xml.get(element, "source/@path") if element.get("type") == "pty" else None,
        "log_file": _xml.get(element, "log/@file"),
    }


def _tpm(root):
    device = root.find("devices/tpm")
    if device is None:
        return None
    backend = device.find("backend")
    return {"model": device.get("model"), "backend": backend.get("type"), "version": backend.get("version")}


def agent(root, facts):
    """Tell whether the guest has the agent's channel, and whether an agent is connected to it (None while off)."""
    has_channel = agent_channel(root) is not None
    return {"channel": has_channel, "connected": agent_connected(root) if has_channel and facts.active else None}


def instance(conn, domain):
    """Read one guest and return its description. Raises LibvirtFailed."""
    with doing(f"reading guest {domain.name()}"):
        root = _xml.parse(domain.XMLDesc(0))
        facts = read_facts(domain)
        return describe(root, facts, addresses(conn, domain, root) if facts.active else {})


def observed(conn, found, known_leases=ASK):
    """Return the description of a guest that was observed and not changed since, without reading it again."""
    active = found.facts.active
    root = found.live if active else found.inactive
    with doing(f"reading guest {found.facts.name}"):
        known = addresses(conn, found.domain, root, known_leases=known_leases) if active else {}
    return describe(root, found.facts, known)


def read_facts(domain):
    """Return the Facts of one domain; see bulk.read for many."""
    state, reason = power_state(domain)
    return Facts(
        name=domain.name(),
        uuid=domain.UUIDString(),
        id=domain.ID() if domain.isActive() else None,
        state=state,
        reason=reason,
        persistent=bool(domain.isPersistent()),
        autostart=bool(domain.autostart()),
    )
