# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Ask libvirt whether it would take a guest's definition, and what it would make of it, without defining it.

libvirt has no call for that. Its QEMU driver can also be loaded into a process, with directories of its own: there the guest is
defined. That is the same code with the same knowledge of QEMU, so its answer is that of the host's libvirt.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _validation_process
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn

# Seconds; it takes a tenth of one.
_TIMEOUT = 30
# Of the values of one name libvirt takes the first. This libvirt is not to touch anything of the host.
_CONFIGURATION = """\
security_driver = "none"
cgroup_controllers = [ ]
hugetlbfs_mount = [ ]
remember_owner = 0
"""


@dataclass(frozen=True)
class _Driver:
    """Where the host's QEMU driver has its configuration, and its knowledge of what each QEMU can."""

    configuration: str
    capabilities: str


def refusals(conn: Conn, definitions: Sequence[str]) -> list[str | None]:
    """Return, for each definition, libvirt's message when it refuses it, else None; that also where it can't be asked."""
    return [refusal for refusal, _text in _answers(conn, definitions)]


def mean_the_same(conn: Conn, one: str, other: str) -> bool:
    """Tell whether libvirt makes the same of two definitions; False also where it can't be asked."""
    first, second = (text for _refusal, text in _answers(conn, (one, other)))
    return first is not None and first == second


def _answers(conn: Conn, definitions: Sequence[str]) -> list[_validation_process.Answer]:
    try:
        with tempfile.TemporaryDirectory(prefix="kvmfleet-") as root:
            _prepare(root, _driver(conn))
            return _ask(root, definitions)
    except (OSError, ValueError, subprocess.SubprocessError):
        # Such as a host that lacks the driver as a library, or another user's. The define of the run decides then.
        return [(None, None)] * len(definitions)


def _driver(conn: Conn) -> _Driver:
    """Return the _Driver of a connection. Raises ValueError unless it is QEMU's and on this host."""
    uri = urlsplit(conn.getURI())
    if conn.getType() != "QEMU" or not _connection.is_local(conn):
        raise ValueError("not the QEMU driver of this host")
    if uri.path == "/embed":
        root = parse_qs(uri.query)["root"][0]
        return _Driver(f"{root}/etc", f"{root}/cache/qemu/capabilities")
    if uri.path == "/system":
        return _Driver("/etc/libvirt", "/var/cache/libvirt/qemu/capabilities")
    etc = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return _Driver(f"{etc}/libvirt", f"{cache}/libvirt/qemu/capabilities")


def _prepare(root: str, driver: _Driver) -> None:
    """Lay out the directory of a driver that knows what the host's knows. Raises OSError."""
    # The user whom QEMU runs as must get to its socket below.
    os.chmod(root, 0o711)  # noqa: S103
    os.mkdir(f"{root}/etc")
    given = ""
    with contextlib.suppress(FileNotFoundError), open(f"{driver.configuration}/qemu.conf", encoding="utf-8") as stream:
        given = stream.read()
    with open(f"{root}/etc/qemu.conf", "w", encoding="utf-8") as stream:
        stream.write(_CONFIGURATION + given)
    # Without them libvirt asks each QEMU anew, which takes seconds. It looks whether they are up to date.
    shutil.copytree(driver.capabilities, f"{root}/cache/qemu/capabilities")


def _ask(root: str, definitions: Sequence[str]) -> list[_validation_process.Answer]:
    run = subprocess.run(
        [sys.executable, "-m", _validation_process.__name__],
        input=json.dumps({"root": root, "definitions": list(definitions)}),
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path))),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=_TIMEOUT,
        encoding="utf-8",
        check=False,
    )
    return list(json.loads(run.stdout))
