# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Files that no run leaves: directories that root alone can look into, tidied by every run of what killed ones have left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator

# In memory, and gone with the next boot.
DIRECTORY = "/run/kvmfleet/temporary"


def _parent() -> str:
    return DIRECTORY if os.geteuid() == 0 else os.path.expanduser("~/.local/state/kvmfleet/temporary")


@contextlib.contextmanager
def directory() -> Iterator[str]:
    """Yield a directory for files with secrets, for the time of a `with` block. Raises OSError.

    A run has its directory locked as long as it lives.
    """
    parent = _parent()
    os.makedirs(os.path.dirname(parent), mode=0o700, exist_ok=True)
    os.makedirs(parent, mode=0o700, exist_ok=True)
    with contextlib.ExitStack() as mine:
        # Nobody tidies up between making a directory and locking it.
        with _locked(parent):
            path = tempfile.mkdtemp(dir=parent)
            mine.callback(shutil.rmtree, path, ignore_errors=True)
            mine.enter_context(_locked(path))
        yield path


def tidy() -> None:
    """Remove the directories of runs that are dead."""
    parent = _parent()
    with contextlib.suppress(FileNotFoundError):
        if not os.listdir(parent):
            return
        with _locked(parent):
            for name in os.listdir(parent):
                path = os.path.join(parent, name)
                # One that is locked has a run that lives.
                with contextlib.suppress(OSError), _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    shutil.rmtree(path)


@contextlib.contextmanager
def _locked(path: str, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
