# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Sizes and times as people write them, and whole numbers that are really whole."""

from __future__ import annotations

import re

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors

_BINARY = ("KiB", "MiB", "GiB", "TiB", "PiB")
_DECIMAL = ("KB", "MB", "GB", "TB", "PB")
SIZE_UNITS = {"B": 1}
SIZE_UNITS.update((unit, 1024 ** (power + 1)) for power, unit in enumerate(_BINARY))
SIZE_UNITS.update((unit, 1000 ** (power + 1)) for power, unit in enumerate(_DECIMAL))
# libvirt writes sizes in these units; it also says 'bytes' and the short forms K, M, G, T, P for powers of 1024.
LIBVIRT_UNITS = dict(SIZE_UNITS, b=1, bytes=1, k=1024, K=1024, M=1024**2, G=1024**3, T=1024**4, P=1024**5)
TIME_UNITS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}

# More digits than anything has that can be counted; Python itself refuses numbers of thousands of digits.
_QUANTITY = re.compile(r"\s*([0-9]{1,20}(?:\.[0-9]{1,20})?)\s*([A-Za-z]*)\s*")
# libvirt's and Linux's limit of a size in bytes, and a time in seconds that timers can have.
LARGEST_SIZE = 2**63 - 1
LONGEST = 10**9


def parse_size(option: str, value: str, minimum: int = 1) -> int:
    """Return the bytes that a size such as `2GiB` or `500MB` means.

    A size without a unit is refused: 2048 could be bytes, KiB or MiB. Raises InvalidInput.
    """
    match = _QUANTITY.fullmatch(str(value))
    if not match or match.group(2) not in SIZE_UNITS:
        raise _errors.InvalidInput.of(
            option, value, "a size is a number and one of {}, such as 2GiB".format(", ".join(SIZE_UNITS))
        )
    size = (
        float(match.group(1)) * SIZE_UNITS[match.group(2)]
        if "." in match.group(1)
        else int(match.group(1)) * SIZE_UNITS[match.group(2)]
    )
    if size != int(size):
        raise _errors.InvalidInput.of(option, value, "a size is a whole number of bytes")
    if size > LARGEST_SIZE:
        raise _errors.InvalidInput.of(option, value, "it must be less than 8192PiB")
    if size < minimum:
        raise _errors.InvalidInput.of(option, value, f"it must be at least {format_size(minimum)}")
    return int(size)


def parse_memory(option: str, value: str) -> int:
    """Return the KiB that a memory size means; libvirt counts memory in KiB and rounds everything else."""
    size = parse_size(option, value, minimum=1024)
    if size % 1024:
        raise _errors.InvalidInput.of(option, value, "memory is a whole number of KiB, such as 2GiB")
    return size // 1024


def format_size(size: int) -> str:
    """Write bytes in the largest binary unit that divides them without rest."""
    for unit in reversed(_BINARY):
        if size and size % SIZE_UNITS[unit] == 0:
            return f"{size // SIZE_UNITS[unit]}{unit}"
    return f"{size}B"


def parse_duration(option: str, value: str) -> float:
    """Return the seconds that a time such as `90s` or `2m` means; a bare number is seconds. Raises InvalidInput."""
    match = _QUANTITY.fullmatch(str(value))
    unit = (match.group(2) or "s") if match else None
    if match is None or unit not in TIME_UNITS:
        raise _errors.InvalidInput.of(
            option, value, "a time is a number and one of {}, such as 90s".format(", ".join(TIME_UNITS))
        )
    seconds = float(match.group(1)) * TIME_UNITS[unit]
    if seconds > LONGEST:
        raise _errors.InvalidInput.of(option, value, f"a time is {LONGEST}s at most")
    return seconds


def parse_count(option: str, value: str | int, what: str, maximum: int | None = None) -> int:
    """Return a whole number of 1 or more. `what` names the thing counted. Raises InvalidInput."""
    text = str(value).strip()
    if not re.fullmatch(r"[0-9]{1,18}", text) or int(text) < 1 or (maximum is not None and int(text) > maximum):
        limits = "of 1 or more" if maximum is None else f"between 1 and {maximum}"
        raise _errors.InvalidInput.of(option, value, f"it must be a whole number of {what}, {limits}")
    return int(text)
