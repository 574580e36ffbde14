# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a task takes that has nothing to change: ours, community.libvirt's, a ping, and the plain libvirt API.

All against the same guest of the same host, in turns, so that what else the machine does reaches all alike.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ansible_collections.kvmfleet.compute.tests.unit.meta import structure

INVENTORY = "/run/kvmfleet-lab/inventory.yml"
HOST = os.environ.get("BENCH_HOST", "compute1")
ROUNDS = 5
TASKS = {
    "ansible.builtin.ping": {"ansible.builtin.ping": {}},
    "community.libvirt.virt": {"community.libvirt.virt": {"name": "bench", "state": "running"}},
    "kvmfleet.compute.vm_instance": {"kvmfleet.compute.vm_instance": {"name": "bench", "state": "running"}},
    "kvmfleet.compute.vm_instance, 5 options": {
        "kvmfleet.compute.vm_instance": {
            "name": "bench",
            "memory": "64MiB",
            "vcpus": "1",
            "tags": ["bench"],
            "title": "Bench",
        }
    },
}
RAW = """
import libvirt
domain = libvirt.open("qemu:///system").lookupByName("bench")
domain.state(); domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE); domain.XMLDesc(0); domain.autostart()
"""


def playbook(ansible, tasks):
    """Run tasks on the host; returns the seconds of the whole program and whether something changed."""
    document = [{"hosts": HOST, "gather_facts": False, "tasks": tasks}]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "play.yml"
        path.write_text(json.dumps(document), encoding="utf-8")
        begun = time.monotonic()
        done = subprocess.run(
            [ansible, "-i", INVENTORY, str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env=dict(os.environ, ANSIBLE_PIPELINING="1", ANSIBLE_NOCOLOR="1"),
        )
        seconds = time.monotonic() - begun
    if done.returncode:
        sys.exit(f"bench: the playbook failed:\n{done.stdout}")
    return seconds, "changed=0" not in done.stdout


def raw():
    """The same reads by the plain API, in a Python of their own on the host, as a module is."""
    begun = time.monotonic()
    subprocess.run(
        ["ssh", "-F", "/run/kvmfleet-lab/ssh_config", HOST, "python3", "-"], input=RAW, text=True, check=True
    )
    return time.monotonic() - begun


def main(ansible):
    make = {"name": "bench", "memory": "64MiB", "vcpus": "1", "tags": ["bench"], "title": "Bench"}
    playbook(ansible, [{"kvmfleet.compute.vm_instance": make}])
    once = {name: [] for name in TASKS}
    many = {name: [] for name in TASKS}
    plain = []
    try:
        for _round in range(ROUNDS):
            for name, task in TASKS.items():
                for count, times in ((1, once), (20, many)):
                    seconds, changed = playbook(ansible, [task] * count)
                    if changed:
                        sys.exit(f"bench: {name} changed something, which it must not")
                    times[name].append(seconds)
            plain.append(raw())
    finally:
        playbook(ansible, [{"kvmfleet.compute.vm_instance": {"name": "bench", "state": "absent"}}])
    report(once, many, plain)
    module = structure.ROOT.parent / "modules/vm_instance.py"
    print(
        f"\nvm_instance: {len(structure.packed(module))} files of module_utils are packed, {structure.looked_up(module)} names looked up; "
        f"{sum(structure.loaded().values())} lines are loaded where nothing changes."
    )


def report(once, many, plain):
    print(f"\nSeconds, medians of {ROUNDS} rounds; per task: (20 tasks - 1 task) / 19.\n")
    print(
        f"{'task that changes nothing':42} {'1 task':>8} {'20 tasks':>9} {'per task':>9} {'to community.libvirt':>21}"
    )
    reference = _per_task(once["community.libvirt.virt"], many["community.libvirt.virt"])
    for name in TASKS:
        each = _per_task(once[name], many[name])
        print(
            f"{name:42} {statistics.median(once[name]):8.3f} {statistics.median(many[name]):9.3f} {each:9.3f} {each / reference:20.2f}x"
        )
    print(f"{'libvirt API by ssh, no Ansible':42} {statistics.median(plain):8.3f}")


def _per_task(once, many):
    return (statistics.median(many) - statistics.median(once)) / 19


if __name__ == "__main__":
    main(sys.argv[1])
