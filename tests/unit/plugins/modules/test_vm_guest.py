# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_guest as Ansible runs it: what it refuses, and guests whose agents can't be asked. What it does, the scenario instances shows."""

from __future__ import annotations

import pytest

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHpXhWq3rdnnmpMUZ2gIXBG7dEyj6qD9PLCqyDJnbpwE operator"
FILE = {"path": "/etc/motd", "content": "hello"}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"agent_timeout": "0s"}, "agent_timeout: '0s' is not allowed; it must be longer than 0s"),
        (
            {"frozen": True, "sync_time": True},
            "frozen: True is not allowed; it goes with no other work, and sync_time is given too",
        ),
        (
            {"password": {"hash": "swordfish"}},
            "password.hash: it is no hash of crypt(3), which begins like $6$ or $y$; the value is not shown",
        ),
        (
            {"password": {"password": "one\ntwo"}},
            "password.password: the value is not allowed; it has the line break U+000A",
        ),
        (
            {"password": {"user": "a:b", "password": "open sesame"}},
            "password.user: 'a:b' is not allowed; the name of an account in the guest is needed, such as root",
        ),
        (
            {"authorized_keys": {"keys": ["ssh-rsa nonsense"]}},
            "authorized_keys.keys: 'ssh-rsa nonsense' is not allowed; a line of authorized_keys is needed, such as "
            "ssh-ed25519 AAAA... me",
        ),
        (
            {"authorized_keys": {"keys": [KEY + "\n" + KEY]}},
            "authorized_keys.keys[0]: ",
        ),
        (
            {"files": [dict(FILE, path="etc/motd")]},
            "files.path: 'etc/motd' is not allowed; an absolute path in the guest is needed, such as /etc/motd, without . and ..",
        ),
        ({"files": [dict(FILE, path="/srv/../etc/motd")]}, "files.path: '/srv/../etc/motd' is not allowed; "),
        ({"files": [FILE, FILE]}, "files.path: '/etc/motd' is not allowed; each file can be listed once"),
        (
            {"files": [dict(FILE, mode="rw")]},
            "files.mode: 'rw' is not allowed; an octal number is needed, such as '0644', in quotes",
        ),
        ({"files": [dict(FILE, owner="a b")]}, "files.owner: 'a b' is not allowed; "),
        ({"command": {"argv": []}}, "command: it is empty; a program or a command line is needed"),
        ({"command": {"cmd": "true", "creates": "made"}}, "command.creates: 'made' is not allowed; "),
        ({"command": {"cmd": "true", "timeout": "-"}}, "command.timeout: '-' is not allowed; "),
        (
            {"hostname": "web_01"},
            "hostname: 'web_01' is not allowed; letters, digits and - between dots are needed, at most 64 in all",
        ),
        ({"grow": ["srv"]}, "grow: 'srv' is not allowed; "),
        ({"read": ["/"]}, "read: '/' is not allowed; "),
        ({"name": "web01"}, "there is no guest with the name or the UUID 'web01' at "),
    ],
)
def test_bad_input_is_one_sentence(run_module, test_uri, params, message):
    result = run_module("vm_guest", dict({"name": "test", "uri": test_uri}, **params))
    assert result["failed"]
    assert result["msg"].startswith(message)
    assert "swordfish" not in str(result) and "open sesame" not in str(result)


def test_options_that_exclude_each_other(run_module, test_uri):
    guest = {"name": "test", "uri": test_uri}
    for params in (
        {"password": {"password": "swordfish", "hash": "$6$a$barracuda"}},
        {"command": {"argv": ["true"], "cmd": "true"}},
    ):
        result = run_module("vm_guest", dict(guest, **params))
        assert result["failed"] and "mutually exclusive" in result["msg"]


@pytest.fixture
def deaf(embed_uri, run_module):
    """A running guest of the QEMU driver in which nothing runs; it is removed afterwards."""
    guest = {"name": "deaf", "uri": embed_uri}
    made = run_module("vm_instance", dict(guest, memory="32MiB", vcpus="1", vnc={"enabled": False}))
    assert not made["failed"]
    yield guest
    assert not run_module("vm_instance", dict(guest, state="absent"))["failed"]


@pytest.mark.parametrize("check", [True, False])
def test_a_guest_whose_agent_is_not_there(run_module, deaf, check):
    result = run_module("vm_guest", dict(deaf, frozen=True, agent_timeout="1s"), check=check)
    assert result["failed"]
    assert result["msg"].startswith("the agent of the guest 'deaf' is not connected; ")
    assert not result.get("changed")


def test_asked_for_nothing_it_tells_what_the_agent_tells(run_module, deaf):
    result = run_module("vm_guest", dict(deaf, agent_timeout="1s"))
    assert not result["failed"] and not result["changed"]
    assert "agent" in result["guest"]["error"]
    assert result["contents"] == [] and result["actions"] == []
