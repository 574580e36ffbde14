# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Rooms: what a host has of one resource, and how much of it is taken. Pure.

A room is known by its label: `vcpus`, `memory`, or `pool NAME` for the storage pool of that name.
"""

from __future__ import annotations

from dataclasses import dataclass

VCPUS = "vcpus"
MEMORY = "memory"
MIB = 1024 * 1024


def pool_label(name):
    return f"pool {name}"


@dataclass(frozen=True)
class Room:
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


def shown(label, amount):
    """Write an amount of a room for people: CPUs as they are, sizes in MiB."""
    return str(amount) if label == VCPUS else f"{amount / MIB:.10g} MiB"
