# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Get host info."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._host import capacity, resources, virtualisation
from ansible_collections.kvmfleet.compute.plugins.module_utils._host.domain_capabilities import domain_capabilities

OPTIONS = {
    "gather": {
        "type": "list",
        "elements": "str",
        "choices": ["cpu", "memory", "guests", "pools", "networks", "domain_capabilities"],
        "default": ["cpu", "memory", "guests", "pools", "networks"],
    },
    "refresh_pools": {"type": "bool", "default": False},
}


@dataclass(frozen=True)
class InfoSpec:
    """What to read of a host beside its identity."""

    gather: tuple
    refresh_pools: bool


def parse(params):
    """Return the InfoSpec of a module's options."""
    return InfoSpec(gather=tuple(params["gather"]), refresh_pools=params["refresh_pools"])


def query(conn, spec):
    """Return {"host": {...}}. Raises LibvirtFailed."""
    with _connection.doing("reading the host"):
        capabilities = _xml.parse(conn.getCapabilities())
        features = virtualisation.cpu_features(conn, capabilities)
        offered = virtualisation.offered_virt_types(capabilities)
        usable = virtualisation.usable(offered, virtualisation.hardware_virtualisation(capabilities, features))
        host = _identity(conn, capabilities)
        host.update(virt_types=offered, usable_virt_types=usable, hardware_virtualisation="kvm" in usable)
        if "cpu" in spec.gather:
            host["cpu"] = capacity.cpu(conn, capabilities, features)
        if "memory" in spec.gather:
            host["memory"] = capacity.memory(conn)
            host["numa_cells"] = capacity.numa_cells(conn, capabilities)
        if "guests" in spec.gather:
            sizes = capacity.guest_sizes(conn)
            host["guests"] = capacity.count(sizes)
            host["capacity"] = {
                "vcpus": capacity.use(conn.getInfo()[2], [(size.active, size.vcpus) for size in sizes]),
                "memory": capacity.use(capacity.memory(conn)["total"], [(size.active, size.memory) for size in sizes]),
            }
        if "pools" in spec.gather:
            host["pools"] = resources.pools(conn, spec.refresh_pools)
        if "networks" in spec.gather:
            host["networks"] = resources.networks(conn)
        if "domain_capabilities" in spec.gather:
            host["domain_capabilities"] = domain_capabilities(conn, capabilities, _best(usable))
    return {"host": host}


def _best(usable):
    return "kvm" if "kvm" in usable else next(iter(usable), None)


def _identity(conn, capabilities):
    return {
        "hostname": conn.getHostname(),
        "uuid": capabilities.findtext("host/uuid"),
        "uri": conn.getURI(),
        "arch": capabilities.findtext("host/cpu/arch"),
        "hypervisor": conn.getType(),
        "hypervisor_version": _version(conn.getVersion()),
        "libvirt_version": _version(conn.getLibVersion()),
        "uptime": uptime(conn.getURI()),
    }


def _version(number):
    return ".".join(map(str, _connection.version_tuple(number)))


def uptime(uri):
    """Return the seconds since the host booted, None for a host elsewhere: libvirt has no call for it."""
    if urlsplit(uri).hostname:
        return None
    with open("/proc/uptime", encoding="ascii") as stream:
        return float(stream.read().split()[0])
