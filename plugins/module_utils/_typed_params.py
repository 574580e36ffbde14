# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""libvirt's typed parameters, whose flat names such as `block.0.rd.reqs` stand for lists and mappings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_ITEM = re.compile(r"(\d+)\.(.+)")
_PART_OF_LIST = re.compile(r"(^|\.)(\d+\.|count$)")


def mapping(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return what stands below a prefix and in no list, {NAME: value}; dots and dashes become underscores."""
    below = _below(parameters, prefix)
    return {re.sub(r"[.-]", "_", name): value for name, value in below if not _PART_OF_LIST.search(name)}


def items(parameters: Mapping[str, Any], prefix: str) -> list[tuple[int, dict[str, Any]]]:
    """Return the list below a prefix, which has the names `PREFIX.N.NAME`, as pairs (N, {NAME: value}) ordered by N."""
    found: dict[int, dict[str, Any]] = {}
    for name, value in _below(parameters, prefix):
        match = _ITEM.match(name)
        if match:
            found.setdefault(int(match.group(1)), {})[match.group(2)] = value
    return sorted(found.items())


def _below(parameters: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    start = f"{prefix}." if prefix else ""
    return ((name[len(start) :], value) for name, value in parameters.items() if name.startswith(start))
