# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kill a run, have it fail, or stop it before or after one of its actions, at the place through which every action of every
module goes."""

from __future__ import annotations

import contextlib
import os
import threading

import libvirt
import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _execute
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import KvmfleetError


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it, nothing is tidied up."""


@contextlib.contextmanager
def killing(moment, count):
    """Have runs die "before" or "after" the action that is the count-th one, 1 for the first. They raise Killed."""
    seen = 0

    def reached(now, run, action):
        nonlocal seen
        seen += now == moment
        if seen == count:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_execute, "reached", reached)
        yield


@contextlib.contextmanager
def failing(name, subject):
    """Have runs fail before the action of this name and subject."""

    def reached(now, run, action):
        if (now, action.name, action.subject) == ("before", name, subject):
            raise KvmfleetError(f"{name} failed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_execute, "reached", reached)
        yield


# The calls by which runs write, by libvirt's classes.
WRITES = {
    "virConnect": "defineXML defineXMLFlags networkDefineXML",
    "virDomain": (
        "setMetadata create createWithFlags destroy destroyFlags shutdownFlags suspend resume pMWakeup setAutostart undefine undefineFlags "
        "managedSave managedSaveRemove attachDeviceFlags detachDeviceFlags updateDeviceFlags setVcpusFlags setMemoryFlags blockResize "
        "blockCommit blockJobAbort backupBegin fsFreeze fsThaw coreDumpWithFormat injectNMI"
    ),
    "virNetwork": "create destroy undefine setAutostart update",
    "virStoragePool": "createXML createXMLFrom refresh",
    "virStorageVol": "delete resize upload",
}


@contextlib.contextmanager
def points(reach):
    """Have `reach(name)` called at each point where a run may die: before and after each action, and after each write to libvirt."""

    def watched(name, call):
        def write(*given, **named):
            result = call(*given, **named)
            reach(name)
            return result

        return write

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_execute, "reached", lambda moment, run, action: reach(f"{moment} {action.name}"))
        for kind, names in WRITES.items():
            for name in names.split():
                of_kind = getattr(libvirt, kind)
                patch.setattr(of_kind, name, watched(name, getattr(of_kind, name)))
        yield


def count_points(run):
    """Return the names of the points that a run passes."""
    seen = []
    with points(seen.append):
        run()
    return seen


def kill_at(number, run):
    """Run, and die at a point, 1 for the first; return its name."""
    seen = []

    def reach(name):
        seen.append(name)
        if len(seen) == number:
            raise Killed

    with points(reach), pytest.raises(Killed):
        run()
    return seen[-1]


def chosen(every, short):
    """Return all cases of an enumeration when `make kills` asks for them, else the few of them that each `make unit` takes."""
    return every if os.environ.get("KVMFLEET_KILLS") == "all" else short


class Stop:
    """A run in a thread of its own that stands still before or after an action, for the time of a `with` block.

    result: what `run()` returned, once the block is left.
    """

    def __init__(self, moment, count, run):
        self.result = None
        self._at, self._seen = (moment, count), 0
        self._stopped, self._go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, args=(run,))
        self._patch = pytest.MonkeyPatch()

    def __enter__(self):
        self._patch.setattr(_execute, "reached", self._reached)
        self._thread.start()
        assert self._stopped.wait(60), "the run has ended before that action"
        return self

    def __exit__(self, *exc_info):
        self.go_on()
        self.join()
        self._patch.undo()

    def go_on(self):
        self._go.set()

    def join(self):
        """Wait until it has ended."""
        self._thread.join()

    def _work(self, run):
        self.result = run()

    def _reached(self, moment, run, action):
        if threading.current_thread() is self._thread:
            self._seen += moment == self._at[0]
            if (moment, self._seen) == self._at:
                self._stopped.set()
                self._go.wait()
