# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""spec: what a task asks of the system in a guest, normalised and checked as far as that needs no guest. Pure."""

from __future__ import annotations

import math
import shlex
from typing import NamedTuple

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _units
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import values

OPTIONS = {
    "name": {"type": "str", "required": True},
    "agent_timeout": {"type": "str", "default": "30s"},
    "password": {
        "type": "dict",
        "no_log": False,
        "options": {
            "user": {"type": "str", "default": "root"},
            "password": {"type": "str", "no_log": True},
            "hash": {"type": "str", "no_log": True},
            "update_password": {
                "type": "str",
                "choices": ["always", "on_create"],
                "default": "always",
                "no_log": False,
            },
        },
        "mutually_exclusive": [["password", "hash"]],
        "required_one_of": [["password", "hash"]],
    },
    "authorized_keys": {
        "type": "dict",
        "no_log": False,
        "options": {
            "user": {"type": "str", "default": "root"},
            "keys": {"type": "list", "elements": "str", "required": True, "no_log": False},
            "exclusive": {"type": "bool", "default": False},
        },
    },
    "files": {
        "type": "list",
        "elements": "dict",
        "options": {
            "path": {"type": "str", "required": True},
            "content": {"type": "str", "required": True, "no_log": True},
            "mode": {"type": "str", "default": "0600"},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
        },
    },
    "command": {
        "type": "dict",
        "options": {
            "argv": {"type": "list", "elements": "str"},
            "cmd": {"type": "str"},
            "stdin": {"type": "str", "no_log": True},
            "creates": {"type": "str"},
            "timeout": {"type": "str"},
        },
        "mutually_exclusive": [["argv", "cmd"]],
        "required_one_of": [["argv", "cmd"]],
    },
    "sync_time": {"type": "bool", "default": False},
    "hostname": {"type": "str"},
    "grow": {"type": "list", "elements": "str", "default": []},
    "frozen": {"type": "bool"},
    "read": {"type": "list", "elements": "str", "default": []},
}
# What the agent does not do while file systems are frozen.
_NOT_FROZEN = ("password", "authorized_keys", "files", "command", "sync_time", "hostname", "grow", "read")


class Password(NamedTuple):
    """A user's password, in clear or as a hash of crypt(3)."""

    user: str
    secret: str
    hashed: bool
    on_create: bool


class AuthorizedKeys(NamedTuple):
    """The ssh keys that a user's account shall have, and whether it shall have no other."""

    user: str
    keys: tuple
    exclusive: bool


class File(NamedTuple):
    """A file as it shall be; mode is a number."""

    path: str
    content: bytes
    mode: int
    owner: str
    group: str


class Command(NamedTuple):
    """A command line for the guest's shell. timeout: seconds, None for ever."""

    line: str
    stdin: bytes
    creates: str
    timeout: float


class GuestSpec(NamedTuple):
    """What a task asks for; None and empty where it does not."""

    name: str
    agent_timeout: int
    password: Password
    authorized_keys: AuthorizedKeys
    files: tuple
    command: Command
    sync_time: bool
    hostname: str
    grow: tuple
    frozen: bool
    read: tuple


def parse(params):
    """Return the GuestSpec of a module's options. Raises InvalidInput."""
    if params["frozen"] is not None:
        others = [option for option in _NOT_FROZEN if params[option]]
        if others:
            raise _errors.InvalidInput.of(
                "frozen", params["frozen"], f"it goes with no other work, and {others[0]} is given too"
            )
    return GuestSpec(
        name=params["name"],
        agent_timeout=math.ceil(_duration("agent_timeout", params["agent_timeout"])),
        password=_given(params["password"], _password),
        authorized_keys=_given(params["authorized_keys"], _authorized_keys),
        files=_files(params["files"] or ()),
        command=_given(params["command"], _command),
        sync_time=params["sync_time"],
        hostname=_given(params["hostname"], lambda text: values.hostname("hostname", text)),
        grow=tuple(dict.fromkeys(values.file_path("grow", path) if path != "/" else path for path in params["grow"])),
        frozen=params["frozen"],
        read=tuple(values.file_path("read", path) for path in params["read"]),
    )


def _given(value, parse):
    return None if value is None else parse(value)


def _duration(option, text):
    seconds = _units.parse_duration(option, text)
    if seconds <= 0:
        raise _errors.InvalidInput.of(option, text, "it must be longer than 0s")
    return seconds


def _password(value):
    hashed = value["hash"] is not None
    # Neither is shown in a message.
    secret = values.crypt_hash("password.hash", value["hash"]) if hashed else value["password"]
    if not secret or "\n" in secret:
        raise _errors.InvalidInput("password.password: it is empty or has more than one line; the value is not shown")
    return Password(
        values.account("password.user", value["user"]),
        secret,
        hashed,
        value["update_password"] == "on_create",  # noqa: S105
    )


def _authorized_keys(value):
    keys = values.public_keys("authorized_keys.keys", value["keys"])
    return AuthorizedKeys(values.account("authorized_keys.user", value["user"]), keys, value["exclusive"])


def _files(listed):
    found = []
    for value in listed:
        path = values.file_path("files.path", value["path"])
        if path in [file.path for file in found]:
            raise _errors.InvalidInput.of("files.path", path, "each file can be listed once")
        mode = values.mode("files.mode", value["mode"])
        owner, group = (values.account(f"files.{option}", value[option]) for option in ("owner", "group"))
        found.append(File(path, value["content"].encode(), mode, owner, group))
    return tuple(found)


def _command(value):
    if not (value["argv"] or value["cmd"]):
        raise _errors.InvalidInput("command: it is empty; a program or a command line is needed")
    return Command(
        line=value["cmd"] or " ".join(shlex.quote(word) for word in value["argv"]),
        stdin=(value["stdin"] or "").encode(),
        creates=_given(value["creates"], lambda path: values.file_path("command.creates", path)),
        timeout=_given(value["timeout"], lambda text: _duration("command.timeout", text)),
    )
