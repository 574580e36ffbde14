# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A password reaches the program that asks for it, and nobody else, whether it asks or not."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.password import with_password

SUCCESS = "BECOME-SUCCESS-abc"
# As Ansible's become plugins build it, with a quoted command in a quoted command.
COMMAND = """/bin/sh -c 'echo BECOME-SUCCESS-abc ; /bin/sh -c '"'"'cat; echo "the end"'"'"''"""
PASSWORD = b"a pass'word * \\n $HOME"


def _run(command, stdin):
    done = subprocess.run(["/bin/sh", "-c", command], input=stdin, stdout=subprocess.PIPE, check=True)
    return done.stdout


@pytest.mark.parametrize("asks", ['IFS= read -r said; echo "$said" >&2; ', ""])
@pytest.mark.parametrize("stdin", [b"", b"first line\n  second\\n\n\nlast", b"\0\xff" * 5000])
def test_the_command_reads_what_is_its_own(asks, stdin):
    command, sent = with_password(COMMAND, stdin, SUCCESS, PASSWORD)
    assert PASSWORD.decode() not in command
    assert _run(asks + command, sent) == SUCCESS.encode() + b"\n" + stdin + b"the end\n"


def test_who_asks_reads_the_password():
    command, sent = with_password(COMMAND, b"input", SUCCESS, PASSWORD)
    asked = _run("IFS= read -r said; printf '%s\\n' \"$said\"; " + command, sent)
    assert asked.splitlines()[0] == PASSWORD


def test_a_command_that_changes_no_user_gets_no_password():
    assert with_password("cat", b"input", SUCCESS, PASSWORD) == ("cat", b"input")
