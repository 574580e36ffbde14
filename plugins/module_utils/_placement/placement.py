# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Place instances on hosts. Pure: what comes out depends on nothing but what goes in, and not on its order."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._placement import demands
from ansible_collections.kvmfleet.compute.plugins.module_utils._placement import groups as groups_of
from ansible_collections.kvmfleet.compute.plugins.module_utils._placement import hosts as hosts_of
from ansible_collections.kvmfleet.compute.plugins.module_utils._placement.hosts import (
    MEMORY,
    VCPUS,
    check_choice,
    check_mapping,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._placement.reasons import Unit, refusal_reason

SPREAD = "spread"
PACK = "pack"
STRATEGIES = (SPREAD, PACK)


@dataclass
class Fleet:
    """The hosts while instances are placed on them. on: by host, the names of the guests that are or will be there."""

    hosts: dict
    on: dict
    groups: tuple

    def take(self, host, amounts):
        """Take amounts of a host's resources."""
        resources = self.hosts[host].resources
        taken = {label: replace(resources[label], used=resources[label].used + amounts[label]) for label in amounts}
        self.hosts[host] = replace(self.hosts[host], resources=dict(resources, **taken))

    def place(self, host, unit):
        self.take(host, unit.amounts)
        self.on[host].update(unit.names)

    def accepting(self, unit):
        """Return the names of the hosts that can take a unit."""
        return [name for name in self.hosts if refusal_reason(self, self.hosts[name], unit) is None]


def schedule(
    instances,
    hosts,
    guests=None,
    policies=None,
    groups=None,
    defaults=None,
    overcommit=None,
    reserved=None,
    strategy=SPREAD,
):
    """Place instances on hosts; the arguments and the result are those of the filter `schedule`, which documents them.

    Raises InvalidInput.
    """
    strategy = check_choice("strategy", strategy, STRATEGIES)
    hosts = check_mapping("hosts", hosts)
    known = demands.parse(instances, defaults)
    current = _current(hosts, guests)
    fleet = Fleet(
        hosts=hosts_of.parse(hosts, policies, overcommit, reserved),
        on={host: set(current.get(host, ())) for host in sorted(hosts)},
        groups=groups_of.parse(groups),
    )
    homes = {name: _home(name, current) for name in known}
    placed = {name: home for name, home in homes.items() if home is not None}
    for name, home in placed.items():
        if fleet.hosts[home].unknown is None:
            fleet.take(home, demands.growth(known[name], current[home][name]))
    new = [name for name in known if homes[name] is None and known[name].get("state") != "absent"]
    wanted = {name: demands.demand(known[name]) for name in new}
    units = [Unit(tuple(wanted[name] for name in names)) for names in groups_of.units(new, fleet.groups)]
    unplaced = []
    for unit in sorted(units, key=lambda unit: _urgency(fleet, unit)):
        candidates = fleet.accepting(unit)
        if candidates:
            host = min(candidates, key=lambda host: _preference(fleet, host, unit, strategy))
            fleet.place(host, unit)
            placed.update(dict.fromkeys(unit.names, host))
        else:
            unplaced.append(unit)
    return _result(instances, fleet, placed, unplaced)


def _current(hosts, guests):
    """Return {host: {name: guest}} of the guests that there are. Raises InvalidInput."""
    if guests is None:
        return {}
    current = {}
    for host, given in check_mapping("guests", guests).items():
        if host not in hosts:
            raise _errors.InvalidInput.of("guests", host, "it is not one of hosts")
        found = given.get("instances") if hasattr(given, "get") else given
        if found is not None:
            current[host] = {guest["name"]: guest for guest in found}
    for host in sorted(hosts):
        if host not in current:
            raise _errors.InvalidInput(
                f"guests: those of {host!r} are not known, so a guest that is there could be launched a second time; "
                "run vm_instance_info there, or leave the host out of hosts"
            )
    return current


def _home(name, current):
    """Return the host that has a guest of this name, None when no host has. Raises InvalidInput."""
    found = [host for host in sorted(current) if name in current[host]]
    if len(found) > 1:
        raise _errors.InvalidInput(
            f"guests: the guest {name!r} is on {found[0]!r} and on {found[1]!r}; remove or rename one of the two"
        )
    return found[0] if found else None


def _urgency(fleet, unit):
    """The order of placing: what fewer hosts can take goes first, then the biggest, then by name."""
    disk = sum(amount for label, amount in unit.amounts.items() if label not in (VCPUS, MEMORY))
    return len(fleet.accepting(unit)), -unit.amounts[MEMORY], -unit.amounts[VCPUS], -disk, unit.names


def _preference(fleet, host, unit, strategy):
    """The order of hosts that can take a unit, the best first: soft groups, then how full it would be, then the name."""
    resources = fleet.hosts[host].resources
    fullness = max(resources[label].fullness(amount) for label, amount in unit.amounts.items())
    return -_soft_score(fleet, host, unit), fullness if strategy == SPREAD else -fullness, host


def _soft_score(fleet, host, unit):
    """How many members of the unit's soft groups are on a host: those of affinity count for it, the others against it."""
    score = 0
    for group in fleet.groups:
        if any(group.has(name) for name in unit.names):
            if group.policy == groups_of.SOFT_AFFINITY:
                score += len(group.among(fleet.on[host]))
            elif group.policy == groups_of.SOFT_ANTI_AFFINITY:
                score -= len(group.among(fleet.on[host]))
    return score


def _result(instances, fleet, placed, unplaced):
    """Hosts are refused by how full they are in the end: what was placed after a unit had to be left took room, too."""
    by_host = {host: [] for host in fleet.hosts}
    for instance in instances:
        if instance["name"] in placed:
            by_host[placed[instance["name"]]].append(
                {key: value for key, value in instance.items() if key != demands.KEY}
            )
    return {
        "placements": dict(sorted(placed.items())),
        "hosts": by_host,
        "unplaced": sorted(
            (
                {
                    "name": name,
                    "refusals": {host: refusal_reason(fleet, fleet.hosts[host], unit) for host in fleet.hosts},
                }
                for unit in unplaced
                for name in unit.names
            ),
            key=lambda entry: entry["name"],
        ),
    }
