# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running programs of the machine, and telling what happens."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import time


class LabError(Exception):
    """Something that the user can mend; the message is one sentence."""


def run(*command, check=True, **options):
    """Run a program and return what it printed. Raises LabError with the last lines of its errors."""
    arguments = [str(word) for word in command]
    try:
        done = subprocess.run(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **options
        )
    except FileNotFoundError as exc:
        raise LabError(
            f"the program {arguments[0]!r} is missing; requirements/apt.txt lists the packages that the lab needs"
        ) from exc
    if check and done.returncode:
        tail = " / ".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise LabError(f"{' '.join(arguments)[:200]!r} failed with {done.returncode}: {tail}")
    return done.stdout


def succeeds(*command):
    """Tell whether a program ends without an error."""
    return (
        subprocess.run(
            [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        ).returncode
        == 0
    )


@contextlib.contextmanager
def step(what):
    """Say what is being done, and how long it took."""
    begun = time.monotonic()
    print(f"lab: {what} ...", flush=True)
    yield
    print(f"lab: {what}: done in {time.monotonic() - begun:.1f} s", flush=True)


@contextlib.contextmanager
def locked(path):
    """Hold a lock file: what two runs would build at the same time is built once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
