# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How vm_inject writes a file, in a directory instead of libguestfs, which needs a kernel; the scenario instances shows the rest."""

from __future__ import annotations

import hashlib
import os
import shutil
import types

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject.execute import ACTIONS
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject.plan import Target
from ansible_collections.kvmfleet.compute.plugins.module_utils._plan import Action


class Directory:
    """The calls of guestfs(3) that write a file, on a directory; `modes` are those that files have while they are written."""

    def __init__(self, fails):
        self.fails = fails
        self.modes = []

    def _mode(self, path):
        return os.stat(path).st_mode & 0o7777

    def rm_f(self, path):
        if os.path.exists(path):
            os.unlink(path)

    def touch(self, path):
        open(path, "a").close()

    def chmod(self, mode, path):
        os.chmod(path, mode)

    def chown(self, uid, gid, path):
        os.chown(path, uid, gid)

    def exists(self, path):
        return os.path.exists(path)

    def upload(self, source, path):
        shutil.copyfile(source, path)
        self.modes.append(self._mode(path))
        self._fail("upload")

    def checksum(self, kind, path):
        with open(path, "rb") as stream:
            return hashlib.new(kind, stream.read()).hexdigest()

    def lstatns(self, path):
        found = os.lstat(path)
        return {"st_uid": found.st_uid, "st_gid": found.st_gid, "st_mode": found.st_mode}

    def mv(self, source, path):
        self._fail("mv")
        os.rename(source, path)

    def _fail(self, call):
        if call == self.fails:
            raise RuntimeError(f"{call}: no space left on device")


def write(directory, fails=None):
    target = Target(
        f"{directory}/secret", hashlib.sha256(b"x").hexdigest(), b"x", None, 0o640, os.getuid(), os.getgid()
    )
    handle = Directory(fails)
    try:
        ACTIONS["write_file"](types.SimpleNamespace(mounted=lambda: handle), Action("write_file", target.path, target))
    finally:
        assert handle.modes == [0o600]


def test_nobody_else_can_read_a_file_that_is_being_written(tmp_path):
    write(tmp_path)
    (written,) = tmp_path.iterdir()
    assert (written.name, written.stat().st_mode & 0o7777) == ("secret", 0o640)


@pytest.mark.parametrize("fails", ["upload", "mv"])
def test_a_failed_write_leaves_nothing(tmp_path, fails):
    with pytest.raises(RuntimeError, match=fails):
        write(tmp_path, fails)
    assert list(tmp_path.iterdir()) == []
