#!/usr/bin/env python
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ssh to a host of the lab as if it were in another town: what goes either way arrives DELAY seconds later.

libvirt takes it by the parameter `command` of its URI. The kernel can do the same (tc's netem) where it has the module.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

SSH = Path(__file__).parents[2] / "extensions/molecule/shared/files/lab_ssh"
DELAY = 0.005


def carry(source, target):
    """Copy from one file descriptor to another, each piece when its time has come; close the target at the end."""
    under_way = queue.Queue()

    def deliver():
        while True:
            due, data = under_way.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not data:
                os.close(target)
                return
            while data:
                data = data[os.write(target, data) :]

    deliverer = threading.Thread(target=deliver)
    deliverer.start()
    data = b"begin"
    while data:
        data = os.read(source, 65536)
        under_way.put((time.monotonic() + DELAY, data))
    deliverer.join()


def main():
    ssh = subprocess.Popen([SSH, *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    threading.Thread(target=carry, args=(0, os.dup(ssh.stdin.fileno())), daemon=True).start()
    ssh.stdin.close()
    carry(ssh.stdout.fileno(), 1)
    sys.exit(ssh.wait())


if __name__ == "__main__":
    main()
