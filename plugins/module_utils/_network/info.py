# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Get networks: what each is, who is on it, and the addresses that it has given out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._network import definition
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.describe import describe
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.observe import find, interfaces, read, users
from ansible_collections.kvmfleet.compute.plugins.module_utils._optional import if_available, unless_unreadable

OPTIONS = {"name": {"type": "str"}}


@dataclass(frozen=True)
class InfoSpec:
    """Which networks to return: all of the host, or one of them."""

    name: str


def parse(params):
    """Return the InfoSpec of a module's options."""
    return InfoSpec(params["name"])


def query(conn, spec):
    """Return {"networks": [...]}, by name. Raises LibvirtFailed."""
    with _connection.doing("reading the networks"):
        named = conn.listAllNetworks(0) if spec.name is None else filter(None, [find(conn, spec.name)])
        guests = interfaces(conn)
        found = [
            _connection.unless_gone(partial(_known, network, guests), libvirt.VIR_ERR_NO_NETWORK) for network in named
        ]
    return {"networks": sorted(filter(None, found), key=lambda network: network["name"])}


def _known(network, guests):
    facts, name = read(network), network.name()
    described = describe(name, facts)
    running, on_it = users(guests, name, described["mode"], described["bridge"])
    return dict(
        described,
        persistent=facts.persistent,
        restart_required=_waiting(facts),
        guests=list(on_it),
        running_guests=list(running),
        leases=_leases(network) if facts.live else [],
    )


def _waiting(facts):
    """The options whose values in the definition the active network does not have yet."""
    if facts.live is None:
        return []
    defined = definition.read(_xml.parse(facts.text))
    # libvirt names the bridge of a network that has none when it starts.
    wanted = {option: value for option, value in defined.items() if option != "bridge" or value is not None}
    return definition.differing(_xml.parse(facts.live), wanted)


def _leases(network):
    """Source: virNetworkGetDHCPLeases; a network that was stopped meanwhile has none."""
    read = partial(_connection.unless_gone, lambda: if_available(network.DHCPLeases), libvirt.VIR_ERR_OPERATION_INVALID)
    found = unless_unreadable(f"the DHCP leases of the network {network.name()}", read) or ()
    return [
        {
            "mac": lease["mac"].lower(),
            "address": lease["ipaddr"],
            "prefix": lease["prefix"],
            "hostname": lease["hostname"],
            "expires": lease["expirytime"],
        }
        for lease in sorted(found, key=lambda lease: lease["ipaddr"])
    ]
