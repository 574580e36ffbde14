# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kill a run, or have it fail, before or after one of its actions, at the place through which every action of every module goes."""

from __future__ import annotations

import contextlib

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
