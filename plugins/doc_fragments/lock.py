# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How long to wait for other tasks."""

    DOCUMENTATION = r"""
options:
  lock_timeout:
    description:
      - How long to wait for other tasks that use the same guest, or the host's networks.
      - Two tasks that change the same object run one after the other. When the time is over, the task fails and says which process
        it waited for. It has changed nothing then.
      - Tasks wait only for tasks that run on the same machine as the same user. When one task reaches a host through its O(uri) from
        another machine, it does not wait for the tasks that run on the host itself.
      - Check mode only reads, and does not wait.
    type: str
    default: 60s
    version_added: 0.1.0
"""
