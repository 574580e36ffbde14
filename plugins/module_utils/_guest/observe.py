# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""observe: read from a guest's agent what the plan needs to know; writes nothing."""

from __future__ import annotations

import time
from typing import NamedTuple

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.lookup import require
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import execution, files, growth
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.agent import Agent
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.errors import AgentError

_LOOK = '[ -e "$1" ] || exit 3; stat -L -c "%a %U %G" "$1" && sha256sum < "$1"'
_ABSENT = 3
# The name of now, and the one of the next boot.
_HOSTNAMES = "cat /proc/sys/kernel/hostname; cat /etc/hostname 2>/dev/null || true"


class FileState(NamedTuple):
    """A file as it is in the guest; mode is a number, checksum its SHA-256."""

    checksum: str
    mode: int
    owner: str
    group: str


class Observed(NamedTuple):
    """The guest's agent, and what was asked for as it is now; None where it was not looked at.

    shadow: the user's field in /etc/shadow. keys: the user's authorised keys. files: {path: FileState, None where there is
    none}. drift: the seconds that the guest's clock is ahead. hostnames: those of now and of the next boot. grow: the
    growth.FileSystem of each mount point. frozen: whether file systems are. created: whether what the command makes is there.
    """

    domain: object
    agent: Agent
    shadow: str
    keys: tuple
    files: dict
    drift: float
    hostnames: tuple
    grow: tuple
    frozen: bool
    created: bool


def observe(conn, spec):
    """Return the Observed. Raises NotFound, AgentError, LibvirtFailed."""
    with _connection.doing(f"looking for the guest {spec.name!r}"):
        domain = require(conn, spec.name)
    agent = Agent(domain, spec.agent_timeout)
    password, keys, command = spec.password, spec.authorized_keys, spec.command
    return Observed(
        domain=domain,
        agent=agent,
        shadow=_shadow(agent, password.user) if password and (password.hashed or password.on_create) else None,
        keys=authorized_keys(agent, keys.user) if keys else None,
        files={file.path: _file(agent, file.path) for file in spec.files},
        drift=_drift(agent) if spec.sync_time else None,
        hostnames=_hostnames(agent) if spec.hostname else None,
        grow=tuple(growth.look(agent, mount) for mount in spec.grow),
        frozen=None if spec.frozen is None else agent.call("guest-fsfreeze-status") != "thawed",
        created=bool(command and command.creates and _file(agent, command.creates)),
    )


def _shadow(agent, user):
    for line in files.read(agent, "/etc/shadow").decode(errors="replace").splitlines():
        fields = line.split(":")
        if fields[0] == user:
            return fields[1]
    raise _errors.NotFound(f"password.user: there is no user {user!r} in the guest {agent.guest!r}")


def authorized_keys(agent, user):
    """Return the lines of a user's authorized_keys. Source: guest-ssh-get-authorized-keys."""
    try:
        return tuple(agent.call("guest-ssh-get-authorized-keys", username=user)["keys"])
    except AgentError as exc:
        # The agent takes a file that is not there for a failure.
        if exc.no_such_file:
            return ()
        raise


def _file(agent, path):
    result = execution.run(agent, ["/bin/sh", "-c", _LOOK, "sh", path])
    if result.rc == _ABSENT:
        return None
    words = result.stdout.decode().split()
    if result.rc or len(words) < len(FileState._fields):
        said = result.stderr.decode(errors="replace").strip()
        raise AgentError(f"{path}: the guest {agent.guest!r} can't look at the file: {said}", "refused")
    return FileState(checksum=words[3], mode=int(words[0], 8), owner=words[1], group=words[2])


def _hostnames(agent):
    return tuple(execution.run(agent, ["/bin/sh", "-c", _HOSTNAMES]).stdout.decode().split())


def _drift(agent):
    """Source: guest-get-time, in nanoseconds; what the call takes is shared between both ways."""
    before = time.time()
    there = agent.call("guest-get-time") / 1e9
    return there - (before + time.time()) / 2
