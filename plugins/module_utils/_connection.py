# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Open libvirt, translate its errors, look things up without treating "gone" as a failure."""

from __future__ import annotations

import contextlib
import gc
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _inet
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import (
    Conn,
    libvirt,
    require_libraries,
)

# The oldest libvirt that can do what is named here (libvirt's release notes).
FEATURES = {
    "undefine_keep_tpm": (8, 9, 0),
    "open_network_without_address": (10, 8, 0),
}
MINIMUM_LIBVIRT = (8, 0, 0)
# Seconds that opening may take. A daemon that has just been started answers when it knows its guests, and one with an
# unreachable storage pool takes a while.
OPEN_TIMEOUT = 120
# Seconds between two signs of life that libvirt at the other end is asked for, and how many may be missed, as in virsh.
KEEP_ALIVE = (5, 6)

# The connection, or the error why there is none.
Outcome = queue.SimpleQueue[tuple[Any, Any]]

_event_loop: threading.Thread | None = None


def version_tuple(number: int) -> tuple[int, int, int]:
    """Return (major, minor, release) of libvirt's version number, 1000000 * major + 1000 * minor + release."""
    return number // 1000000, number // 1000 % 1000, number % 1000


def feature(conn: Conn, name: str) -> bool:
    """Tell whether the libvirt at the other end is new enough for a feature."""
    return version_tuple(conn.getLibVersion()) >= FEATURES[name]


def is_local(conn: Conn) -> bool:
    """Tell whether libvirt runs where this code runs. Its in-memory driver does not: it makes nothing anywhere."""
    uri = urlsplit(conn.getURI())
    transport = uri.scheme.partition("+")[2]
    return not uri.hostname and transport in ("", "unix") and conn.getType() != "TEST"


def shares_files(conn: Conn) -> bool:
    """Tell whether the files of libvirt's host are those of this host."""
    return not _inet.host_of(conn.getURI())


@contextlib.contextmanager
def _no_cyclic_collection() -> Iterator[None]:
    """Keep Python's cyclic garbage collector away from libvirt's objects for the time of a `with` block.

    The finalizer of such an object resets the thread's last error. Between a call that failed and the reading of its error
    that would make a nameless error of one that says "there is no such thing".
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def connect(uri: str) -> Iterator[Conn]:
    """Open a connection to libvirt for the time of a `with` block; several may be open at once, within each other.

    A daemon that stops answering ends the connection after half a minute: calls that wait for it fail.
    Raises MissingLibrary, ConnectionFailed (unreachable, refused, silent, no permission) and Unsupported (libvirt too old).
    Source: virConnectOpenAuth, virConnectSetKeepAlive.
    """
    require_libraries("libvirt")
    # Without a handler libvirt prints every error on stderr, also those that are expected.
    libvirt.registerErrorHandler(lambda context, error: None, None)
    _start_event_loop()
    conn = _open(uri)
    # Drivers without a daemon have nobody to ask.
    with contextlib.suppress(libvirt.libvirtError):
        conn.setKeepAlive(*KEEP_ALIVE)
    try:
        with _no_cyclic_collection():
            yield _checked(uri, conn)
    finally:
        with contextlib.suppress(libvirt.libvirtError):
            conn.close()


def _open(uri: str) -> Conn:
    """Return an open connection. libvirt itself waits for ever for a daemon that accepts and says nothing."""
    outcome: Outcome = queue.SimpleQueue()
    # A thread that still waits does not keep the process from ending.
    threading.Thread(target=_try_to_open, args=(uri, outcome), name="libvirt-open", daemon=True).start()
    try:
        conn, error = outcome.get(timeout=OPEN_TIMEOUT)
    except queue.Empty:
        raise _errors.ConnectionFailed(
            f"uri: {uri!r} can't be opened: no answer within {OPEN_TIMEOUT} seconds"
        ) from None
    if error is not None:
        raise _connection_error(uri, error) from error
    return conn


def _try_to_open(uri: str, outcome: Outcome) -> None:
    try:
        outcome.put((libvirt.open(uri), None))
    except libvirt.libvirtError as exc:
        outcome.put((None, exc))


def _checked(uri: str, conn: Conn) -> Conn:
    """Return the connection if its libvirt is new enough, else raise Unsupported."""
    version = version_tuple(conn.getLibVersion())
    if version < MINIMUM_LIBVIRT:
        raise _errors.Unsupported(
            "uri: {!r} has libvirt {}; {} or newer is needed".format(
                uri, ".".join(map(str, version)), ".".join(map(str, MINIMUM_LIBVIRT))
            )
        )
    return conn


def _connection_error(uri: str, exc: Any) -> _errors.ConnectionFailed:
    denied = ("VIR_ERR_AUTH_FAILED", "VIR_ERR_AUTH_CANCELLED", "VIR_ERR_AUTH_UNAVAILABLE", "VIR_ERR_ACCESS_DENIED")
    message = f"uri: {uri!r} can't be opened: {exc}"
    if error_name(exc) in denied or "ermission denied" in str(exc):
        message += "; the user has no permission there: use become, or add the user to the group libvirt"
    else:
        message += "; a libvirt URI whose daemon is running and reachable is needed, such as qemu:///system"
    return _errors.ConnectionFailed(message, **error_details(exc))


def _start_event_loop() -> None:
    """Run libvirt's event loop in a thread; events, keep-alive and qemu:///embed need it, and it must exist before opening."""
    global _event_loop
    if _event_loop is None:
        libvirt.virEventRegisterDefaultImpl()
        _event_loop = threading.Thread(target=_run_events, name="libvirt-events", daemon=True)
        _event_loop.start()


def _run_events() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def error_name(exc: Any) -> str:
    """Return the name of a libvirt error's code, such as VIR_ERR_NO_DOMAIN."""
    code = exc.get_error_code()
    for name in dir(libvirt):
        if name.startswith("VIR_ERR_") and getattr(libvirt, name) == code and not _is_error_level(name):
            return name
    return f"VIR_ERR_{code}"


def _is_error_level(name: str) -> bool:
    return name in ("VIR_ERR_NONE", "VIR_ERR_WARNING", "VIR_ERR_ERROR")


def error_details(exc: Any) -> dict[str, Any]:
    """Return the keys of a failed result that tell which libvirt error it was."""
    return {"libvirt_code": exc.get_error_code(), "libvirt_error": error_name(exc)}


@contextlib.contextmanager
def doing(what: str) -> Iterator[None]:
    """Say what was being done when libvirt failed: raises LibvirtFailed with libvirt's message, code and name."""
    try:
        yield
    except libvirt.libvirtError as exc:
        raise _errors.LibvirtFailed(
            f"{what} failed: {exc} (libvirt error {exc.get_error_code()}, {error_name(exc)})",
            **error_details(exc),
        ) from exc


def unless_gone(call: Callable[[], Any], *codes: int) -> Any:
    """Return what a libvirt call returns, None when it fails with one of the codes that mean "there is no such thing"."""
    try:
        return call()
    except libvirt.libvirtError as exc:
        if exc.get_error_code() in codes:
            return None
        raise
