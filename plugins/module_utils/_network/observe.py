# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""observe: the network, its neighbours, and the guests that are on it. Only reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._network import definition
from ansible_collections.kvmfleet.compute.plugins.module_utils._optional import unless_unreadable
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.lookup import definitions


@dataclass(frozen=True)
class Neighbour:
    """Another network of the host: the name of its bridge, and its addresses, of the ipaddress library."""

    name: str
    mode: str
    bridge: str
    addresses: tuple


@dataclass(frozen=True)
class NetworkFacts:
    """A network as it is; there is none when `uuid` is None.

    `text` is its definition, `live` what the active network has, None while it is not active. `running` names the running guests
    that are on it, `guests` all that are defined to be; they are read only where something depends on them. One that is not
    `persistent` was made without a definition. `open_without_address` tells what this libvirt can do. `host` has the HostFacts when
    the task has libvirt make something there. `autostart_due` tells of a run that was killed after it had started the network
    and before it had finished with its autostart.
    """

    uuid: str = None
    autostart: bool = False
    text: str = None
    live: str = None
    neighbours: tuple = ()
    running: tuple = ()
    guests: tuple = ()
    persistent: bool = True
    open_without_address: bool = False
    host: object = None
    autostart_due: bool = False

    @property
    def exists(self):
        return self.uuid is not None

    @property
    def current(self):
        """The XML of the network as it is now."""
        return self.text if self.live is None else self.live


def find(conn, name):
    """Return the libvirt network, None when there is none."""
    return _connection.unless_gone(partial(conn.networkLookupByName, name), libvirt.VIR_ERR_NO_NETWORK)


def observe(conn, spec):
    """Return the NetworkFacts. Raises LibvirtFailed."""
    with _connection.doing(f"reading the network {spec.name}"):
        network = find(conn, spec.name)
        neighbours = tuple(_neighbours(conn, spec.name)) if spec.wanted else ()
        openness = _connection.feature(conn, "open_network_without_address")
        facts = NetworkFacts() if network is None else read(network)
        facts = replace(facts, neighbours=neighbours, open_without_address=openness)
        if _makes_something(spec, facts):
            facts = replace(facts, host=_host(conn, spec, facts))
        if network is None:
            return facts
        if facts.live is not None:
            facts = replace(facts, autostart_due=_autostart_due(conn, facts))
        if not _matters_to_guests(spec, facts.live):
            return facts
        values = definition.read(_xml.parse(facts.current))
        running, guests = users(interfaces(conn), spec.name, values["mode"], values["bridge"])
        return replace(facts, running=running, guests=guests)


def read(network):
    """Return the NetworkFacts of a libvirt network by itself."""
    persistent = bool(network.isPersistent())
    return NetworkFacts(
        uuid=network.UUIDString(),
        # A network that was made without a definition never starts by itself.
        autostart=bool(persistent and network.autostart()),
        text=_definition(network),
        live=network.XMLDesc(0) if network.isActive() else None,
        persistent=persistent,
    )


def _definition(network):
    """Return what the network is from its next start on. libvirt's in-memory driver keeps no more than one definition."""
    text = _connection.unless_gone(
        partial(network.XMLDesc, libvirt.VIR_NETWORK_XML_INACTIVE), libvirt.VIR_ERR_INVALID_ARG
    )
    return network.XMLDesc(0) if text is None else text


def _makes_something(spec, facts):
    """Tell whether libvirt is to make something on the host, now or when the network starts."""
    if spec.state == "absent":
        return False
    if facts.live is None and spec.state == "active":
        return True
    known = [text for text in (facts.text, facts.live) if text is not None]
    return not known or any(definition.differing(_xml.parse(text), spec.wanted) for text in known)


def _autostart_due(conn, facts):
    from ansible_collections.kvmfleet.compute.plugins.module_utils import _journal

    read = partial(_journal.read, _journal.AUTOSTART, conn.getURI(), facts.uuid)
    return unless_unreadable(f"whether autostart of the network {facts.uuid} is due", read) is not None


def _host(conn, spec, facts):
    # Most runs make nothing, and do without this.
    from ansible_collections.kvmfleet.compute.plugins.module_utils._network import host

    bridge = definition.read(_xml.parse(facts.text))["bridge"] if facts.exists else None
    return host.read(conn, spec.wanted.get("bridge", bridge))


def _matters_to_guests(spec, live):
    if spec.state != "active":
        return True
    return live is not None and bool(definition.differing(_xml.parse(live), spec.wanted))


def _neighbours(conn, name):
    for network in conn.listAllNetworks(0):
        text = _connection.unless_gone(partial(network.XMLDesc, 0), libvirt.VIR_ERR_NO_NETWORK)
        if text is not None and network.name() != name:
            found = definition.read(_xml.parse(text))
            addresses = tuple(subnet.address for subnet in found["addresses"])
            yield Neighbour(network.name(), found["mode"], found["bridge"], addresses)


def interfaces(conn):
    """Return (guest's name, whether the guest runs with it, source element) of the interfaces of all guests."""
    return [
        (guest, running, source)
        for guest, running, root in definitions(conn)
        for source in root.iterfind("devices/interface/source")
    ]


def users(found, name, mode, bridge):
    """Return the names of the running guests that are on a network, and of all that are or will be; found: interfaces().

    A guest can also be on the network's bridge without naming the network. A bridge that the host has is not the network's.
    """
    own = None if mode == "bridge" else bridge
    guests = [(guest, running) for guest, running, source in found if _is_on(source, name, own)]
    running = {guest for guest, runs in guests if runs}
    return tuple(sorted(running)), tuple(sorted({guest for guest, _runs in guests}))


def _is_on(source, name, bridge):
    return source.get("network") == name or (bridge is not None and source.get("bridge") == bridge)
