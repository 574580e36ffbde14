# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Flavors: named sizes of guests; the classic catalogue of OpenStack, and the operator's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _units

# The catalogue that OpenStack installed by default for years, and that operators know by heart.
CLASSIC = {
    "m1.tiny": {"memory": "512MiB", "vcpus": 1, "root_disk": "1GiB"},
    "m1.small": {"memory": "2GiB", "vcpus": 1, "root_disk": "20GiB"},
    "m1.medium": {"memory": "4GiB", "vcpus": 2, "root_disk": "40GiB"},
    "m1.large": {"memory": "8GiB", "vcpus": 4, "root_disk": "80GiB"},
    "m1.xlarge": {"memory": "16GiB", "vcpus": 8, "root_disk": "160GiB"},
}
KEYS = ("memory", "vcpus", "root_disk")


def resolve(flavor: Any, catalogue: Mapping[str, Any] | None) -> tuple[str | None, dict[str, Any]]:
    """Return (name or None, sizes) of a flavor given by name or inline.

    `catalogue` is the operator's own, looked at before the classic one. Raises InvalidInput.
    """
    known = dict(CLASSIC, **(catalogue or {}))
    for name, sizes in (catalogue or {}).items():
        _checked(f"flavors[{name}]", sizes)
    if flavor is None:
        return None, {}
    if isinstance(flavor, dict):
        return None, _checked("flavor", flavor)
    if not isinstance(flavor, str) or flavor not in known:
        raise _errors.InvalidInput.of("flavor", flavor, "known flavors are {}".format(", ".join(sorted(known))))
    return flavor, _checked(f"flavors[{flavor}]", known[flavor])


def root_disk(params: Mapping[str, Any], sizes: Mapping[str, Any]) -> str | None:
    """Return the size of the root disk, None when neither the task nor the flavor says it.

    A flavor's is for a guest that is made from an image; others bring their own disks.
    """
    if params.get("root_disk") is not None or params.get("image") is None:
        return params.get("root_disk")
    return sizes.get("root_disk")


def _checked(option: str, sizes: Any) -> dict[str, Any]:
    if not isinstance(sizes, dict):
        raise _errors.InvalidInput.of(option, sizes, "a flavor is a name, or a mapping of {}".format(", ".join(KEYS)))
    for key in sizes:
        if key not in KEYS:
            raise _errors.InvalidInput.of(f"{option}.{key}", sizes[key], "a flavor has {}".format(", ".join(KEYS)))
    if "memory" in sizes:
        _units.parse_memory(f"{option}.memory", sizes["memory"])
    if "vcpus" in sizes:
        _units.parse_count(f"{option}.vcpus", sizes["vcpus"], "virtual CPUs")
    return sizes
