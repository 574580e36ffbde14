# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Why a host can't take instances, as one sentence. Pure."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils._placement import groups
from ansible_collections.kvmfleet.compute.plugins.module_utils._placement.hosts import format_amount


@dataclass(frozen=True)
class Unit:
    """Instances that have to be on one host, by their Demands; most often it is one."""

    demands: tuple

    @functools.cached_property
    def names(self):
        return tuple(demand.name for demand in self.demands)

    @functools.cached_property
    def amounts(self):
        """What the instances need together, by the label of the resource."""
        found = {}
        for demand in self.demands:
            for label, amount in demand.amounts.items():
                found[label] = found.get(label, 0) + amount
        return found


def refusal_reason(fleet, host, unit):
    """Return why a host can't take a unit, None if it can."""
    if host.unknown is not None:
        return host.unknown
    if not host.policy.enabled:
        return f"it is disabled ({host.policy.reason})" if host.policy.reason else "it is disabled"
    for demand in unit.demands:
        reason = _unfit(host, demand)
        if reason is not None:
            return reason
    return _group_refusal(fleet, host, unit) or _shortage(host, unit)


def _unfit(host, demand):
    """Return what a host lacks, or has, that an instance can't be there at all."""
    if demand.require_tags - host.policy.tags:
        return f"it does not have {_tags(demand.require_tags - host.policy.tags)}"
    if demand.refuse_tags & host.policy.tags:
        return f"it has {_tags(demand.refuse_tags & host.policy.tags)}, which {demand.name} refuses"
    if demand.arch is not None and not host.runs(demand.arch):
        return f"its architecture is {host.arch}, not {demand.arch}"
    if demand.virt_type is not None and demand.virt_type not in host.virt_types:
        return "it runs guests by {}, not by {}".format(" or ".join(host.virt_types) or "nothing", demand.virt_type)
    if host.networks is not None and demand.networks - host.networks:
        return "it has no network {}".format(" and no network ".join(sorted(demand.networks - host.networks)))
    missing = sorted(set(demand.amounts) - set(host.resources))
    if missing:
        return "it has no active {}".format(" and no active ".join(missing))
    return None


def _tags(tags):
    return "the tag{} {}".format("s" if len(tags) > 1 else "", ", ".join(sorted(tags)))


def _group_refusal(fleet, host, unit):
    for group in fleet.groups:
        if not any(group.has(name) for name in unit.names):
            continue
        here = group.among(fleet.on[host.name])
        if group.policy == groups.ANTI_AFFINITY and here:
            return f"{here[0]} of the group {group.name} is on it ({groups.ANTI_AFFINITY})"
        if group.policy == groups.AFFINITY and not here:
            elsewhere = [(name, other) for other in fleet.on for name in group.among(fleet.on[other])]
            if elsewhere:
                return f"{elsewhere[0][0]} of the group {group.name} is on {elsewhere[0][1]} ({groups.AFFINITY})"
    return None


def _shortage(host, unit):
    """Return all that a host has too little of."""
    together = " for {} together".format(" and ".join(unit.names)) if len(unit.names) > 1 else ""
    short = []
    for label, amount in sorted(unit.amounts.items()):
        resource = host.resources[label]
        largest = max(demand.amounts.get(label, 0) for demand in unit.demands)
        if largest > resource.total:
            short.append(
                f"{format_amount(label, largest)} {label} needed, the host has {format_amount(label, resource.total)}"
            )
        elif resource.used + amount > resource.capacity and amount:
            short.append(
                f"{format_amount(label, amount)} {label} needed{together}, {format_amount(label, resource.left)} left"
            )
    return "; ".join(short) or None
