# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's processes, all of them: those in the control group that its container runs in.

The kernel keeps this account: it knows the processes of a host whose supervisor was killed, and needs no file that
could be stale. Each host needs a group of its own in any case, or the hosts' systemds would share their services' groups.
"""

from __future__ import annotations

import time
from pathlib import Path

from lab.shell import LabError

# Puts itself into a group, then becomes the program that is to run there.
ENTER = 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"'


def command(host, *words):
    """Return the command that runs another one in the host's group, which is made."""
    group = _group(host)
    group.mkdir(parents=True, exist_ok=True)
    return ["sh", "-c", ENTER, "sh", str(group), *words]


def occupied(host):
    """Tell whether the host has any process."""
    return _occupied(_group(host))


def kill(host):
    """Kill all of the host's processes at one stroke, and remove its group."""
    _end(_group(host), host.name)


def remove():
    """Remove the group that the hosts' groups are in, with whatever a host that nobody knows any more left in it."""
    _end(_top(), "the lab")


def _end(group, what, timeout=20):
    if not group.exists():
        return
    (group / "cgroup.kill").write_text("1", encoding="utf-8")
    deadline = time.monotonic() + timeout
    while _occupied(group):
        if time.monotonic() > deadline:
            raise LabError(f"the processes of {what} do not end; {group}/cgroup.procs and those below list them")
        time.sleep(0.02)
    _remove(group)


def _occupied(group):
    try:
        return "populated 1" in (group / "cgroup.events").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False


def _remove(group):
    for child in group.iterdir():
        if child.is_dir():
            _remove(child)
    group.rmdir()


def _group(host):
    return _top() / host.name


def _top():
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _device, point, kind = line.split()[:3]
        if kind == "cgroup2":
            return Path(point) / "kvmfleet-lab"
    raise LabError("this machine has no unified control groups (a file system of type cgroup2), which hosts need")
