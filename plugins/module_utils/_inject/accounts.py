# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The system's own lists of accounts, as text: passwd, group, shadow, authorized_keys. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.values import is_plain_path


@dataclass(frozen=True)
class Account:
    """A line of /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str

    @property
    def keys_file(self):
        return f"{self.home}/.ssh/authorized_keys"


def account(passwd, name):
    """Return the Account of this name. Raises NotFound, and Conflict where its home can hold no keys."""
    fields = next((line.split(":") for line in passwd.splitlines() if line.startswith(f"{name}:")), None)
    if fields is None or len(fields) != 7 or not (fields[2].isdigit() and fields[3].isdigit()):
        raise _errors.NotFound(f"users.name: the system in the guest has no user {name!r}")
    if not is_plain_path(fields[5]):
        raise _errors.Conflict(
            f"users.name: {name!r} is not allowed; the system in the guest gives it the home {fields[5]!r}"
        )
    return Account(name, int(fields[2]), int(fields[3]), fields[5])


def number(table, option, name):
    """Return the number of a user or group by its name in passwd or group, or the number itself. Raises NotFound."""
    if name.isdigit():
        return int(name)
    for line in table.splitlines():
        fields = line.split(":")
        if fields[0] == name and len(fields) > 2 and fields[2].isdigit():
            return int(fields[2])
    raise _errors.NotFound(f"{option}: the system in the guest has no {option.rpartition('.')[2]} {name!r}")


def with_password(shadow, name, hashed, today):
    """Return the text of shadow with this hash as the user's password.

    A new one counts from today, in days since 1970, as the user would otherwise be asked for another. Raises NotFound.
    """
    lines = shadow.splitlines()
    for index, line in enumerate(lines):
        fields = line.split(":")
        if fields[0] == name and len(fields) > 2:
            if fields[1] == hashed:
                return shadow
            lines[index] = ":".join([name, hashed, str(today), *fields[3:]])
            return "\n".join(lines) + "\n"
    raise _errors.NotFound(f"users.name: {name!r} has no line in /etc/shadow of the guest")


def with_keys(text, keys, exclusive):
    """Return the text of authorized_keys with these keys; what is there stays unless they are to be the only ones."""
    lines = text.splitlines()
    present = [line.strip() for line in lines]
    if exclusive:
        had = [line for line in present if line and not line.startswith("#")]
        return text if sorted(set(had)) == sorted(keys) else "".join(f"{key}\n" for key in keys)
    missing = [key for key in keys if key not in present]
    return "".join(f"{line}\n" for line in [*lines, *missing]) if missing else text
