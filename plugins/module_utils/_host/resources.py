# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A host's storage pools and networks."""

from __future__ import annotations

import ipaddress
from functools import partial

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._optional import if_available


def pools(conn, refresh):
    """Return the host's storage pools, ordered by name; sizes in bytes, None while a pool is inactive.

    refresh: have libvirt measure the active ones now; it does so by itself only when it works on a pool.
    Source: virConnectListAllStoragePools, virStoragePoolGetInfo, virStoragePoolRefresh.
    """
    found = if_available(partial(conn.listAllStoragePools, 0)) or []
    described = [describe_pool(pool, refresh) for pool in found]
    return sorted((pool for pool in described if pool is not None), key=lambda pool: pool["name"])


def describe_pool(pool, refresh):
    """Return one pool, None if it vanished."""
    return _connection.unless_gone(partial(_pool, pool, refresh), libvirt.VIR_ERR_NO_STORAGE_POOL)


def _pool(pool, refresh):
    active = bool(pool.isActive())
    if active and refresh:
        # A pool in which a volume is being made can't be measured; its numbers are those of before.
        _connection.unless_gone(partial(pool.refresh, 0), libvirt.VIR_ERR_OPERATION_INVALID)
    root = _xml.parse(pool.XMLDesc(0))
    state, capacity, allocation, available = pool.info()
    return {
        "name": pool.name(),
        "uuid": pool.UUIDString(),
        "type": root.get("type"),
        "path": root.findtext("target/path"),
        "state": _pool_state(state),
        "active": active,
        "persistent": bool(pool.isPersistent()),
        "autostart": bool(pool.autostart()),
        "capacity": capacity if active else None,
        "allocation": allocation if active else None,
        "available": available if active else None,
    }


def _pool_state(number):
    words = {
        libvirt.VIR_STORAGE_POOL_INACTIVE: "inactive",
        libvirt.VIR_STORAGE_POOL_BUILDING: "building",
        libvirt.VIR_STORAGE_POOL_RUNNING: "running",
        libvirt.VIR_STORAGE_POOL_DEGRADED: "degraded",
        libvirt.VIR_STORAGE_POOL_INACCESSIBLE: "inaccessible",
    }
    return words[number]


def networks(conn):
    """Return the host's libvirt networks, ordered by name. Source: virConnectListAllNetworks, virNetworkGetXMLDesc."""
    found = if_available(partial(conn.listAllNetworks, 0)) or []
    described = [describe_network(network) for network in found]
    return sorted((network for network in described if network is not None), key=lambda network: network["name"])


def describe_network(network):
    """Return one network, None if it vanished."""
    return _connection.unless_gone(partial(_network, network), libvirt.VIR_ERR_NO_NETWORK)


def _network(network):
    root = _xml.parse(network.XMLDesc(0))
    forward = root.find("forward")
    mtu = _xml.get(root, "mtu/@size")
    return {
        "name": network.name(),
        "uuid": network.UUIDString(),
        "active": bool(network.isActive()),
        "persistent": bool(network.isPersistent()),
        "autostart": bool(network.autostart()),
        "mode": "isolated" if forward is None else forward.get("mode", "nat"),
        "bridge": _xml.get(root, "bridge/@name"),
        "domain": _xml.get(root, "domain/@name"),
        "mtu": None if mtu is None else int(mtu),
        "addresses": [_address(element) for element in root.iterfind("ip")],
    }


def _address(element):
    """libvirt writes an IPv4 network's size as a netmask or a prefix, whichever it was given."""
    given = element.get("prefix") or element.get("netmask")
    interface = ipaddress.ip_interface(f"{element.get('address')}/{given}" if given else element.get("address"))
    return {
        "address": str(interface.ip),
        "prefix": interface.network.prefixlen,
        "family": f"ipv{interface.version}",
    }
