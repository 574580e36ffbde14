# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What libvirt tells of a guest beside its definition. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Facts:
    """What libvirt tells of a guest beside its definition. `id` is None while it is off; `reason` is libvirt's word."""

    name: str
    uuid: str
    id: int | None
    state: str
    reason: str
    persistent: bool
    autostart: bool

    @property
    def active(self) -> bool:
        return self.id is not None


def identity(facts: Facts) -> dict[str, Any]:
    """Return the part of a description that needs no definition."""
    return {
        "name": facts.name,
        "uuid": facts.uuid,
        "id": facts.id,
        "state": facts.state,
        "state_reason": facts.reason,
        "persistent": facts.persistent,
        "autostart": facts.autostart,
    }
