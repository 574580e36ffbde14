# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The system's lists of accounts, as text."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, NotFound
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject import accounts

ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001::/home/ann:/bin/sh\nlost:x:1002:1002::/home/../etc:/bin/sh\n"
SHADOW = "root:*:19000:0:99999:7:::\nann:$6$a$old:19000:0:99999:7:::\n"
A, B = (f"ssh-ed25519 AAAA{letter * 20} {letter}" for letter in "ab")


def test_an_account_is_found_by_its_name():
    found = accounts.account(ACCOUNTS, "ann")
    assert (found.uid, found.gid, found.keys_file) == (1000, 1001, "/home/ann/.ssh/authorized_keys")


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("an", NotFound, "users.name: the system in the guest has no user 'an'"),
        (
            "lost",
            Conflict,
            "users.name: 'lost' is not allowed; the system in the guest gives it the home '/home/../etc'",
        ),
    ],
)
def test_an_account_that_is_none(name, error, message):
    with pytest.raises(error) as raised:
        accounts.account(ACCOUNTS, name)
    assert raised.value.message == message


def test_owners_are_names_of_the_guest_or_numbers():
    assert accounts.number(ACCOUNTS, "files.owner", "ann") == 1000
    assert accounts.number(ACCOUNTS, "files.owner", "4711") == 4711
    with pytest.raises(NotFound, match=r"files\.group: the system in the guest has no group 'staff'"):
        accounts.number("root:x:0:\n", "files.group", "staff")


def test_a_password_replaces_one_line_and_is_then_as_wanted():
    changed = accounts.with_password(SHADOW, "ann", "$6$a$new", 20000)
    assert changed == SHADOW.replace("ann:$6$a$old:19000", "ann:$6$a$new:20000")
    assert accounts.with_password(changed, "ann", "$6$a$new", 20001) == changed
    with pytest.raises(NotFound):
        accounts.with_password(SHADOW, "bob", "$6$a$new", 20000)


@pytest.mark.parametrize(
    ("text", "keys", "exclusive", "after"),
    [
        ("", [A], False, f"{A}\n"),
        (f"# mine\n{A}", [B], False, f"# mine\n{A}\n{B}\n"),
        (f"{A}\n{B}", [B], False, f"{A}\n{B}"),
        (f"{A}\n{B}\n", [B], True, f"{B}\n"),
        (f"# mine\n{B}\n", [B], True, f"# mine\n{B}\n"),
        (f"{A}\n", [], True, ""),
    ],
)
def test_keys_are_added_or_are_the_only_ones(text, keys, exclusive, after):
    assert accounts.with_keys(text, keys, exclusive) == after
    assert accounts.with_keys(after, keys, exclusive) == after
