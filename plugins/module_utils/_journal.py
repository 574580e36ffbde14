# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What must outlive a run that is killed, and has no guest to be kept with: an entry in a root-only file for each.

An entry is written before the first of the writes that it tells of, and forgotten after the last. Whoever runs next for
that name finishes what it tells of.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors

DIRECTORY = "/var/lib/kvmfleet/state"
# The kinds of entries. A removal has the `volumes` that it is about to delete, each with its pool, name and path.
REMOVAL = "removal"
# The autostart of a network, named by its UUID, that is to be enabled once the network has started.
AUTOSTART = "autostart"
# The file systems of a guest, named by its UUID, that are held still in its present run, which has the number `run`.
FREEZE = "freeze"


def _directory() -> str:
    """Root's journal is the host's; another user (of qemu:///session) has a journal of his own."""
    return DIRECTORY if os.geteuid() == 0 else os.path.expanduser("~/.local/state/kvmfleet")


def _file(kind: str, uri: str, name: str) -> str:
    digest = hashlib.sha256(f"{uri}\n{name}".encode()).hexdigest()[:32]
    return os.path.join(_directory(), f"{kind}-{digest}.json")


def read(kind: str, uri: str, name: str, parse: Callable[[dict[str, Any]], Any] = dict) -> Any:
    """Return what `parse` makes of an entry's data, None when there is no entry. Raises KvmfleetError."""
    path = _file(kind, uri, name)
    try:
        with open(path, encoding="utf-8") as stream:
            return parse(json.load(stream))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise _errors.KvmfleetError(f"the state file {path} can't be read ({exc}); mend or remove it") from exc


def record(kind: str, uri: str, name: str, data: Mapping[str, Any]) -> None:
    """Write an entry; written beside and renamed, so that it is never half there. Raises KvmfleetError.

    data: values of JSON by their names, beside which the file has the entry's uri and name.
    """
    path = _file(kind, uri, name)
    try:
        os.makedirs(_directory(), mode=0o700, exist_ok=True)
        descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as stream:
            json.dump(dict(data, uri=uri, name=name), stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(path + ".new", path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            os.unlink(path + ".new")
        raise _errors.KvmfleetError(f"the state file {path} can't be written ({exc})") from exc


def forget(kind: str, uri: str, name: str) -> None:
    """Remove an entry: what it tells of is complete."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_file(kind, uri, name))
