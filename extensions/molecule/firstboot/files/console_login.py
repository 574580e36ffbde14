# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log in at a guest's serial console with the password in PASSWORD, and show who that is: a look from outside."""

import os
import signal
import sys

import libvirt


def main(name, user):
    # The stream blocks; a console that says nothing ends this program.
    signal.alarm(90)
    conn = libvirt.open("qemu:///system")
    stream = conn.newStream(0)
    conn.lookupByName(name).openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    stream.send(b"\r")
    for wanted, answer in (
        ("login: ", user),
        ("assword: ", os.environ["PASSWORD"]),
        ("$ ", "id"),
        (f"({user})", "exit"),
    ):
        seen = b""
        while wanted.encode() not in seen:
            seen += stream.recv(1024)
        print(seen.decode(errors="replace"))
        stream.send(answer.encode() + b"\r")
    stream.abort()


if __name__ == "__main__":
    main(*sys.argv[1:])
