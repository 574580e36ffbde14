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

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import doing
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn, libvirt


class Run:
    """What the handlers of one run share: the connection, what is wanted and what was seen.

    done: the actions that are done. result: keys of the module's result. warnings: what could not be done as well as planned.
    """

    def __init__(self, conn: Conn, spec: Any, observed: Any) -> None:
        self.conn = conn
        self.spec = spec
        self.observed = observed
        self.done: list[_plan.Action] = []
        self.result: dict[str, Any] = {}
        self.warnings: list[str] = []
        self._current: _plan.Action | None = None
        self._undoes: list[tuple[_plan.Action | None, Callable[[], object]]] = []
        self._undone: list[_plan.Action | None] = []

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say what was being done when libvirt or the file system failed: raises KvmfleetError."""
        with doing(what), _errors.file_errors(what):
            yield

    def begin(self, action: _plan.Action) -> None:
        """An action begins; what is registered from now on undoes it."""
        self._current = action

    def on_failure(self, undo: Callable[[], object]) -> None:
        """Have `undo()` called when this action or a later one fails. It returns True when nothing of this action is left."""
        self._undoes.append((self._current, undo))

    def half_done(self) -> None:
        """The present action has changed something, which nothing undoes, and may fail yet."""
        self.on_failure(lambda: False)

    def undo(self) -> None:
        """Undo what must not stay, the latest first."""
        for action, undo in reversed(self._undoes):
            with contextlib.suppress(libvirt.libvirtError, _errors.KvmfleetError):
                if undo() is True:
                    self.undone(action)

    def undone(self, action: _plan.Action | None) -> None:
        """Nothing of an action is left."""
        self._undone.append(action)

    @contextlib.contextmanager
    def reporting(self) -> Iterator[None]:
        """Have a failure tell what the run has changed: `changed` and `done` of the failed result."""
        try:
            yield
        except _errors.KvmfleetError as exc:
            exc.details.setdefault("done", [action.describe() for action in self.done if action not in self._undone])
            # An action that has failed may be half done.
            half = [action for action, _undo in self._undoes if action not in [*self.done, *self._undone]]
            exc.details.setdefault("changed", bool(exc.details["done"] or half))
            raise


# What does an action; it returns False when there turned out to be nothing to do.
Handler = Callable[[Any, _plan.Action], object]


def carry_out(plan: _plan.Plan, handlers: Mapping[str, Handler], run: Any) -> None:
    """Do the actions of a plan, each by `handlers[action.name](run, action)`.

    A handler returns False when there turned out to be nothing to do. Raises KvmfleetError, which tells what was changed; the
    failed run is undone then.
    """
    with run.reporting():
        try:
            for action in plan.actions:
                reached("before", run, action)
                run.begin(action)
                with run.doing(f"{action.name.replace('_', ' ')} {action.subject}"):
                    if handlers[action.name](run, action) is not False:
                        run.done.append(action)
                reached("after", run, action)
        except _errors.KvmfleetError:
            run.undo()
            raise


def reached(moment: str, run: Run, action: _plan.Action) -> None:
    """Called `before` and `after` each action of each run. It does nothing; a test replaces it to watch a run, or to end it."""
