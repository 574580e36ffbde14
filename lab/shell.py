# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running programs of the machine, and telling what happens."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path

# Where Debian has the programs that the lab calls.
_PACKAGES = {
    "busybox": "busybox-static",
    "extlinux": "extlinux",
    "ip": "iproute2",
    "mcopy": "mtools",
    "mformat": "mtools",
    "mkfs.ext4": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "objcopy": "binutils",
    "qemu-img": "qemu-utils",
    "sfdisk": "fdisk",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
}


class LabError(Exception):
    """Something that the user can mend; the message is one sentence."""


def run(*command, check=True, **options):
    """Run a program and return what it printed. Raises LabError with the last lines of its errors."""
    arguments = [str(word) for word in command]
    need(arguments[0])
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **options)
    if check and done.returncode:
        tail = " / ".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise LabError(f"{' '.join(arguments)[:200]!r} failed with {done.returncode}: {tail}")
    return done.stdout


def contained(*command):
    """Run a program whose mounts and processes end with it, and which ends with us, however that comes about."""
    need(command[0])
    parent = ("setpriv", "--pdeathsig=KILL")
    return run(*parent, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", *command)


def need(*programs):
    """Raise LabError if one of the programs is not on this machine."""
    for program in programs:
        if not shutil.which(program):
            package = _PACKAGES.get(program, program)
            raise LabError(f"the program {program!r} is missing; apt-get install {package} brings it")


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
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            # Who held it may have removed the file, which is then no longer the one that others lock.
            if path.exists() and os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                yield
                return


def unmount_below(directory):
    """Unmount what is mounted on a directory or below it, so that removing it can't reach anything else."""
    for line in reversed(Path("/proc/mounts").read_text(encoding="utf-8").splitlines()):
        point = Path(line.split()[1])
        if point == directory or directory in point.parents:
            run("umount", "--lazy", point)
