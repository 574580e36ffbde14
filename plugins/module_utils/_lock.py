# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Keep two tasks from changing one object at once: kernel locks on files of the machine that the tasks run on.

The kernel frees the locks of a process that ends, however it ends. A lock's file is removed with it; one that a killed process
has left is removed by the next run of a module that changes something. A guest is locked by its name, which it has before it is defined.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors

DIRECTORY = "/run/kvmfleet/lock"
OPTION = "lock_timeout"
# Seconds between two attempts: those of the first and, as each is twice the one before, the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.1


@dataclass(frozen=True)
class Lock:
    """What others are kept from: a guest or an image by its name; without a name, all objects of a kind that a host has.

    shared: several tasks may hold the lock at once, since they only read.
    """

    kind: str
    name: str = ""
    shared: bool = field(default=False, compare=False)

    @property
    def words(self) -> str:
        """The beginning of a sentence about it."""
        return f"the {self.kind} {self.name!r} is" if self.name else f"the {self.kind} of this host are"


def guest(name: str, shared: bool = False) -> Lock:
    return Lock("guest", name, shared)


def networks() -> Lock:
    """All networks of a host: what one of them may have depends on what the others have."""
    return Lock("networks")


def image(name: str) -> Lock:
    """An image of a store, whose directory is the scope."""
    return Lock("image", name)


def storage() -> Lock:
    """The use of files by guests. It is held for a moment, to see that nobody needs a file and delete it, or to begin to need it."""
    return Lock("disks")


def scope(conn: Any) -> str:
    """Return the text that the connections to one libvirt have in common, whatever way they take from this machine."""
    scheme, _separator, rest = conn.getURI().partition("://")
    driver, _plus, transport = scheme.partition("+")
    host, _slash, path = rest.partition("/")
    if transport or host:
        path = path.partition("?")[0]
    if host:
        host = conn.getHostname()
        here = socket.gethostname()
        if host.partition(".")[0] == here.partition(".")[0]:
            host = ""
    return f"{driver}://{host}/{path}"


@contextlib.contextmanager
def held(
    where: str, locks: Iterable[Lock], timeout: float, task: str = "", option: str = OPTION
) -> Iterator[dict[Lock, _errors.TimedOut]]:
    """Hold locks for the time of a `with` block; yield the error of each that could not be had within the time, in seconds.

    They are taken in one order by all tasks, so that no two wait for each other. where: the scope() of the connection.
    task: what others are told that they wait for. option: what the time was given by. Raises KvmfleetError when the lock's
    file can't be made.
    """
    deadline = time.monotonic() + timeout
    missed = {}
    with contextlib.ExitStack() as stack:
        for lock in _in_order(locks):
            try:
                stack.callback(_release, *_take(where, lock, deadline, task))
            except _Held as exc:
                missed[lock] = _errors.TimedOut(
                    f"{lock.words} being used by {exc}, which did not end within {timeout:.0f} s; run this task again afterwards, "
                    f"or give a longer {option}"
                )
        yield missed


@contextlib.contextmanager
def held_all(where: str, locks: Iterable[Lock], timeout: float, task: str = "", option: str = OPTION) -> Iterator[None]:
    """Hold locks for the time of a `with` block. Raises TimedOut when one can't be had within the time, in seconds."""
    with held(where, locks, timeout, task, option) as missed:
        for error in missed.values():
            raise error
        yield


def _in_order(locks: Iterable[Lock]) -> list[Lock]:
    """Each once; one that is to be shared and to be held alone is held alone."""
    strongest: dict[tuple[str, str], Lock] = {}
    for lock in sorted(locks, key=lambda each: not each.shared):
        strongest[lock.kind, lock.name] = lock
    return [strongest[key] for key in sorted(strongest)]


def _directory() -> str:
    """Another user than root (of qemu:///session) has locks of his own."""
    return DIRECTORY if os.geteuid() == 0 else os.path.expanduser("~/.local/state/kvmfleet/lock")


class _Held(Exception):
    """A lock that others hold; the message says who."""


def file_name(where: str, lock: Lock) -> str:
    """Return the name of a lock's file."""
    digest = hashlib.sha256(f"{where}\n{lock.name}".encode()).hexdigest()[:32]
    return f"{lock.kind}-{digest}"


def _take(where: str, lock: Lock, deadline: float, task: str) -> tuple[str, int]:
    """Return (path, descriptor) of a lock that is held. Raises _Held at the deadline (monotonic)."""
    path = os.path.join(_directory(), file_name(where, lock))
    while True:
        with _errors.file_errors(f"locking {lock.kind} {lock.name}".rstrip()):
            descriptor = _open(path)
        try:
            _wait(descriptor, fcntl.LOCK_SH if lock.shared else fcntl.LOCK_EX, deadline)
            # Whoever had it has removed its file, where nobody else held it, too.
            if _is_still(path, descriptor):
                _sign(descriptor, task)
                return path, descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _wait(descriptor: int, how: int, deadline: float) -> None:
    pause = FIRST_PAUSE
    while not _try(descriptor, how):
        if time.monotonic() >= deadline:
            raise _Held(_describe(_read_holder(descriptor)))
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _open(path: str) -> int:
    # Closed in all programs that this process starts, which must not hold the lock on.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        directory = os.path.dirname(path)
        os.makedirs(os.path.dirname(directory), mode=0o700, exist_ok=True)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        return os.open(path, flags, 0o600)


def _try(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _sign(descriptor: int, task: str) -> None:
    os.ftruncate(descriptor, 0)
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    os.pwrite(descriptor, json.dumps({"task": task, "pid": os.getpid(), "since": since}).encode(), 0)


def _read_holder(descriptor: int) -> dict[str, Any]:
    """Return what the one who has a lock has signed with; nothing where it is just about to."""
    try:
        return dict(json.loads(os.pread(descriptor, 4096, 0)))
    except (ValueError, TypeError):
        return {}


def _describe(holder: dict[str, Any]) -> str:
    if not holder:
        return "another task"
    task = holder["task"] or "another task"
    return f"{task} (process {holder['pid']}, since {holder['since']})"


def _release(path: str, descriptor: int) -> None:
    """Unlock, and remove the file unless others share the lock."""
    try:
        if _try(descriptor, fcntl.LOCK_EX) and _is_still(path, descriptor):
            os.unlink(path)
    finally:
        os.close(descriptor)


def tidy() -> None:
    """Remove the files of processes that are no more."""
    directory = _directory()
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            with contextlib.suppress(OSError):
                descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
                holder = _read_holder(descriptor)
                if holder and not os.path.exists(f"/proc/{holder['pid']}"):
                    _release(path, descriptor)
                else:
                    os.close(descriptor)
