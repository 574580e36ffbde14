# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running programs, and locks."""

from __future__ import annotations

import threading

import pytest

from lab import shell


def test_a_missing_program_is_named_with_its_package(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(shell.LabError, match="'systemd-nspawn' is missing; apt-get install systemd-container"):
        shell.need("systemd-nspawn")


def test_a_failure_tells_the_command_and_its_last_words():
    with pytest.raises(shell.LabError, match=r"'sh -c .*' failed with 3: no such thing"):
        shell.run("sh", "-c", "echo no such thing >&2; exit 3")


def test_output_and_input():
    assert shell.run("cat", input="text") == "text"
    assert shell.succeeds("true")
    assert not shell.succeeds("false")


def test_a_lock_excludes_others(tmp_path):
    seen = []

    def wait():
        with shell.locked(tmp_path / "lock"):
            seen.append("second")

    with shell.locked(tmp_path / "lock"):
        other = threading.Thread(target=wait)
        other.start()
        other.join(0.2)
        seen.append("first")
    other.join(10)
    assert seen == ["first", "second"]


def test_a_lock_whose_file_was_removed_is_taken_anew(tmp_path):
    """Who takes the lab down removes the lock's file; who waited for it must hold the one that others see."""
    path = tmp_path / "lab" / "lock"
    seen = []

    def wait():
        with shell.locked(path):
            seen.append(path.exists())

    with shell.locked(path):
        other = threading.Thread(target=wait)
        other.start()
        other.join(0.2)
        path.unlink()
        path.parent.rmdir()
    other.join(10)
    assert seen == [True]
