# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What a guest is to be like after its first boot, as it was asked for and checked. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._firstboot import network, user_data

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
# shadow's rule for names of users and groups, on the side of what all distributions take.
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
# crypt(5): $id$, its parameters and salt, and the hash, each without what could end the field or the line.
_HASH = re.compile(r"\$(1|2[abxy]|5|6|7|y|gy)\$[./A-Za-z0-9$=,-]{8,}")
_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}( .*)?")
# virtio-blk has 20 bytes for it; udev makes a link of it by these characters.
_SERIAL = re.compile(r"[A-Za-z0-9_.-]{1,20}")
# The longest label of a file system of each kind.
LABELS = {"ext4": 16, "xfs": 12}


@dataclass(frozen=True)
class User:
    name: str
    password_hash: str
    ssh_keys: tuple
    groups: tuple
    shell: str
    sudo: bool


@dataclass(frozen=True)
class File:
    """A file to write; `content` is bytes, `mode` a text of octal digits."""

    path: str
    content: bytes
    owner: str
    mode: str


@dataclass(frozen=True)
class Ephemeral:
    """A disk, found by its serial number, that is formatted unless something is on it, and mounted."""

    serial: str
    mount: str
    filesystem: str
    label: str


@dataclass(frozen=True)
class Description:
    """A first boot. `swap` is a disk's serial number; user_data and vendor_data are texts; None means: not given."""

    hostname: str
    ssh_keys: tuple
    users: tuple
    admin_user: str
    admin_password_hash: str
    interfaces: tuple
    files: tuple
    swap: str
    ephemeral: tuple
    user_data: str
    vendor_data: str
    metadata: dict


def parse(params):
    """Return the Description of the options of options.OPTIONS. Raises InvalidInput, and MissingLibrary for YAML."""
    swap = params.get("swap")
    return Description(
        hostname=_hostname(params.get("hostname")),
        ssh_keys=_keys("ssh_keys", params.get("ssh_keys")),
        users=_users(params.get("users") or ()),
        admin_user=_user("admin_user", params.get("admin_user") or "root"),
        admin_password_hash=_hash("admin_password_hash", params.get("admin_password_hash")),
        interfaces=network.parse(params.get("network")),
        files=_files(params.get("write_files") or ()),
        swap=_serial("swap.serial", swap["serial"]) if swap else None,
        ephemeral=_ephemeral(params.get("ephemeral") or (), swap),
        user_data=user_data.parse("user_data", params.get("user_data")),
        vendor_data=user_data.parse("vendor_data", params.get("vendor_data")),
        metadata=_metadata(params.get("metadata") or {}),
    )


def _hostname(value):
    if value is not None and not _HOSTNAME.fullmatch(value):
        raise _errors.InvalidInput.of(
            "hostname", value, "a name of letters, digits and - is needed, with dots when it has a domain"
        )
    return value


def hostname_of(guest):
    """Return the host name that is made of a guest's name: a - for each other character, as Nova has it. Raises InvalidInput."""
    labels = [label.strip("-")[:63].strip("-") for label in re.sub(r"[^A-Za-z0-9.]", "-", guest).split(".")]
    found = ".".join(label for label in labels if label)
    if not _HOSTNAME.fullmatch(found):
        raise _errors.InvalidInput(f"hostname: it is needed, as no host name can be made of the guest's name {guest!r}")
    return found


def _metadata(given):
    found = {str(key): str(value) for key, value in given.items()}
    user_data.encode("metadata", "".join((*found, *found.values())))
    return found


def _user(option, value):
    if not _USER.fullmatch(value):
        raise _errors.InvalidInput.of(
            option,
            value,
            "a name has small letters, digits, - and _, begins with a letter, and has 32 characters at most",
        )
    return value


def _hash(option, value):
    """The value is not repeated, as it may be the password itself."""
    if value is not None and not _HASH.fullmatch(value):
        raise _errors.InvalidInput(
            f"{option}: it is not a hash of crypt such as $6$...; the filter ansible.builtin.password_hash makes one"
        )
    return value


def _keys(option, given):
    for key in given or ():
        if not _KEY.fullmatch(key) or not key.isprintable():
            raise _errors.InvalidInput.of(option, key, "a public key is one line, such as ssh-ed25519 AAAA... name")
    return tuple(given or ())


def _users(given):
    users = []
    for index, item in enumerate(given):
        option = f"users[{index}]"
        name = _user(f"{option}.name", item["name"])
        if any(user.name == name for user in users):
            raise _errors.InvalidInput.of(f"{option}.name", name, "another user of the list has this name")
        users.append(
            User(
                name=name,
                password_hash=_hash(f"{option}.password_hash", item.get("password_hash")),
                ssh_keys=_keys(f"{option}.ssh_keys", item.get("ssh_keys")),
                groups=tuple(_user(f"{option}.groups", group) for group in item.get("groups") or ()),
                shell=None if item.get("shell") is None else _path(f"{option}.shell", item["shell"]),
                sudo=bool(item.get("sudo")),
            )
        )
    return tuple(users)


def _path(option, value):
    parts = value.split("/")
    if not value.startswith("/") or ".." in parts or value.endswith("/") or not value.isprintable():
        raise _errors.InvalidInput.of(option, value, "an absolute path without .. is needed")
    return value


def _files(given):
    files = []
    for index, item in enumerate(given):
        option = f"write_files[{index}]"
        path = _path(f"{option}.path", item["path"])
        if any(file.path == path for file in files):
            raise _errors.InvalidInput.of(f"{option}.path", path, "another file of the list has this path")
        owner, mode = item.get("owner") or "root:root", item.get("mode") or "0644"
        if not all(_USER.fullmatch(part) for part in owner.split(":")) or owner.count(":") > 1:
            raise _errors.InvalidInput.of(
                f"{option}.owner", owner, "a user, or a user and a group, is needed, such as root:root"
            )
        if not re.fullmatch(r"[0-7]{3,4}", mode):
            raise _errors.InvalidInput.of(f"{option}.mode", mode, "octal digits are needed, such as 0644")
        files.append(File(path=path, content=_content(option, item), owner=owner, mode=mode.zfill(4)))
    return tuple(files)


def _content(option, item):
    text, encoded = item.get("content"), item.get("content_base64")
    if (text is None) == (encoded is None):
        raise _errors.InvalidInput(f"{option}: a file has either content or content_base64")
    if text is not None:
        return user_data.encode(f"{option}.content", text)
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise _errors.InvalidInput(f"{option}.content_base64: it is not base64") from exc


def _serial(option, value):
    if not _SERIAL.fullmatch(value):
        raise _errors.InvalidInput.of(
            option, value, "a disk is named by its serial number of letters, digits, _ . and -, 20 characters at most"
        )
    return value


def _ephemeral(given, swap):
    disks = []
    for index, item in enumerate(given):
        option = f"ephemeral[{index}]"
        serial = _serial(f"{option}.serial", item["serial"])
        mount = _path(f"{option}.mount", item["mount"])
        if " " in mount or "\\" in mount:
            # cloud-init writes it to /etc/fstab as it is, and makes the directory of the same text, so it can't be escaped.
            raise _errors.InvalidInput.of(
                f"{option}.mount", mount, "a path without spaces and backslashes is needed, for /etc/fstab"
            )
        filesystem = item.get("filesystem") or "ext4"
        label = item.get("label") or f"ephemeral{index}"
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", label) or len(label) > LABELS[filesystem]:
            raise _errors.InvalidInput.of(
                f"{option}.label",
                label,
                f"a label of {filesystem} has letters, digits, _ . and -, {LABELS[filesystem]} characters at most",
            )
        if serial in [disk.serial for disk in disks] + ([swap["serial"]] if swap else []):
            raise _errors.InvalidInput.of(
                f"{option}.serial", serial, "another swap or ephemeral disk has this serial number"
            )
        if mount in [disk.mount for disk in disks]:
            raise _errors.InvalidInput.of(f"{option}.mount", mount, "another ephemeral disk is mounted there")
        disks.append(Ephemeral(serial, mount, filesystem, label))
    return tuple(disks)
