# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What libvirt tells of a guest beside its definition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import power_state


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


def read_facts(domain: Any) -> Facts:
    """Return the Facts of one domain; see bulk.read for many."""
    state, reason = power_state(domain)
    return Facts(
        name=domain.name(),
        uuid=domain.UUIDString(),
        id=domain.ID() if domain.isActive() else None,
        state=state,
        reason=reason,
        persistent=bool(domain.isPersistent()),
        autostart=bool(domain.autostart()),
    )
