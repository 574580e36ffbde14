# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What the host has itself: its interfaces, their addresses, its routes, and who answers at an address. Only reads.

The kernel is asked. libvirt's node devices are only as good as udev's events (a host without udev shows those that it had when libvirt
started), and have neither addresses nor alternative names; its interface driver leaves tap devices out, and Debian 13 has none.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import subprocess
import time
from dataclasses import dataclass
from functools import partial

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._optional import if_available

# Where `ip` is, also for a user whose path does not have it.
_PATHS = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")
# How often an answer is looked for, and the seconds before each look. Emulated on a busy host, a guest takes half a second.
ANSWER_POLLS = 10
ANSWER_POLL = 0.1


@dataclass(frozen=True)
class Interface:
    """An interface: its name and its alternative names, its kind as the kernel names it, its addresses with their prefixes."""

    names: tuple
    kind: str = None
    addresses: tuple = ()


@dataclass(frozen=True)
class Route:
    """A route of the main table: where to, and by which interface, None for one that leads nowhere."""

    network: object
    interface: str = None


@dataclass(frozen=True)
class HostFacts:
    """What the host has; unless `complete`, there may be more interfaces, and kinds, addresses and routes are not known."""

    interfaces: tuple = ()
    routes: tuple = ()
    complete: bool = True


def read(conn, bridge):
    """Return the HostFacts; where only libvirt can be asked, with the interfaces that could be the one named `bridge`."""
    found = _interfaces() if _connection.is_local(conn) else None
    if found is None:
        return HostFacts(tuple(_node_devices(conn, bridge)), complete=False)
    return HostFacts(found, tuple(_routes()))


def answers(conn, interface, address, mac):
    """Tell whether a MAC address answers at an IP address now, on an interface of the host; None when the host can't be asked.

    The kernel asks, by ARP or by IPv6's neighbour discovery, and keeps the answer for a while as it does for all neighbours.
    What it knows from before does not count: it forgets that.
    """
    place = ("to", str(address), "dev", interface)
    if not interface or not _connection.is_local(conn):
        return None
    known = _ip("neigh", "show", *place)
    if known is None or any("PERMANENT" in item.get("state", ()) for item in known):
        return None
    if _ip("neigh", "replace", str(address), "lladdr", mac, "dev", interface, "nud", "probe") is None:
        return None
    for _attempt in range(ANSWER_POLLS):
        time.sleep(ANSWER_POLL)
        for item in _ip("neigh", "show", *place) or ():
            if "REACHABLE" in item.get("state", ()):
                return item.get("lladdr") == mac
    return False


def _interfaces():
    """Return the kernel's interfaces, None when they can't be read."""
    found = _ip("-details", "address", "show")
    if found is None:
        return None
    return tuple(
        Interface(
            (item["ifname"], *item.get("altnames", ())),
            item.get("linkinfo", {}).get("info_kind"),
            tuple(_addresses(item.get("addr_info", ()))),
        )
        for item in found
        if "ifname" in item
    )


def _addresses(found):
    for item in found:
        if "local" in item:
            address = ipaddress.ip_interface(f"{item['local']}/{item['prefixlen']}")
            # Every interface has one of IPv6's link-local network.
            if address.version == 4 or not address.is_link_local:
                yield address


def _routes():
    # A kernel without IPv6 has no routes of it.
    for item in (_ip("-4", "route", "show") or []) + (_ip("-6", "route", "show") or []):
        destination = item.get("dst", "default")
        if destination != "default":
            network = ipaddress.ip_network(destination, strict=False)
            if network.version == 4 or not network.is_link_local:
                yield Route(network, item.get("dev"))


def _ip(*arguments):
    """Return what iproute2's `ip` says, None when it fails or is not there."""
    environment = dict(os.environ, PATH=os.pathsep.join((os.environ.get("PATH", ""), *_PATHS)), LC_ALL="C.UTF-8")
    try:
        run = subprocess.run(
            ["ip", "-json", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except OSError:
        return None
    return json.loads(run.stdout or "[]") if run.returncode == 0 else None


def _node_devices(conn, bridge):
    """Yield the Interfaces of libvirt's node devices whose name could be that of the bridge. Source: virConnectListAllNodeDevices."""
    if bridge is None:
        return
    # libvirt names such a device net_NAME_MAC, with _ for what is neither a letter nor a digit.
    prefix = "net_" + re.sub("[^A-Za-z0-9]", "_", bridge) + "_"
    listed = partial(conn.listAllDevices, libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_NET)
    for device in if_available(listed) or ():
        if device.name().startswith(prefix):
            text = _connection.unless_gone(device.XMLDesc, libvirt.VIR_ERR_NO_NODE_DEVICE)
            if text is not None:
                yield Interface((_xml.get(_xml.parse(text), "capability/interface"),))
