# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is planned for an active network whose definition, or whose guests, want something else than it has."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._network import definition, subnets
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.observe import Neighbour, NetworkFacts
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.plan import plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.spec import NetworkSpec


def lab(*reserved, end="192.0.2.199", mtu=1400):
    given = {
        "address": "192.0.2.1/24",
        "dhcp": [{"start": "192.0.2.100", "end": end}],
        "reservations": [{"mac": f"52:54:00:00:00:0{last}", "ip": f"192.0.2.{last}"} for last in reserved],
    }
    return {"mtu": mtu, "addresses": subnets.parse([given])}


def text(values):
    root = definition.new("lab")
    definition.write(root, values)
    return _xml.to_text(root)


def planned(wanted, defined, live, *running):
    facts = NetworkFacts("uuid", True, text(defined), text(live), running=running, guests=running)
    found = plan(NetworkSpec("lab", "active", None, wanted), facts)
    return [f"{action.name} {action.subject}" for action in found.actions], list(found.restart_required)


RESTART = ["stop_network lab", "start_network lab"]


@pytest.mark.parametrize(
    ("wanted", "defined", "live", "running", "expected"),
    [
        (lab(5), lab(5), lab(5), ("web",), ([], [])),
        # While a guest runs there, the network waits; as soon as none does, any run restarts it.
        (lab(mtu=1300), lab(), lab(), ("web",), (["define_network lab"], ["mtu"])),
        (lab(mtu=1300), lab(mtu=1300), lab(), ("web",), ([], ["mtu"])),
        (lab(mtu=1300), lab(mtu=1300), lab(), (), (RESTART, [])),
        (lab(mtu=1300), lab(), lab(), (), (["define_network lab", *RESTART], [])),
        # Reservations alone are changed at once, and also when a run was killed after it had changed the definition.
        (
            lab(5, 7),
            lab(5, 6),
            lab(5, 6),
            ("web",),
            (
                [
                    "define_network lab",
                    "remove_reservation 52:54:00:00:00:06",
                    "add_reservation 52:54:00:00:00:07",
                ],
                [],
            ),
        ),
        (lab(5), lab(5), lab(), ("web",), (["add_reservation 52:54:00:00:00:05"], [])),
        (lab(5, end="192.0.2.150"), lab(), lab(), ("web",), (["define_network lab"], ["addresses"])),
    ],
)
def test_an_active_network(wanted, defined, live, running, expected):
    assert planned(wanted, defined, live, *running) == expected


def changed(wanted, *neighbours):
    """Plan a task on a network `lab` that is not active."""
    facts = NetworkFacts("uuid", True, text(lab()), neighbours=neighbours)
    return plan(NetworkSpec("lab", "inactive", None, wanted), facts)


def test_nat_for_ipv6_needs_nat():
    with pytest.raises(_errors.InvalidInput, match="^nat_ipv6: True is not allowed; the mode is routed; only mode nat"):
        changed({"mode": "routed", "nat_ipv6": True})


def test_what_overlaps_already_does_not_keep_a_network_from_being_changed():
    other = Neighbour(
        "other",
        "isolated",
        None,
        (subnets.parse([{"address": "192.0.2.9/24", "dhcp": [], "reservations": []}])[0].address,),
    )
    assert [action.name for action in changed({"mtu": 1300}, other).actions] == ["define_network"]
    with pytest.raises(_errors.Conflict, match="overlaps with"):
        changed(lab(5), other)
