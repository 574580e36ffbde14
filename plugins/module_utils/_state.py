# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What must outlive a run that is killed, and has no guest any more to be kept with: a root-only file.

A removal writes down which volumes it is about to delete before it undefines the guest; whoever runs next for that
name finishes it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import KvmfleetError

DIRECTORY = "/var/lib/kvmfleet/state"


@dataclass(frozen=True)
class OwnedVolume:
    """A volume that is to be deleted."""

    pool: str
    name: str
    path: str


def _directory():
    """Root's state is the host's; another user (of qemu:///session) has a state of his own."""
    return DIRECTORY if os.geteuid() == 0 else os.path.expanduser("~/.local/state/kvmfleet")


def _file(uri, name):
    digest = hashlib.sha256(f"{uri}\n{name}".encode()).hexdigest()[:32]
    return os.path.join(_directory(), f"removal-{digest}.json")


def pending_removals(uri, name):
    """Return the OwnedVolumes that an interrupted removal of this guest left to be deleted."""
    try:
        with open(_file(uri, name), encoding="utf-8") as stream:
            return [OwnedVolume(**volume) for volume in json.load(stream)["volumes"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise KvmfleetError(f"the state file {_file(uri, name)} can't be read ({exc}); mend or remove it") from exc


def record_removal(uri, name, volumes):
    """Write down what is about to be deleted; written beside and renamed, so that it is never half there."""
    path = _file(uri, name)
    document = {"uri": uri, "name": name, "volumes": [vars(volume) for volume in volumes]}
    try:
        os.makedirs(_directory(), mode=0o700, exist_ok=True)
        descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as stream:
            json.dump(document, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(path + ".new", path)
    except OSError as exc:
        raise KvmfleetError(f"the state file {path} can't be written ({exc}); nothing was removed") from exc


def forget_removal(uri, name):
    """The removal is complete."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_file(uri, name))
