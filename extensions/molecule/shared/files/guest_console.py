#!/usr/bin/python3
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Press return at a guest's serial console and wait for a text: a look from outside, without our modules."""

import signal
import sys

import libvirt


def main(name, wanted):
    # The stream blocks; a console that says nothing ends this program.
    signal.alarm(20)
    conn = libvirt.open("qemu:///system")
    stream = conn.newStream(0)
    conn.lookupByName(name).openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    stream.send(b"\r")
    seen = b""
    while wanted.encode() not in seen:
        seen += stream.recv(1024)
    print(seen.decode(errors="replace"))
    stream.abort()


if __name__ == "__main__":
    main(*sys.argv[1:])
