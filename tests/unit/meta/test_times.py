# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table at the end of a run of scenarios says what its time went to."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from ansible_collections.kvmfleet.compute.tests.unit.meta.collection import ROOT

PLAYBOOK = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Wait a second
      ansible.builtin.command: sleep 1
    - name: Fail
      ansible.builtin.command: "false"
      ignore_errors: true
"""


def test_each_task_is_in_the_table(tmp_path):
    (tmp_path / "converge.yml").write_text(PLAYBOOK)
    lines = tmp_path / "lines"
    environment = dict(
        os.environ,
        ANSIBLE_CALLBACK_PLUGINS=str(ROOT / "tools/callback_plugins"),
        ANSIBLE_CALLBACKS_ENABLED="task_times",
        KVMFLEET_TASK_TIMES=str(lines),
        MOLECULE_SCENARIO_NAME="proof",
    )
    command = ["ansible-playbook", "--inventory=localhost,", "--connection=local"]
    command += ["--extra-vars", f"ansible_python_interpreter={sys.executable}", tmp_path / "converge.yml"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    written = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [line.get("task") for line in written] == ["Wait a second", "Fail", None]
    assert written[0]["seconds"] >= 1
    table = subprocess.check_output([sys.executable, ROOT / "tools/times.py", lines], text=True)
    assert "localhost  proof/converge: Wait a second" in table
    assert "proof          converge " in table
