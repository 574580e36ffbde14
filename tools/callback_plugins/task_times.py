# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write how long each task of a molecule scenario took on each host; tools/times.py shows it."""

from __future__ import annotations

import json
import os
import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: task_times
type: aggregate
short_description: Write how long each task took on each host
description:
  - Appends a line of JSON to the file that the environment variable E(KVMFLEET_TASK_TIMES) names, for each task and host.
requirements:
  - enable in configuration
"""


class CallbackModule(CallbackBase):
    """One line for each task and host, one for the playbook."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "task_times"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self._begun = {}
        self._playbook = ""
        self._path = os.environ.get("KVMFLEET_TASK_TIMES")
        self.disabled = not self._path

    def v2_playbook_on_start(self, playbook):
        # A playbook that another one imports or calls is part of that one.
        self._playbook = os.path.basename(playbook._file_name).rpartition(".")[0]
        self._begun[None] = time.time()

    def v2_runner_on_start(self, host, task):
        self._begun[host.name, task._uuid] = time.time()

    def v2_runner_on_ok(self, result, **_more):
        self._ended(result)

    v2_runner_on_failed = v2_runner_on_unreachable = v2_runner_on_ok

    def v2_playbook_on_stats(self, stats):
        self._write(begun=self._begun[None])

    def _ended(self, result):
        begun = self._begun.pop((result._host.name, result._task._uuid), None)
        if begun is not None:
            self._write(begun=begun, host=result._host.name, task=result._task.get_name().strip())

    def _write(self, begun, **what):
        line = {
            "scenario": os.environ.get("MOLECULE_SCENARIO_NAME", ""),
            "playbook": self._playbook,
            "seconds": round(time.time() - begun, 2),
            "at": round(begun, 2),
            **what,
        }
        # One write, so that the lines of playbooks that run at the same time do not mix.
        with open(self._path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
