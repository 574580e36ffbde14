# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Sets of numbers as libvirt writes them, such as the CPUs 0-3,8."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field

# More than any host has, and few enough to be counted.
HIGHEST = 16383


def parse_ranges(option: str, value: object) -> str:
    """Return the one way to write a set of numbers: ascending, with neighbours joined. Raises InvalidInput."""
    text = str(value).replace(" ", "")
    if re.fullmatch(r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*", text):
        found = numbers(text)
        if found and max(found) <= HIGHEST:
            return to_text(found)
    raise _errors.InvalidInput.of(
        option, value, f"numbers up to {HIGHEST} and ranges of them are needed, such as 0-3,8"
    )


def numbers(text: str) -> set[int]:
    """Return the numbers of a set as a set. A range that ends before it begins has none.

    libvirt also has ^8, which takes a number out of what comes before it (virBitmapParse).
    """
    found = set()
    for part in text.split(",") if text else ():
        if part.startswith("^"):
            found.discard(int(part[1:]))
            continue
        first, _dash, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def to_text(found: Iterable[int]) -> str:
    """Write a set of numbers."""
    parts = []
    for number in sorted(found):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


RANGES = _field.Codec(decode=lambda text: to_text(numbers(text)), encode=str)
