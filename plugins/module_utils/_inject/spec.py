# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""spec: what a task wants in the disks of a guest that is off, checked as far as that needs no guest. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _inet
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import values

OPTIONS = {
    "name": {"type": "str", "required": True},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "required": True},
            "content": {"type": "str", "no_log": True},
            "src": {"type": "path"},
            "mode": {"type": "str"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
        },
        "mutually_exclusive": [["content", "src"]],
        "required_one_of": [["content", "src"]],
    },
    "users": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "password_hash": {"type": "str", "no_log": True},
            "authorized_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "exclusive": {"type": "bool", "default": False},
        },
    },
    "hostname": {"type": "str"},
    "machine_id": {"type": "bool", "default": False},
    "grow_root": {"type": "bool", "default": False},
    "luks_key": {"type": "str", "no_log": True},
    "when_on": {"type": "str", "choices": ["fail", "leave"], "default": "fail"},
}

# The files that options of their own write.
SYSTEM_FILES = {"hostname": "/etc/hostname", "machine_id": "/etc/machine-id"}


@dataclass(frozen=True)
class File:
    """A file as it shall be: of this content, or that of a file of the host. None: as it is, or a new file's default."""

    path: str
    content: bytes
    src: str
    mode: int
    owner: str
    group: str


@dataclass(frozen=True)
class User:
    """What opens an account that the system has; exclusive: no other key does."""

    name: str
    password_hash: str
    keys: tuple
    exclusive: bool


@dataclass(frozen=True)
class InjectSpec:
    """What a task asks for."""

    name: str
    files: tuple
    users: tuple
    hostname: str
    machine_id: bool
    grow_root: bool
    luks_key: str
    leave_when_on: bool


def parse(params):
    """Return the InjectSpec of a task's parameters. Raises InvalidInput."""
    if not any(params[option] for option in ("files", "users", "hostname", "machine_id", "grow_root")):
        raise _errors.InvalidInput(
            "nothing is asked for; one of files, users, hostname, machine_id and grow_root is needed"
        )
    if _inet.host_of(params["uri"]):
        raise _errors.InvalidInput.of(
            "uri", params["uri"], "disks are opened where they are: run the task on that host"
        )
    if params["luks_key"] == "":
        raise _errors.InvalidInput("luks_key: it is empty; the passphrase of the encrypted disk is needed")
    found = InjectSpec(
        name=params["name"],
        files=_each_once("files.path", map(_file, params["files"]), "path"),
        users=_each_once("users.name", map(_user, params["users"]), "name"),
        hostname=None if params["hostname"] is None else values.hostname("hostname", params["hostname"]),
        machine_id=params["machine_id"],
        grow_root=params["grow_root"],
        luks_key=params["luks_key"],
        leave_when_on=params["when_on"] == "leave",
    )
    for option, path in SYSTEM_FILES.items():
        if getattr(found, option) and path in [file.path for file in found.files]:
            raise _errors.InvalidInput.of("files.path", path, f"{option} is given, which writes this file")
    return found


def _each_once(option, items, key):
    found = {}
    for item in items:
        name = getattr(item, key)
        if name in found:
            raise _errors.InvalidInput.of(option, name, "it can be listed once")
        found[name] = item
    return tuple(found.values())


def _file(value):
    if value["src"] is not None and not value["src"].startswith("/"):
        raise _errors.InvalidInput.of("files.src", value["src"], "the absolute path of a file on the host is needed")
    return File(
        path=values.file_path("files.path", value["path"]),
        content=None if value["content"] is None else value["content"].encode(),
        src=value["src"],
        mode=None if value["mode"] is None else values.mode("files.mode", value["mode"]),
        owner=_account("files.owner", value["owner"]),
        group=_account("files.group", value["group"]),
    )


def _account(option, text):
    return None if text is None else values.account(option, text)


def _user(value):
    given = value["password_hash"]
    name = values.account("users.name", value["name"])
    if given is None and not value["authorized_keys"] and not value["exclusive"]:
        raise _errors.InvalidInput.of(
            "users", name, "password_hash, authorized_keys or exclusive is needed with each name"
        )
    return User(
        name=name,
        password_hash=None if given is None else values.crypt_hash("users.password_hash", given),
        keys=values.public_keys("users.authorized_keys", value["authorized_keys"]),
        exclusive=value["exclusive"],
    )
