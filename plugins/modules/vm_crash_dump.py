#!/usr/bin/python
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_crash_dump
short_description: Make a guest crash by an NMI, and write its memory to a file
description:
  - Injects a non-maskable interrupt (NMI) into a guest, which makes a system that is set up for it write a crash dump of
    its own or panic, and writes a core dump of the guest to a file of the host.
  - A dump appears whole or not at all. It can be read by its owner alone, as it holds all that the guest has in memory.
  - The dump is written by libvirt, so O(path) needs a libvirt on the managed host itself.
version_added: 0.1.0
author:
  - kvmfleet developers (@kvmfleet)
extends_documentation_fragment:
  - kvmfleet.compute.attributes
  - kvmfleet.compute.connection
  - kvmfleet.compute.lock
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  platform:
    support: full
options:
  name:
    description:
      - The guest's name, or its UUID. It must be on, unless the dump is there already.
    type: str
    required: true
  nmi:
    description:
      - Whether to inject an NMI. Without O(path) each run does so.
      - With O(path) it is injected just before the dump is written, so not when the dump is there already.
    type: bool
    default: false
  path:
    description:
      - The absolute path of the file to write, in a directory that exists. A file that is there is left alone unless
        O(force) is true.
    type: path
  format:
    description:
      - The format of the dump. V(raw) is an ELF core with O(memory_only), and libvirt's own format otherwise. The others are
        compressed by QEMU, if it can. V(win-dmp) needs a Windows guest with the device C(vmcoreinfo).
    type: str
    choices: [raw, kdump-zlib, kdump-lzo, kdump-snappy, win-dmp]
    default: raw
  memory_only:
    description:
      - Whether to dump the memory and the registers only, as tools such as C(crash) and C(gdb) read it, and not the state
        of the guest's devices.
    type: bool
    default: true
  mode:
    description:
      - What becomes of the guest. V(pause) halts it while it is dumped. V(live) lets libvirt not halt it. V(crash) turns it off
        afterwards. V(reset) resets it afterwards.
    type: str
    choices: [pause, live, crash, reset]
    default: pause
  bypass_cache:
    description:
      - Whether to keep the dump out of the host's page cache.
    type: bool
    default: false
  force:
    description:
      - Whether to write the dump anew in each run. A dump that is there is replaced when the new one is whole.
      - The task fails when the file at O(path) is no dump but a disk of a guest, the base of one, or an image of the image store.
    type: bool
    default: false
seealso:
  - module: kvmfleet.compute.vm_instance
"""

EXAMPLES = r"""
- name: Keep the memory of a guest that hangs, and reset it
  kvmfleet.compute.vm_crash_dump:
    name: web01
    path: /var/lib/dumps/web01.core
    mode: reset

- name: Have the guest's own kdump write a dump
  kvmfleet.compute.vm_crash_dump:
    name: web01
    nmi: true
"""

RETURN = r"""
dump:
  description: The file, null when none was asked for, or in check mode when there is none yet.
  returned: success
  type: dict
  contains:
    path:
      description: Its path.
      type: str
      returned: always
      sample: /var/lib/dumps/web01.core
    size:
      description: Its size in bytes.
      type: int
      returned: always
      sample: 134938624
actions:
  description:
    - What was done, in its order; in check mode and after a failure, what was planned. Each has C(action) and C(subject).
  returned: always, once the plan was made
  type: list
  elements: dict
  sample:
    - action: dump
      subject: web01 to /var/lib/dumps/web01.core
done:
  description:
    - The actions that were carried out before the failure. Those that were undone are not listed.
    - C(changed) is true when there is one, and when the action that failed may be half done.
  returned: failure, once the plan was made
  type: list
  elements: dict
  sample:
    - action: inject_nmi
      subject: web01
restart_required:
  description: Always empty.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.kvmfleet.compute.plugins.module_utils import _crash_dump as crash_dump
from ansible_collections.kvmfleet.compute.plugins.module_utils._runner import run_resource


def main():
    run_resource(crash_dump.OPTIONS, crash_dump)


if __name__ == "__main__":
    main()
