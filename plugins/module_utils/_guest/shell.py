# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Run a shell command in a guest, however much it reads and prints."""

from __future__ import annotations

import contextlib
import secrets

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import execution, files
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.errors import AgentError

# Bytes of input and of output that go with the call itself; more goes through files in the guest.
INPUT_AT_ONCE = files.WRITTEN
OUTPUT_AT_ONCE = files.READ

# Run "$command" with its output in files, then tell its exit code, the files' sizes and their place, and, if they are small, show
# them and clean up. The agent would cut output off at 16 MiB, and libvirt breaks with an agent that answers with 10 MB.
# A command that leaves a daemon behind, which keeps the output open, ends for us all the same.
_SCRIPT = r"""
name=$1 at_once=$2 command=$3 input=$4
for place in /run /tmp; do
    directory=$place/$name
    mkdir -m 700 "$directory" 2>/dev/null && break
    directory=
done
[ -n "$directory" ] || { echo "neither /run nor /tmp can be written to" >&2; exit 1; }
if [ -n "$input" ]; then
    exec < "$input" || exit 1
    rm -f "$input"
fi
(
    umask 022
    HOME=~root USER=root LOGNAME=root
    export HOME USER LOGNAME
    cd 2>/dev/null || cd /
    exec /bin/sh -c "$command"
) > "$directory/out" 2> "$directory/err"
rc=$?
set -- $(wc -c "$directory/out" "$directory/err")
echo "$rc $1 $3 $directory"
if [ "$(($1 + $3))" -le "$at_once" ]; then
    cat "$directory/out"
    cat "$directory/err" >&2
    rm -rf "$directory"
fi
"""
_CLEAN_UP = 'rm -rf "/run/$1" "/tmp/$1" "/run/$1.in"'


def run(agent, command, stdin=b"", timeout=None):
    """Run a command line by /bin/sh as root, from root's home directory; return an execution.Result.

    timeout: seconds after which it is killed with all its children; None waits for ever.
    Raises AgentError, files.Damaged and TimedOut.
    """
    name = f"kvmfleet-{secrets.token_hex(8)}"
    try:
        source = ""
        if len(stdin) + len(command) > INPUT_AT_ONCE:
            source = f"/run/{name}.in"
            files.write(agent, source, stdin)
            stdin = b""
        result = execution.run(
            agent, ["/bin/sh", "-c", _SCRIPT, "sh", name, str(OUTPUT_AT_ONCE), command, source], stdin, timeout=timeout
        )
        return _output(agent, result, name)
    except BaseException:
        with contextlib.suppress(_errors.KvmfleetError):
            _clean_up(agent, name)
        raise


def _output(agent, result, name):
    header, _newline, stdout = result.stdout.partition(b"\n")
    try:
        rc, out_size, err_size, directory = header.decode().split()
    except ValueError as exc:
        said = result.stderr.decode(errors="replace").strip() or f"exit code {result.rc}"
        raise AgentError(f"the guest {agent.guest!r} can't run commands: {said}", "refused") from exc
    if int(out_size) + int(err_size) <= OUTPUT_AT_ONCE:
        return execution.Result(int(rc), stdout, result.stderr)
    stdout, stderr = (files.read(agent, f"{directory}/{stream}") for stream in ("out", "err"))
    _clean_up(agent, name)
    return execution.Result(int(rc), stdout, stderr)


def _clean_up(agent, name):
    execution.run(agent, ["/bin/sh", "-c", _CLEAN_UP, "sh", name])
