# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What differs, what is to be done about it, and how both are told to the user."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Change:
    """An option whose meaning differs from what the definition says.

    `applies` is _field.LIVE or _field.NEXT_BOOT. Secret values never get in here: they are redacted by their facet.
    """

    option: str
    before: object
    after: object
    applies: str


@dataclass(frozen=True)
class Action:
    """One step of a plan: `name` selects what execute does, `subject` is what it is done to, `data` what it needs.

    Each action is safe to repeat. Only name and subject are shown to users.
    """

    name: str
    subject: str
    data: Any = None

    def describe(self) -> dict[str, str]:
        return {"action": self.name, "subject": self.subject}


@dataclass(frozen=True)
class Plan:
    """All that a run will do, known before the first write; `before` and `after` are the texts of diff mode."""

    actions: tuple[Action, ...] = ()
    changes: tuple[Change, ...] = ()
    restart_required: tuple[str, ...] = ()
    before: str = ""
    after: str = ""
    warnings: tuple[str, ...] = field(default=())

    @property
    def changed(self) -> bool:
        return bool(self.actions)

    def describe(self) -> dict[str, Any]:
        """Return the keys that every result has, in check mode and in a real run alike."""
        return {
            "changed": self.changed,
            "actions": [action.describe() for action in self.actions],
            "restart_required": list(self.restart_required),
            "diff": {"before": self.before, "after": self.after},
        }
