# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Demands: what an instance needs of the host that it is placed on. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _units
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import flavors
from ansible_collections.kvmfleet.compute.plugins.module_utils._placement.hosts import (
    MEMORY,
    VCPUS,
    check_mapping,
    check_names,
    pool_label,
)

# The key of an instance that is for the scheduler alone, and what it has.
KEY = "schedule"
SCHEDULE_KEYS = ("require_tags", "refuse_tags")


@dataclass(frozen=True)
class Demand:
    """What one instance needs. `amounts` are by the label of the resource; a pool without a size is needed all the same."""

    name: str
    amounts: dict
    require_tags: frozenset = frozenset()
    refuse_tags: frozenset = frozenset()
    arch: str = None
    virt_type: str = None
    networks: frozenset = frozenset()


def parse(instances, defaults):
    """Return {name: the instance, completed by `defaults`} in the order of names. Raises InvalidInput."""
    defaults = check_mapping("defaults", defaults)
    if not isinstance(instances, (list, tuple)):
        raise _errors.InvalidInput.of("instances", instances, "a list of instances is needed")
    found = {}
    for index, given in enumerate(instances):
        given = check_mapping(f"instances[{index}]", given)
        name = given.get("name")
        if not isinstance(name, str) or not name:
            raise _errors.InvalidInput.of(f"instances[{index}].name", name, "an instance has a name")
        if name in found:
            raise _errors.InvalidInput.of(
                f"instances[{index}].name", name, "another instance of the list has this name"
            )
        found[name] = {**dict(defaults.items()), **dict(given.items())}
    return dict(sorted(found.items()))


def demand(instance):
    """Return the Demand of a new instance. Raises InvalidInput."""
    name = instance["name"]
    try:
        needs = check_mapping(KEY, instance.get(KEY), SCHEDULE_KEYS)
        amounts = _disks(instance)
        for label, amount in _size(instance).items():
            if amount is None and label == VCPUS:
                amount = 1  # What vm_instance gives a new guest.
            if amount is None:
                raise _errors.InvalidInput.of(label, None, f"a new instance needs a flavor, or {label}")
            amounts[label] = amount
        return Demand(
            name=name,
            amounts=amounts,
            require_tags=frozenset(check_names(f"{KEY}.require_tags", needs.get("require_tags"))),
            refuse_tags=frozenset(check_names(f"{KEY}.refuse_tags", needs.get("refuse_tags"))),
            arch=instance.get("arch"),
            virt_type=None if instance.get("virt_type") in (None, "auto") else instance["virt_type"],
            networks=frozenset(item["network"] for item in _items(instance, "interfaces") if item.get("network")),
        )
    except _errors.InvalidInput as exc:
        raise _errors.InvalidInput(f"instances[{name}].{exc.message}") from exc


def growth(instance, current):
    """Return {label: amount} that an instance is to have more of than it has; `current` is the guest that it is now.

    Its disks exist already, and what they take is among what the pool has used. Raises InvalidInput.
    """
    try:
        wanted = _size(instance)
    except _errors.InvalidInput as exc:
        raise _errors.InvalidInput(f"instances[{instance['name']}].{exc.message}") from exc
    has = {VCPUS: current.get("vcpus"), MEMORY: current.get("max_memory") or current.get("memory")}
    return {
        label: max(amount - has[label], 0)
        for label, amount in wanted.items()
        if amount is not None and has[label] is not None
    }


def _flavor(instance):
    return flavors.resolve(instance.get("flavor"), instance.get("flavors"))[1]


def _size(instance):
    """Return {label: amount} of virtual CPUs and memory; the instance's own go before its flavor's, None when neither.

    Memory is the most that the instance may use, as vm_host_info counts it for the guests that there are.
    """
    sizes = _flavor(instance)
    vcpus, memory = (
        sizes.get(option) if instance.get(option) is None else instance[option] for option in ("vcpus", "memory")
    )
    return {
        VCPUS: None if vcpus is None else _units.parse_count("vcpus", vcpus, "virtual CPUs"),
        MEMORY: None if memory is None else _memory(instance, memory),
    }


def _memory(instance, memory):
    sizes = [_units.parse_memory("memory", memory)]
    if instance.get("max_memory") is not None:
        sizes.append(_units.parse_memory("max_memory", instance["max_memory"]))
    return max(sizes) * 1024


def _disks(instance):
    """Return {label: bytes} of the volumes that will be made; a disk as large as its image counts as nothing."""
    disks = [(f"disks[{index}].size", disk) for index, disk in enumerate(_items(instance, "disks"))]
    root = {"image": instance.get("image"), "size": flavors.root_disk(instance, _flavor(instance))}
    amounts = {}
    for option, disk in [("root_disk", root), *disks]:
        if disk.get("state") == "absent" or disk.get("volume") or disk.get("source"):
            continue
        if disk.get("size") is None and disk.get("image") is None:
            continue
        label = pool_label(disk.get("pool") or instance.get("pool") or "default")
        size = 0 if disk.get("size") is None else _units.parse_size(option, disk["size"])
        amounts[label] = amounts.get(label, 0) + size
    return amounts


def _items(instance, option):
    items = instance.get(option) or ()
    return [check_mapping(f"{option}[{index}]", item) for index, item in enumerate(items)]
