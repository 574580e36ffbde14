# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _execute
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, KvmfleetError
from ansible_collections.kvmfleet.compute.plugins.module_utils._execute import Run, carry_out
from ansible_collections.kvmfleet.compute.plugins.module_utils._plan import Action, Plan
from ansible_collections.kvmfleet.compute.tests.unit.plugins.kill import Killed, killing

PLAN = Plan(actions=(Action("make", "a"), Action("make", "b"), Action("make_sure", "c")))


class Recorded(Run):
    """A run that records what its handlers do, and undoes all of it when it fails."""

    def __init__(self):
        super().__init__(None, None, None)
        self.log = []


def _make(run, action):
    run.on_failure(lambda: run.log.append(f"undo {action.subject}"))
    run.log.append(action.subject)


def _carry_out(last):
    run = Recorded()
    return run, lambda: carry_out(PLAN, {"make": _make, "make_sure": last}, run)


def test_every_action_passes_the_place_where_a_run_can_be_watched(monkeypatch):
    run, go = _carry_out(_make)
    monkeypatch.setattr(_execute, "reached", lambda moment, _run, action: run.log.append(f"{moment} {action.subject}"))
    go()
    assert run.log == [word for name in "abc" for word in (f"before {name}", name, f"after {name}")]
    assert run.done == list(PLAN.actions)


def test_what_turned_out_to_be_nothing_is_not_done():
    run, go = _carry_out(lambda run, action: False)
    go()
    assert run.done == list(PLAN.actions[:2])


def _refuse(run, action):
    raise Conflict("no")


def _read_nowhere(run, action):
    with open("/nowhere/file"):
        pass


@pytest.mark.parametrize(
    ("last", "message"),
    [(_refuse, "no"), (_read_nowhere, "make sure c failed: [Errno 2] No such file or directory: '/nowhere/file'")],
)
def test_a_failure_undoes_the_latest_first_and_is_told(last, message):
    run, go = _carry_out(last)
    with pytest.raises(KvmfleetError) as failed:
        go()
    assert failed.value.message == message
    assert run.log == ["a", "b", "undo b", "undo a"] and run.done == list(PLAN.actions[:2])


def test_an_undo_that_fails_keeps_no_other_from_being_done():
    run, go = _carry_out(_refuse)
    run.on_failure(lambda: run.log.append("undo the first"))
    run.on_failure(lambda: _refuse(run, None))
    with pytest.raises(Conflict, match="no"):
        go()
    assert run.log[-3:] == ["undo b", "undo a", "undo the first"]


def _half(run, action):
    run.on_failure(lambda: False)
    _refuse(run, action)


@pytest.mark.parametrize(
    ("undoes", "last", "done", "changed"),
    [
        ({}, _refuse, ["a", "b"], True),
        ({"a": True, "b": False}, _refuse, ["b"], True),
        ({"a": True, "b": True}, _refuse, [], False),
        ({"a": True, "b": True}, _half, [], True),
    ],
)
def test_a_failure_tells_what_was_done_and_is_not_known_to_be_undone(undoes, last, done, changed):
    def make(run, action):
        if action.subject in undoes:
            run.on_failure(lambda: undoes[action.subject])

    with pytest.raises(Conflict) as failed:
        carry_out(PLAN, {"make": make, "make_sure": last}, Recorded())
    told = failed.value.details
    assert (told["done"], told["changed"]) == ([{"action": "make", "subject": name} for name in done], changed)


def test_an_undo_that_fails_leaves_its_action_done():
    def make(run, action):
        run.on_failure(lambda: _refuse(run, action))

    with pytest.raises(Conflict) as failed:
        carry_out(PLAN, {"make": make, "make_sure": _refuse}, Recorded())
    assert [action["subject"] for action in failed.value.details["done"]] == ["a", "b"]


@pytest.mark.parametrize(("moment", "log"), [("before", ["a"]), ("after", ["a", "b"])])
def test_who_is_killed_undoes_nothing(moment, log):
    run, go = _carry_out(_make)
    with killing(moment, 2), pytest.raises(Killed):
        go()
    assert run.log == log
