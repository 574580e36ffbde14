# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What vm_guest decides to do, by what is wanted and what there is."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.observe import FileState, Observed
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.plan import plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.spec import OPTIONS, parse

HASH = "$6$salt$digest"
KEYS = [f"ssh-ed25519 AAAA{letter * 20} {letter}@host" for letter in "abc"]
FILE = {"path": "/etc/motd", "content": "hello", "mode": "0644", "owner": "root", "group": "root"}
AS_WANTED = FileState(hashlib.sha256(b"hello").hexdigest(), 0o644, "root", "root")


def _planned(seen=None, **options):
    """Return the actions' names for a task's options and what was seen in the guest."""
    params = {option: entry.get("default") for option, entry in OPTIONS.items()}
    wanted = parse(dict(params, name="web01", **options))
    observed = Observed(**dict(dict.fromkeys(Observed._fields), **(seen or {})))
    return [action.name for action in plan(wanted, observed).actions]


def test_nothing_is_asked_for():
    assert _planned() == []


@pytest.mark.parametrize(
    ("given", "shadow", "actions"),
    [
        ({"password": "secret"}, None, ["set_password"]),
        ({"hash": HASH}, HASH, []),
        ({"hash": HASH}, "$6$other$digest", ["set_password"]),
        ({"hash": HASH, "update_password": "on_create"}, "$6$other$digest", []),
        ({"password": "secret", "update_password": "on_create"}, "$6$other$digest", []),
        ({"password": "secret", "update_password": "on_create"}, "!", ["set_password"]),
        ({"password": "secret", "update_password": "on_create"}, "*", ["set_password"]),
        ({"password": "secret", "update_password": "on_create"}, "", ["set_password"]),
    ],
)
def test_a_password(given, shadow, actions):
    password = {"user": "root", "password": None, "hash": None, "update_password": "always", **given}
    assert _planned({"shadow": shadow}, password=password) == actions


@pytest.mark.parametrize(
    ("wanted", "exclusive", "there", "actions"),
    [
        (KEYS[:1], False, KEYS, []),
        (KEYS, False, KEYS[:1], ["add_authorized_keys"]),
        (KEYS[:1], True, KEYS, ["replace_authorized_keys"]),
        (KEYS, True, list(reversed(KEYS)), []),
        ([], True, KEYS, ["replace_authorized_keys"]),
    ],
)
def test_authorised_keys(wanted, exclusive, there, actions):
    keys = {"user": "root", "keys": wanted, "exclusive": exclusive}
    assert _planned({"keys": tuple(there)}, authorized_keys=keys) == actions


@pytest.mark.parametrize(
    ("state", "actions"),
    [
        (None, ["write_file"]),
        (AS_WANTED, []),
        (AS_WANTED._replace(checksum="another"), ["write_file"]),
        (AS_WANTED._replace(mode=0o600), ["set_file_mode"]),
        (AS_WANTED._replace(owner="nobody"), ["set_file_mode"]),
    ],
)
def test_a_file(state, actions):
    assert _planned({"files": {"/etc/motd": state}}, files=[FILE]) == actions


@pytest.mark.parametrize(("drift", "actions"), [(0.2, []), (-0.9, []), (1.5, ["set_time"]), (-3600, ["set_time"])])
def test_a_clock(drift, actions):
    assert _planned({"drift": drift}, sync_time=True) == actions


@pytest.mark.parametrize(
    ("names", "actions"),
    [
        (("web01", "web01"), []),
        (("localhost", "web01"), ["set_hostname"]),
        (("web01",), ["set_hostname"]),
        (("web01", "old"), ["set_hostname"]),
    ],
)
def test_a_host_name(names, actions):
    assert _planned({"hostnames": names}, hostname="web01") == actions


@pytest.mark.parametrize(
    ("wanted", "frozen", "actions"),
    [(True, False, ["freeze"]), (True, True, []), (False, True, ["thaw"]), (False, False, [])],
)
def test_file_systems(wanted, frozen, actions):
    assert _planned({"frozen": frozen}, frozen=wanted) == actions


@pytest.mark.parametrize(("created", "actions"), [(False, ["run_command"]), (True, [])])
def test_a_command(created, actions):
    command = {"argv": ["touch", "/made"], "cmd": None, "stdin": None, "creates": "/made", "timeout": None}
    assert _planned({"created": created}, command=command) == actions


def test_the_words_of_a_command_stay_what_they_are():
    params = {option: entry.get("default") for option, entry in OPTIONS.items()}
    command = {"argv": ["echo", "it's", "$HOME", ""], "cmd": None, "stdin": None, "creates": None, "timeout": "2m"}
    found = parse(dict(params, name="web01", command=command)).command
    assert found.line == """echo 'it'"'"'s' '$HOME' ''"""
    assert found.timeout == 120


def test_diff_shows_what_differs_and_no_secret():
    password = {"user": "root", "password": None, "hash": HASH, "update_password": "always"}
    params = {option: entry.get("default") for option, entry in OPTIONS.items()}
    keys = {"user": "root", "keys": KEYS[1:2], "exclusive": False}
    wanted = parse(dict(params, name="web01", password=password, authorized_keys=keys, files=[FILE], hostname="web01"))
    seen = {
        "shadow": "$6$old$digest",
        "keys": tuple(KEYS[:1]),
        "files": {"/etc/motd": None},
        "hostnames": ("old", "old"),
    }
    planned = plan(wanted, Observed(**dict(dict.fromkeys(Observed._fields), **seen)))
    assert planned.before.splitlines() == [
        "set_hostname web01: old",
        f"add_authorized_keys root: {KEYS[:1]}",
        "write_file /etc/motd: absent",
    ]
    assert planned.after.splitlines() == [
        "set_hostname web01: web01",
        f"add_authorized_keys root: {KEYS[:2]}",
        f"write_file /etc/motd: 0644 root:root sha256:{AS_WANTED.checksum}",
    ]
    assert "digest" not in planned.before + planned.after and "hello" not in planned.after
