# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks between processes and threads: who waits, what a killed process leaves, and that no order makes two wait for each other."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors, _lock

HOST = "qemu:///system"
# Hold locks until a line comes, having said so by another.
HOLDER = """
import sys
from ansible_collections.kvmfleet.compute.plugins.module_utils import _lock
_lock.DIRECTORY, shared = sys.argv[1], sys.argv[2] == "shared"
with _lock.held_all("qemu:///system", [_lock.guest(name, shared) for name in sys.argv[3:]], 30, "vm_instance"):
    print("held", flush=True)
    sys.stdin.readline()
"""


class Holder:
    """A process that holds the locks of guests."""

    def __init__(self, directory, *names, mode="alone"):
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(directory), mode, *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path))),
        )
        assert self.process.stdout.readline() == "held\n"

    def end(self):
        self.process.communicate("\n")
        assert self.process.returncode == 0

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


def files(directory):
    return sorted(os.listdir(directory)) if directory.exists() else []


def test_the_second_waits_and_then_says_who_it_is(locks):
    first = Holder(locks, "web01")
    message = (
        rf"^the guest 'web01' is being used by vm_instance \(process {first.process.pid}, since "
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\), which did not end within 0 s; run this task again afterwards, or give a longer "
        r"lock_timeout$"
    )
    with pytest.raises(_errors.TimedOut, match=message), _lock.held_all(HOST, [_lock.guest("web01")], 0.2):
        pass
    ending = threading.Timer(0.2, first.end)
    ending.start()
    with _lock.held_all(HOST, [_lock.guest("web01")], 30):
        ending.join()
        assert first.process.returncode == 0
    assert files(locks) == []


def test_others_do_not_wait(locks):
    first = Holder(locks, "web01")
    with _lock.held_all(HOST, [_lock.guest("web02"), _lock.networks(), _lock.storage()], 0):
        pass
    with _lock.held_all("qemu:///session", [_lock.guest("web01")], 0):
        pass
    first.end()


def test_a_killed_process_holds_nothing_and_its_files_go(locks):
    first = Holder(locks, "web01", "web02")
    first.kill()
    with _lock.held_all(HOST, [_lock.guest("web02")], 0):
        assert len(files(locks)) == 2
        _lock.tidy()
        assert files(locks) == [_lock.file_name(HOST, _lock.guest("web02"))]
    assert files(locks) == []


def test_those_who_only_read_wait_for_nobody_but_those_who_change(locks):
    reader = Holder(locks, "web01", mode="shared")
    with _lock.held_all(HOST, [_lock.guest("web01", shared=True)], 0):
        pass
    assert len(files(locks)) == 1, "the lock of the one who still has it"
    for wanted in ([_lock.guest("web01")], [_lock.guest("web01"), _lock.guest("web01", shared=True)]):
        with pytest.raises(_errors.TimedOut), _lock.held_all(HOST, wanted, 0):
            pass
    reader.end()
    assert files(locks) == []


def test_what_can_not_be_had_does_not_keep_the_rest(locks):
    first = Holder(locks, "web02")
    wanted = [_lock.guest(name) for name in ("web03", "web02", "web01")]
    with _lock.held(HOST, wanted, 0) as missed:
        assert list(missed) == [_lock.guest("web02")]
        assert len(files(locks)) == 3
    first.end()


def test_threads_that_want_the_same_in_other_orders_end(locks):
    names, inside, most = ["a", "b", "c"], set(), []

    def work(order):
        for _time in range(40):
            with _lock.held_all(HOST, [_lock.guest(name) for name in order], 30):
                assert not inside, "one at a time"
                inside.add(threading.get_ident())
                inside.clear()
                most.append(order)

    threads = [threading.Thread(target=work, args=(names[turn:] + names[:turn],)) for turn in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(most) == 120 and files(locks) == []


def test_programs_that_a_task_starts_do_not_hold_its_locks(locks):
    with _lock.held_all(HOST, [_lock.guest("web01")], 0):
        child = subprocess.Popen(["sleep", "60"])
    with _lock.held_all(HOST, [_lock.guest("web01")], 0):
        child.kill()
        child.wait()


def test_only_the_user_can_look_at_the_locks(locks):
    with _lock.held_all(HOST, [_lock.guest("web01")], 0):
        (file,) = locks.iterdir()
        assert (locks.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
        assert re.fullmatch("guest-[0-9a-f]{32}", file.name)


def test_a_link_in_the_place_of_a_lock_is_not_followed(locks, tmp_path):
    locks.mkdir()
    target = tmp_path / "target"
    target.write_text("content")
    (locks / _lock.file_name(HOST, _lock.guest("web01"))).symlink_to(target)
    refused = pytest.raises(_errors.KvmfleetError, match="locking guest web01 failed")
    with refused, _lock.held_all(HOST, [_lock.guest("web01")], 0):
        pass
    assert target.read_text() == "content"


class Connection:
    """The two things that a connection tells of itself."""

    def __init__(self, uri, hostname):
        self.getURI = lambda: uri
        self.getHostname = lambda: hostname


@pytest.mark.parametrize(
    ("uri", "scope"),
    [
        ("qemu:///system", "qemu:///system"),
        ("qemu:///session", "qemu:///session"),
        ("qemu+unix:///system?socket=/run/x", "qemu:///system"),
        ("qemu:///embed?root=/a", "qemu:///embed?root=/a"),
        ("qemu+ssh://root@localhost/system?no_tty=1", "qemu:///system"),
    ],
)
def test_the_ways_to_one_libvirt_have_one_scope(uri, scope):
    assert _lock.scope(Connection(uri, f"{socket.gethostname()}.example.com")) == scope


def test_other_hosts_have_scopes_of_their_own():
    assert _lock.scope(Connection("qemu+tls://a/system", "a.example.com")) == "qemu://a.example.com/system"


def test_a_real_connection_has_a_scope(test_uri):
    with _connection.connect(test_uri) as conn:
        assert _lock.scope(conn) == test_uri
