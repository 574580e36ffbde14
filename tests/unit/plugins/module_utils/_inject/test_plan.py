# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What vm_inject decides to do, by what is wanted and what there is."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, NotFound
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject.grow import Growth, Partition
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject.observe import FileState, Observed
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject.plan import AUTORELABEL, plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject.spec import OPTIONS, parse

ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001::/home/ann:/bin/sh\n"
KEYS = "/home/ann/.ssh/authorized_keys"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHpXhWq3rdnnmpMUZ2gIXBG7dEyj6qD9PLCqyDJnbpwE ann"
MOTD = {"path": "/etc/motd", "content": "hello", "src": None, "mode": None, "owner": None, "group": None}
ANN = {"name": "ann", "password_hash": None, "authorized_keys": [KEY], "exclusive": False}


def _state(content, mode=0o644, uid=0, gid=0):
    return FileState(hashlib.sha256(content).hexdigest(), mode, uid, gid)


def _plan(seen=None, **options):
    params = dict(
        {option: entry.get("default") for option, entry in OPTIONS.items()}, uri="qemu:///system", name="web01"
    )
    usual = {"system": {}, "passwd": ACCOUNTS, "group": "root:x:0:\n"}
    return plan(parse(dict(params, **options)), Observed(None, "stopped", **dict(usual, **(seen or {})))).actions


def _names(actions):
    return [(action.name, action.subject) for action in actions]


def _owned(action):
    return action.data.mode, action.data.uid, action.data.gid


def test_a_guest_that_is_left_alone_gets_nothing():
    assert _plan({"system": None}, hostname="web01") == ()


def test_the_machine_id_is_the_guests_uuid():
    uuid, path = "8a53e7c5-6f0e-4b5a-9f53-0d8c8f2e2a10", "/etc/machine-id"
    seen = {"uuid": uuid, "files": {path: _state(b"of another\n", 0o444)}, "missing": {path: ()}}
    (written,) = _plan(seen, machine_id=True)
    assert written.data.content == b"8a53e7c56f0e4b5a9f530d8c8f2e2a10\n" and _owned(written) == (None, None, None)
    assert _plan(dict(seen, files={path: _state(written.data.content, 0o444)}), machine_id=True) == ()


def test_a_new_file_is_roots_alone_unless_the_task_says_more():
    seen = {"files": {"/etc/motd": None}, "missing": {"/etc/motd": ("/etc",)}}
    made, written = _plan(seen, files=[MOTD])
    assert _names([made, written]) == [("make_directory", "/etc"), ("write_file", "/etc/motd")]
    assert _owned(written) == (0o600, 0, 0)
    other = dict(MOTD, mode="0640", owner="ann", group="7")
    assert _owned(_plan(seen, files=[other])[1]) == (0o640, 1000, 7)


def test_a_file_that_is_there_keeps_what_the_task_says_nothing_of():
    seen = {"files": {"/etc/motd": _state(b"old", 0o604, 5, 6)}, "missing": {"/etc/motd": ()}}
    (written,) = _plan(seen, files=[MOTD])
    assert (written.name, *_owned(written)) == ("write_file", None, None, None)


@pytest.mark.parametrize(
    ("options", "actions"),
    [
        ({}, []),
        ({"mode": "0604", "owner": "5", "group": "6"}, []),
        ({"mode": "0644"}, [("set_file_mode", "/etc/motd")]),
        ({"owner": "root"}, [("set_file_mode", "/etc/motd")]),
        ({"content": "other"}, [("write_file", "/etc/motd")]),
    ],
)
def test_a_file_is_compared_by_content_mode_and_owner(options, actions):
    seen = {"files": {"/etc/motd": _state(b"hello", 0o604, 5, 6)}, "missing": {"/etc/motd": ()}}
    assert _names(_plan(seen, files=[dict(MOTD, **options)])) == actions


def test_a_file_is_written_where_the_links_of_its_directories_lead():
    path, place = "/var/run/motd", "/run/motd"
    seen = {"files": {path: None}, "missing": {path: ()}, "places": {path: place}}
    (written,) = _plan(seen, files=[dict(MOTD, path=path)])
    assert (written.subject, written.data.path) == (path, place)
    (moded,) = _plan(dict(seen, files={path: _state(b"hello")}), files=[dict(MOTD, path=path, mode="0600")])
    assert (moded.name, moded.subject, moded.data.path) == ("set_file_mode", path, place)


def test_a_file_of_the_host_is_compared_by_its_checksum():
    seen = {"files": {"/etc/motd": _state(b"hello")}, "missing": {"/etc/motd": ()}}
    file = dict(MOTD, content=None, src="/srv/motd")
    assert _plan(dict(seen, sources={"/srv/motd": _state(b"hello").checksum}), files=[file]) == ()
    (written,) = _plan(dict(seen, sources={"/srv/motd": _state(b"new").checksum}), files=[file])
    assert written.data.src == "/srv/motd"


def test_keys_and_their_directory_belong_to_the_user():
    seen = {"files": {KEYS: None}, "texts": {KEYS: ""}, "missing": {KEYS: ("/home/ann/.ssh",)}}
    directory, written = _plan(seen, users=[ANN])
    assert directory.data[0] == 0o700 and (directory.data[1].uid, directory.data[1].gid) == (1000, 1001)
    assert _owned(written) == (0o600, 1000, 1001) and written.data.content == f"{KEY}\n".encode()


def test_a_user_without_keys_keeps_having_none():
    seen = {"files": {KEYS: None}, "texts": {KEYS: ""}, "missing": {KEYS: ("/home/ann/.ssh",)}}
    assert _plan(seen, users=[dict(ANN, authorized_keys=[], exclusive=True)]) == ()


def test_passwords_of_several_users_are_one_write_of_bytes_as_they_were():
    shadow = b"root:*:1:0:::::\nann:!:1:0:::::\n# caf\xe9\n"
    text = shadow.decode("utf-8", "surrogateescape")
    seen = {"files": {"/etc/shadow": _state(shadow)}, "texts": {"/etc/shadow": text}, "missing": {"/etc/shadow": ()}}
    users = [dict(ANN, name=name, authorized_keys=[], **{"password_hash": "$6$a$b"}) for name in ("root", "ann")]
    (written,) = _plan(dict(seen, today=20000), users=users)
    assert written.data.content == b"root:$6$a$b:20000:0:::::\nann:$6$a$b:20000:0:::::\n# caf\xe9\n"
    assert _owned(written) == (None, None, None)


def test_a_user_that_the_guest_does_not_have():
    with pytest.raises(NotFound, match="the system in the guest has no user 'bob'"):
        _plan(users=[dict(ANN, name="bob")])


def test_selinux_labels_anew_what_is_new_and_only_that():
    new = {"files": {"/etc/hostname": None}, "missing": {"/etc/hostname": ()}, "selinux": True}
    assert _names(_plan(new, hostname="web01")) == [("write_file", "/etc/hostname"), ("write_file", AUTORELABEL)]
    old = dict(new, files={"/etc/hostname": _state(b"old\n")})
    assert _names(_plan(old, hostname="web01")) == [("write_file", "/etc/hostname")]


def test_what_grows_comes_before_what_is_written():
    partition = Partition("/dev/sda1", "/dev/sda", 1, "gpt", 1000)
    growth = Growth(partition, "/dev/system/root", "/dev/sda1", "/dev/system/root")
    seen = {"growth": growth, "files": {"/etc/hostname": None}, "missing": {"/etc/hostname": ()}}
    assert [action.name for action in _plan(seen, hostname="web01", grow_root=True)] == [
        "grow_partition",
        "grow_volume",
        "grow_filesystem",
        "write_file",
    ]
    assert _plan({"growth": Growth()}, grow_root=True) == ()


def test_a_disk_that_something_else_needs_is_refused_as_soon_as_there_is_something_to_write():
    needed = {"/disks/web01.qcow2": "the base of '/disks/copy01.qcow2'"}
    seen = {"files": {"/etc/motd": _state(b"hello")}, "missing": {"/etc/motd": ()}, "needed": needed}
    assert _plan(seen, files=[MOTD]) == ()
    with pytest.raises(Conflict) as refused:
        _plan(seen, files=[dict(MOTD, content="other")])
    assert refused.value.message == (
        "name: the disk '/disks/web01.qcow2' of the guest 'web01' can't be written to; it is the base of '/disks/copy01.qcow2'"
    )
