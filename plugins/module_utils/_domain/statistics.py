# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A guest's statistics, made of the raw ones of bulk.statistics()."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _typed_params
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt

# The values of the memory balloon that are not KiB.
_NOT_KIB = ("major_fault", "minor_fault", "last_update", "hugetlb_pgalloc", "hugetlb_pgfail")


def groups() -> int:
    """Return the flags of the statistics that `statistics` shows."""
    return (
        libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
        | libvirt.VIR_DOMAIN_STATS_BALLOON
        | libvirt.VIR_DOMAIN_STATS_VCPU
        | libvirt.VIR_DOMAIN_STATS_INTERFACE
        | libvirt.VIR_DOMAIN_STATS_BLOCK
    )


def statistics(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a guest's statistics: times in nanoseconds, sizes in bytes, all else counted since its start."""
    balloon = _typed_params.mapping(parameters, "balloon")
    return {
        "cpu": _typed_params.mapping(parameters, "cpu"),
        "memory": {name: value if name in _NOT_KIB else value * 1024 for name, value in balloon.items()},
        "vcpus": [_vcpu(number, values) for number, values in _typed_params.items(parameters, "vcpu")],
        "interfaces": _listed(parameters, "net"),
        "disks": _listed(parameters, "block"),
    }


def _listed(parameters: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    return [_typed_params.mapping(values) for _number, values in _typed_params.items(parameters, prefix)]


def _vcpu(number: int, values: Mapping[str, Any]) -> dict[str, Any]:
    words = {
        libvirt.VIR_VCPU_OFFLINE: "offline",
        libvirt.VIR_VCPU_RUNNING: "running",
        libvirt.VIR_VCPU_BLOCKED: "blocked",
    }
    vcpu = dict({"number": number}, **_typed_params.mapping(values))
    vcpu["state"] = words.get(vcpu.get("state"))
    return vcpu
