# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What a cold resize adds to the plan of a run. Without one it adds nothing."""

from __future__ import annotations

from typing import NamedTuple


class Step(NamedTuple):
    """A resize's part of a plan.

    target: the plan.Target with the resize in it. define: the action that defines the guest. moves: the names of the power
    actions, None for those that the state asks for; actions: by such a name, the Action where it is not the guest alone that it
    is about. last: what follows. ends: whether the resize is over then, so that it is forgotten.
    """

    target: object
    define: str = "define"
    moves: tuple = None
    actions: dict = {}
    last: tuple = ()
    ends: bool = False
    warnings: tuple = ()
