# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Carry out a plan: the one loop over actions. Each action is safe to repeat; a run that fails undoes what must not stay."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import doing
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn, libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import KvmfleetError, file_errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._plan import Action, Plan


class Run:
    """What the handlers of one run share: the connection, what is wanted and what was seen.

    done: the actions that are done. result: keys of the module's result. warnings: what could not be done as well as planned.
    """

    def __init__(self, conn: Conn, spec: Any, observed: Any) -> None:
        self.conn = conn
        self.spec = spec
        self.observed = observed
        self.done: list[Action] = []
        self.result: dict[str, Any] = {}
        self.warnings: list[str] = []
        self._undoes: list[Callable[[], object]] = []

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say what was being done when libvirt or the file system failed: raises KvmfleetError."""
        with doing(what), file_errors(what):
            yield

    def on_failure(self, undo: Callable[[], object]) -> None:
        """Have `undo()` called when this action or a later one fails."""
        self._undoes.append(undo)

    def undo(self) -> None:
        """Undo what must not stay, the latest first."""
        for undo in reversed(self._undoes):
            with contextlib.suppress(libvirt.libvirtError, KvmfleetError):
                undo()


# What does an action; it returns False when there turned out to be nothing to do.
Handler = Callable[[Any, Action], object]


def carry_out(plan: Plan, handlers: Mapping[str, Handler], run: Any) -> None:
    """Do the actions of a plan, each by `handlers[action.name](run, action)`.

    A handler returns False when there turned out to be nothing to do. Raises KvmfleetError; the failed run is undone then.
    """
    try:
        for action in plan.actions:
            reached("before", run, action)
            with run.doing(f"{action.name.replace('_', ' ')} {action.subject}"):
                if handlers[action.name](run, action) is not False:
                    run.done.append(action)
            reached("after", run, action)
    except KvmfleetError:
        run.undo()
        raise


def reached(moment: str, run: Run, action: Action) -> None:
    """Called `before` and `after` each action of each run. It does nothing; a test replaces it to watch a run, or to end it."""
