# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A host's processors, memory and NUMA cells, and how much of them its guests have."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _units
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import bulk
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import state_words
from ansible_collections.kvmfleet.compute.plugins.module_utils._optional import if_available


def cpu(conn, capabilities, features):
    """Return the host's processors; `times` are nanoseconds of all of them since boot.

    Source: virNodeGetInfo, virNodeGetCPUMap, virNodeGetCPUStats, virConnectGetCapabilities.
    """
    _arch, _memory, count, mhz, nodes, sockets, cores, threads = conn.getInfo()
    present = if_available(conn.getCPUMap)
    return {
        "model": capabilities.findtext("host/cpu/model"),
        "vendor": capabilities.findtext("host/cpu/vendor"),
        "mhz": mhz,
        "online": count,
        "present": present[0] if present else count,
        "topology": {"nodes": nodes, "sockets": sockets, "cores": cores, "threads": threads},
        "features": features,
        "times": if_available(partial(conn.getCPUStats, libvirt.VIR_NODE_CPU_STATS_ALL_CPUS)) or {},
    }


def memory(conn):
    """Return the host's memory in bytes; `buffers` and `cached` are None where libvirt does not tell them.

    Source: virNodeGetMemoryStats; virNodeGetInfo and virNodeGetFreeMemory where the driver does not have it.
    """
    kib = if_available(partial(conn.getMemoryStats, libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS))
    if kib is None:
        return {
            "total": conn.getInfo()[1] * 1024 * 1024,
            "free": if_available(conn.getFreeMemory),
            "buffers": None,
            "cached": None,
        }
    return {name: kib[name] * 1024 if name in kib else None for name in ("total", "free", "buffers", "cached")}


def numa_cells(conn, capabilities):
    """Return the host's NUMA cells, memory in bytes. Source: virConnectGetCapabilities, virNodeGetCellsFreeMemory."""
    cells = capabilities.findall("host/topology/cells/cell")
    if not cells:
        return []
    highest = max(int(cell.get("id")) for cell in cells)
    free = if_available(partial(conn.getCellsFreeMemory, 0, highest + 1)) or []
    return [_cell(cell, free) for cell in cells]


def _cell(cell, free):
    number = int(cell.get("id"))
    size = cell.find("memory")
    return {
        "id": number,
        "memory": None if size is None else int(size.text) * _units.LIBVIRT_UNITS[size.get("unit", "KiB")],
        "free": free[number] if number < len(free) else None,
        "cpus": [int(processor.get("id")) for processor in cell.iterfind("cpus/cpu")],
    }


@dataclass(frozen=True)
class GuestSize:
    """What a guest may use at most, and whether it is on. Memory in bytes."""

    state: str
    active: bool
    vcpus: int
    memory: int


def guest_sizes(conn):
    """Return the GuestSize of each guest, by two calls for all of them. Source: virDomainListGetStats."""
    groups = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_BALLOON | libvirt.VIR_DOMAIN_STATS_VCPU
    found = bulk.statistics(conn, conn.listAllDomains(0), groups)
    saved = bulk.saved_uuids(conn)
    sizes = [_guest_size(domain, parameters, domain.UUIDString() in saved) for domain, parameters in found]
    return [size for size in sizes if size is not None]


def _guest_size(domain, parameters, saved):
    """Return None for a guest that vanished. A driver that has no statistics of sizes is asked guest by guest."""
    state, _reason = state_words(parameters["state.state"], parameters["state.reason"], saved)
    vcpus, kib = parameters.get("vcpu.current"), parameters.get("balloon.maximum")
    if vcpus is None or kib is None:
        info = _connection.unless_gone(domain.info, libvirt.VIR_ERR_NO_DOMAIN)
        if info is None:
            return None
        _state, kib, _memory, vcpus, _time = info
    return GuestSize(state=state, active=domain.ID() != -1, vcpus=vcpus, memory=kib * 1024)


def count(sizes):
    """Return how many guests there are, and how many in each power state that some are in."""
    return {"total": len(sizes), "by_state": dict(Counter(size.state for size in sizes))}


def use(total, amounts):
    """Return how much of a total the guests have. `amounts` are pairs (active, amount).

    allocated: of those that are on. defined: of all. free: what is not allocated, below 0 where more is promised than
    there is.
    """
    allocated = sum(amount for active, amount in amounts if active)
    return {
        "total": total,
        "allocated": allocated,
        "defined": sum(amount for _active, amount in amounts),
        "free": total - allocated,
    }
