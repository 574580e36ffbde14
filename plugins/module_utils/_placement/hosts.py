# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Hosts as the scheduler sees them: what vm_host_info told of them, and what their operator allows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _units

# A resource of a host is known by its label: one of these, or `pool NAME` for the storage pool of that name.
VCPUS = "vcpus"
MEMORY = "memory"
MIB = 1024 * 1024

# The defaults of Nova: initial_*_allocation_ratio and reserved_host_*.
OVERCOMMIT = {"vcpus": 4.0, "memory": 1.0, "disk": 1.0}
RESERVED = {"vcpus": 0, "memory": "512MiB", "disk": "0B"}
POLICY_KEYS = ("enabled", "reason", "tags", "overcommit", "reserved")
# Architectures whose guests a processor of another one runs itself.
RUNS_TOO = {"x86_64": ("i686",)}


def pool_label(name):
    return f"pool {name}"


@dataclass(frozen=True)
class Resource:
    """One resource of a host, in bytes or numbers of CPUs.

    total: what the host has, and so the most that one instance may have. capacity: what all instances together may
    have, which is the total without the reserve, times the overcommit ratio. used: what is taken of it.
    """

    total: int
    capacity: int
    used: int

    @property
    def left(self):
        return max(self.capacity - self.used, 0)

    def fullness(self, amount):
        """Return the share of the capacity that is used once `amount` more is taken. The amount has to fit."""
        return (self.used + amount) / self.capacity if self.capacity else 0.0


@dataclass(frozen=True)
class Policy:
    """What the operator allows on a host. `overcommit` and `reserved` are by vcpus, memory (bytes), disk (bytes)."""

    enabled: bool
    reason: str
    tags: frozenset
    overcommit: dict
    reserved: dict


@dataclass(frozen=True)
class Host:
    """A host. `unknown` says why nothing is known of it, None otherwise. `networks` is None when they were not read."""

    name: str
    policy: Policy
    unknown: str = None
    arch: str = None
    virt_types: tuple = ()
    resources: dict = None
    networks: frozenset = None

    def runs(self, arch):
        return arch == self.arch or arch in RUNS_TOO.get(self.arch, ())


def format_amount(label, amount):
    """Write an amount of a resource for people: CPUs as they are, sizes in MiB."""
    return str(amount) if label == VCPUS else f"{amount / MIB:.10g} MiB"


def parse(hosts, policies, overcommit, reserved):
    """Return {name: Host}. overcommit, reserved: for the hosts whose policy has none. Raises InvalidInput."""
    policies = check_mapping("policies", policies)
    for name in policies:
        if name not in hosts:
            raise _errors.InvalidInput.of("policies", name, "it is not one of hosts")
    shared = {
        "overcommit": _ratios("overcommit", overcommit, OVERCOMMIT),
        "reserved": _reserve("reserved", reserved, _reserve("reserved", RESERVED, {})),
    }
    return {name: _host(name, hosts[name], _policy(name, policies.get(name), shared)) for name in sorted(hosts)}


def _policy(name, given, shared):
    option = f"policies[{name}]"
    given = check_mapping(option, given, POLICY_KEYS)
    return Policy(
        enabled=_enabled(f"{option}.enabled", given.get("enabled", True)),
        reason=given.get("reason"),
        tags=frozenset(check_names(f"{option}.tags", given.get("tags"))),
        overcommit=_ratios(f"{option}.overcommit", given.get("overcommit"), shared["overcommit"]),
        reserved=_reserve(f"{option}.reserved", given.get("reserved"), shared["reserved"]),
    )


def _enabled(option, value):
    try:
        return boolean(value)
    except TypeError as exc:
        raise _errors.InvalidInput.of(option, value, "it is true or false") from exc


def _ratios(option, given, default):
    ratios = dict(default)
    for key, value in check_mapping(option, given, tuple(OVERCOMMIT)).items():
        try:
            ratios[key] = float(value)
        except (TypeError, ValueError):
            ratios[key] = 0.0
        if not 0 < ratios[key] <= 1000:
            raise _errors.InvalidInput.of(f"{option}.{key}", value, "a ratio is a number above 0, 1000 at most")
    return ratios


def _reserve(option, given, default):
    reserved = dict(default)
    for key, value in check_mapping(option, given, tuple(RESERVED)).items():
        if key == "vcpus":
            if not str(value).isdigit():
                raise _errors.InvalidInput.of(f"{option}.vcpus", value, "a whole number of CPUs is needed")
            reserved[key] = int(value)
        else:
            reserved[key] = _units.parse_size(f"{option}.{key}", value, minimum=0)
    return reserved


def _host(name, given, policy):
    option = f"hosts[{name}]"
    result = check_mapping(option, given)
    if not result or result.get("skipped"):
        return Host(name, policy, unknown="nothing is known of it, as vm_host_info was not run there")
    if result.get("failed") or result.get("unreachable"):
        return Host(name, policy, unknown="nothing is known of it: {}".format(result.get("msg", "vm_host_info failed")))
    facts = check_mapping(f"{option}.host", result["host"]) if "host" in result else result
    networks = facts.get("networks")
    return Host(
        name,
        policy,
        arch=facts.get("arch"),
        virt_types=tuple(facts.get("usable_virt_types") or ()),
        resources=_resources(option, facts, policy),
        networks=None if networks is None else frozenset(item["name"] for item in networks),
    )


def _resources(option, facts, policy):
    """Return {label: Resource}. Guests that are off count too, as each may be started at any time."""
    for key in ("capacity", "pools"):
        if key not in facts:
            raise _errors.InvalidInput(
                f"{option}.{key}: it is missing; vm_host_info returns it with gather: [guests, pools]"
            )
    resources = {}
    for label in (VCPUS, MEMORY):
        amounts = facts["capacity"][label]
        resources[label] = _resource(amounts["total"], amounts["defined"], label, policy)
    for pool in facts["pools"]:
        if pool["active"]:
            resources[pool_label(pool["name"])] = _resource(pool["capacity"], pool["allocation"], "disk", policy)
    return resources


def _resource(total, used, kind, policy):
    capacity = int(max(total - policy.reserved[kind], 0) * policy.overcommit[kind])
    return Resource(total=total, capacity=capacity, used=used)


def check_mapping(option, value, keys=None):
    """Return a mapping, {} for None. `keys` are those that it may have. Raises InvalidInput.

    A filter has no argument spec that would check this, nor names and choices.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _errors.InvalidInput.of(option, value, "a mapping is needed")
    for key in value:
        if keys is not None and key not in keys:
            raise _errors.InvalidInput.of(f"{option}.{key}", value[key], "known keys are {}".format(", ".join(keys)))
    return value


def check_names(option, value):
    """Return a list of names as a tuple, () for None. Raises InvalidInput."""
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise _errors.InvalidInput.of(option, value, "a list of names is needed")
    return tuple(value)


def check_choice(option, value, choices):
    """Return one of the choices. Raises InvalidInput."""
    if value not in choices:
        raise _errors.InvalidInput.of(option, value, "it is one of {}".format(", ".join(choices)))
    return value
