# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Run a program in a guest through its agent. Source: guest-exec, guest-exec-status."""

from __future__ import annotations

import base64
import contextlib
import time
from typing import NamedTuple

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.errors import AgentError

COMMANDS = ("guest-exec", "guest-exec-status")
# Seconds between two looks at a program that runs: short at first, as most are, then longer.
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
# Seconds that killing may take.
KILL_TIMEOUT = 30

# Kill a process and all that came from it. Only /proc is used, as ps and pkill differ, and may be missing.
_KILL = r"""
family=" $1 "
found=yes
while [ -n "$found" ]; do
    found=
    for stat in /proc/[0-9]*/stat; do
        read -r line 2>/dev/null < "$stat" || continue
        child=${line%% *}
        parent=${line##*) ? }
        parent=${parent%% *}
        case $family in
        *" $child "*) ;;
        *" $parent "*) family="$family$child " found=yes ;;
        esac
    done
done
kill -KILL $family
"""


class Result(NamedTuple):
    """What a program left: its exit code (128 + the number of the signal that ended it), standard output and error."""

    rc: int
    stdout: bytes
    stderr: bytes


def run(agent, argv, stdin=b"", environment=None, timeout=None):
    """Run a program by its path, wait for its end and return the Result.

    Output is what libvirt lets through: some 3 MB, and over 10 MB it cuts the agent off; `shell.run` has no such limit.
    environment: {name: value} that replaces the agent's own. timeout: seconds after which the program and its children are
    killed; None waits for ever.
    Raises AgentError, and TimedOut.
    """
    arguments = {"path": argv[0], "arg": list(argv[1:]), "capture_output": True}
    if stdin:
        arguments["input_data"] = base64.b64encode(stdin).decode()
    if environment is not None:
        arguments["env"] = [f"{name}={value}" for name, value in environment.items()]
    pid = agent.call("guest-exec", **arguments)["pid"]
    try:
        return _result(_ended(agent, pid, argv[0], timeout))
    except AgentError as exc:
        if exc.reason == "refused":
            # A new agent knows nothing of what its predecessor ran.
            raise AgentError(
                f"the agent of the guest {agent.guest!r} was restarted while it ran {argv[0]}", "stopped", **exc.details
            ) from exc
        raise
    except BaseException:
        # Time-outs of Ansible and interrupts come as exceptions too.
        with contextlib.suppress(_errors.KvmfleetError):
            _kill(agent, pid)
        raise


def _ended(agent, pid, program, timeout):
    deadline = None if timeout is None else time.monotonic() + timeout
    pause = FIRST_PAUSE
    while True:
        status = agent.call("guest-exec-status", pid=pid)
        if status["exited"]:
            return status
        if deadline is not None and time.monotonic() >= deadline:
            raise _errors.TimedOut(
                f"{program} did not end within {timeout:g} s in the guest {agent.guest!r}, and was killed"
            )
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


def _result(status):
    return Result(
        rc=status["exitcode"] if "exitcode" in status else 128 + status.get("signal", 0),
        stdout=base64.b64decode(status.get("out-data", "")),
        stderr=base64.b64decode(status.get("err-data", "")),
    )


def _kill(agent, pid):
    run(agent, ["/bin/sh", "-c", _KILL, "sh", str(pid)], timeout=KILL_TIMEOUT)
