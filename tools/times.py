# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Show what the scenarios' time went to: python3 tools/times.py FILE, with the lines of callback_plugins/task_times.py."""

from __future__ import annotations

import json
import sys
from collections import defaultdict

SLOWEST = 25


def table(lines):
    """Return the text of two tables: the seconds of each scenario and playbook, and the slowest tasks."""
    playbooks, tasks = defaultdict(list), []
    for line in lines:
        if "task" in line:
            tasks.append(line)
        else:
            playbooks[line["scenario"]].append(line)
    rows = []
    for scenario, runs in sorted(playbooks.items(), key=lambda item: -_total(item[1])):
        steps = ", ".join(f"{run['playbook']} {run['seconds']:.0f}" for run in runs)
        rows.append(f"{_total(runs):7.0f}  {scenario:14} {steps}")
    tasks.sort(key=lambda task: -task["seconds"])
    slowest = [
        f"{task['seconds']:7.1f}  {task['host']:10} {task['scenario']}/{task['playbook']}: {task['task'][:90]}"
        for task in tasks[:SLOWEST]
    ]
    return "\n".join(["", "seconds  scenario", *rows, "", "seconds  host       task", *slowest])


def _total(runs):
    return sum(run["seconds"] for run in runs)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as stream:
        print(table([json.loads(text) for text in stream]))
