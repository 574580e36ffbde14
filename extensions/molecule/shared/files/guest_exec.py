#!/usr/bin/env python3
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a shell command inside a guest through its agent and print what it printed: a look from outside, without our modules."""

import base64
import json
import sys
import time

import libvirt
import libvirt_qemu


def agent(domain, execute, **arguments):
    request = json.dumps({"execute": execute, "arguments": arguments})
    return json.loads(libvirt_qemu.qemuAgentCommand(domain, request, 60, 0))["return"]


def main(name, command):
    domain = libvirt.open("qemu:///system").lookupByName(name)
    started = agent(domain, "guest-exec", path="/bin/sh", arg=["-c", command], **{"capture-output": True})
    while True:
        status = agent(domain, "guest-exec-status", pid=started["pid"])
        if status["exited"]:
            break
        time.sleep(0.1)
    sys.stdout.write(base64.b64decode(status.get("out-data", "")).decode())
    sys.stderr.write(base64.b64decode(status.get("err-data", "")).decode())
    return status.get("exitcode", 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
