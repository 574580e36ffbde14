# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Groups of instances that are to be on one host, or on different hosts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._placement.hosts import (
    check_choice,
    check_mapping,
    check_names,
)

AFFINITY = "affinity"
ANTI_AFFINITY = "anti-affinity"
SOFT_AFFINITY = "soft-affinity"
SOFT_ANTI_AFFINITY = "soft-anti-affinity"
POLICIES = (AFFINITY, ANTI_AFFINITY, SOFT_AFFINITY, SOFT_ANTI_AFFINITY)


@dataclass(frozen=True)
class Group:
    """A group; `members` are names and patterns of names such as `web*`."""

    name: str
    policy: str
    members: tuple

    def has(self, name):
        return any(fnmatchcase(name, pattern) for pattern in self.members)

    def among(self, names):
        """Return those of the names that are members, sorted."""
        return sorted(name for name in names if self.has(name))


def parse(groups):
    """Return the Groups, ordered by name. Raises InvalidInput."""
    found = []
    for name, given in sorted(check_mapping("groups", groups).items()):
        option = f"groups[{name}]"
        given = check_mapping(option, given, ("policy", "members"))
        policy = check_choice(f"{option}.policy", given.get("policy"), POLICIES)
        members = check_names(f"{option}.members", given.get("members"))
        if not members:
            raise _errors.InvalidInput.of(f"{option}.members", given.get("members"), "a group has members")
        found.append(Group(name, policy, members))
    return tuple(found)


def units(names, groups):
    """Divide names into tuples that have to be on one host, as a group of affinity wants it.

    Raises InvalidInput when another group wants members of one such unit on different hosts.
    """
    unit_of = {name: {name} for name in names}
    for group in groups:
        if group.policy == AFFINITY:
            joined = set().union(*(unit_of[name] for name in group.among(names)))
            for name in joined:
                unit_of[name] = joined
    found = sorted({tuple(sorted(unit)) for unit in unit_of.values()})
    for group in groups:
        if group.policy == ANTI_AFFINITY:
            for unit in found:
                _check_apart(group, group.among(unit))
    return found


def _check_apart(group, together):
    if len(together) > 1:
        raise _errors.InvalidInput(
            f"groups[{group.name}]: {together[0]!r} and {together[1]!r} are to be on different hosts by this group, "
            "and on one host by their groups of affinity"
        )
