# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""execute: do what was planned, through the guest's agent; the one place that writes."""

from __future__ import annotations

import base64
import time

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._execute import Run, carry_out
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import execution, files, growth, shell
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.errors import AgentError

# hostnamectl tells systemd's services too.
_HOSTNAME = """
if command -v hostnamectl >/dev/null && [ -d /run/systemd/system ]; then exec hostnamectl set-hostname "$1"; fi
echo "$1" > /etc/hostname && hostname "$1"
"""
_OWN = 'chown -- "$2:$3" "$1" && chmod -- "$4" "$1"'


def execute(conn, spec, observed, the_plan):
    """Do the actions; return the result's key of a command that ran. Raises AgentError, Damaged, TimedOut, KvmfleetError."""
    run = Run(conn, spec, observed)
    carry_out(the_plan, ACTIONS, run)
    return run.result


def _freeze(run, action):
    """Source: guest-fsfreeze-freeze. Syncing what is not written yet takes as long as it takes."""
    run.observed.agent.call("guest-fsfreeze-freeze")


def _thaw(run, action):
    """Source: guest-fsfreeze-thaw."""
    run.observed.agent.call("guest-fsfreeze-thaw")


def _set_time(run, action):
    """Source: guest-set-time, in nanoseconds."""
    run.observed.agent.call("guest-set-time", time=time.time_ns())


def _set_hostname(run, action):
    _script(run.observed.agent, _HOSTNAME, [action.subject], "hostname", "take its name")


def _set_password(run, action):
    """Source: guest-set-user-password."""
    wanted = run.spec.password
    encoded = base64.b64encode(wanted.secret.encode()).decode()
    run.observed.agent.call("guest-set-user-password", username=wanted.user, password=encoded, crypted=wanted.hashed)


def _add_keys(run, action):
    """Source: guest-ssh-add-authorized-keys."""
    run.observed.agent.call("guest-ssh-add-authorized-keys", username=action.subject, keys=list(action.data))


def _replace_keys(run, action):
    run.observed.agent.call(
        "guest-ssh-add-authorized-keys", username=action.subject, keys=list(action.data), reset=True
    )


def _write_file(run, action):
    files.write(run.observed.agent, action.data.path, action.data.content)
    _set_file_mode(run, action)


def _set_file_mode(run, action):
    file = action.data
    arguments = [file.path, file.owner, file.group, f"{file.mode:04o}"]
    _script(run.observed.agent, _OWN, arguments, file.path, "give the file its owner and mode")


def _script(agent, script, arguments, subject, task):
    result = execution.run(agent, ["/bin/sh", "-c", script, "sh", *arguments])
    if result.rc:
        said = result.stderr.decode(errors="replace").strip()
        raise AgentError(f"{subject}: the guest {agent.guest!r} can't {task}: {said}", "refused")


def _grow(run, action):
    growth.grow(run.observed.agent, action)


def _run_command(run, action):
    agent, wanted = run.observed.agent, action.data
    result = shell.run(agent, wanted.line, wanted.stdin, wanted.timeout)
    told = {
        "rc": result.rc,
        "stdout": result.stdout.decode(errors="replace"),
        "stderr": result.stderr.decode(errors="replace"),
    }
    if result.rc:
        raise _errors.KvmfleetError(
            f"command: it failed in the guest {agent.guest!r} with exit code {result.rc}", command=told
        )
    run.result["command"] = told


ACTIONS = {
    "freeze": _freeze,
    "thaw": _thaw,
    "set_time": _set_time,
    "set_hostname": _set_hostname,
    "set_password": _set_password,
    "add_authorized_keys": _add_keys,
    "replace_authorized_keys": _replace_keys,
    "write_file": _write_file,
    "set_file_mode": _set_file_mode,
    "grow_partition": _grow,
    "grow_physical_volume": _grow,
    "grow_logical_volume": _grow,
    "grow_filesystem": _grow,
    "run_command": _run_command,
}
