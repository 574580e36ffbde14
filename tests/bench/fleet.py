# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long one task over many guests takes that has nothing to change, against a ping and a loop of community.libvirt.virt."""

from __future__ import annotations

import statistics
import sys

from bench import ROUNDS, playbook

GUESTS = 200
NAMES = [f"bench-{number:03}" for number in range(GUESTS)]
NOTHING = {"ansible.builtin.meta": "noop"}
PING = {"ansible.builtin.ping": {}}
FLEET = {
    "kvmfleet.compute.vm_instances": {
        "defaults": {"memory": "16MiB", "vcpus": "1", "state": "stopped", "tags": ["bench"]},
        "instances": [{"name": name} for name in NAMES],
        "parallel": 8,
    }
}
REMOVE = {"kvmfleet.compute.vm_instances": {"instances": [], "purge": True, "purge_tags": ["bench"]}}
LOOP = {"community.libvirt.virt": {"name": "{{ item }}", "state": "shutdown"}, "loop": NAMES}


def main(ansible):
    playbook(ansible, [FLEET])
    try:
        nothing, ping, fleet = [], [], []
        for _round in range(ROUNDS):
            nothing.append(playbook(ansible, [NOTHING])[0])
            ping.append(playbook(ansible, [PING])[0])
            seconds, changed = playbook(ansible, [FLEET])
            if changed:
                sys.exit("bench: vm_instances changed something, which it must not")
            fleet.append(seconds)
        loop = playbook(ansible, [LOOP])[0]
    finally:
        playbook(ansible, [REMOVE])
    start = statistics.median(nothing)
    report(statistics.median(ping) - start, statistics.median(fleet) - start, loop - start)


def report(ping, fleet, loop):
    allowed = 2 * ping + 0.005 * GUESTS
    print(f"\nSeconds of a task for {GUESTS} guests that are as they should be, without the start of ansible-playbook.")
    print(f"Medians of {ROUNDS} rounds; the loop ran once.\n")
    print(f"{'ansible.builtin.ping':48} {ping:8.3f}")
    print(f"{'kvmfleet.compute.vm_instances':48} {fleet:8.3f}   of {allowed:.3f}, 2 pings and 5 ms per guest")
    print(f"{'community.libvirt.virt in a loop':48} {loop:8.3f}   {loop / fleet:.0f} times as long")


if __name__ == "__main__":
    main(sys.argv[1])
