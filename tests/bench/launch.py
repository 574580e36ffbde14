# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long the launch of a guest takes until it runs, from a small and from a large image: as an overlay, and as a copy."""

from __future__ import annotations

import statistics
import sys

from bench import ROUNDS, playbook

# The virtual size in GiB, and the MiB of it that hold data.
IMAGES = {"1 GiB, 100 MiB of data": (1, 100), "20 GiB, 2000 MiB of data": (20, 2000)}
FILE = "/var/tmp/bench-launch.qcow2"


def put(image):
    gib, data = IMAGES[image]
    program = f"qemu-img create -q -f qcow2 {FILE} {gib}G && qemu-io -c 'write -q -P 7 0 {data}M' {FILE}"
    playbook_of(
        {"ansible.builtin.shell": program}, {"kvmfleet.compute.vm_image": {"name": f"bench-{gib}", "src": FILE}}
    )


def launch(image, mode):
    """Return the seconds of the playbook that launches a guest and waits for nothing."""
    disk = {"image": f"bench-{IMAGES[image][0]}", "image_mode": mode}
    guest = {"name": "bench-launch", "memory": "64MiB", "vcpus": "1", "disks": [disk]}
    return playbook_of({"kvmfleet.compute.vm_instance": guest})


def remove():
    playbook_of({"kvmfleet.compute.vm_instance": {"name": "bench-launch", "state": "absent"}})


def playbook_of(*tasks):
    return playbook(sys.argv[1], list(tasks))[0]


def main():
    times = {(image, mode): [] for image in IMAGES for mode in ("overlay", "copy")}
    try:
        for image in IMAGES:
            put(image)
        for _round in range(ROUNDS):
            for image, mode in times:
                times[image, mode].append(launch(image, mode))
                remove()
    finally:
        remove()
        gone = [
            {"kvmfleet.compute.vm_image": {"name": f"bench-{gib}", "state": "absent"}} for gib, _data in IMAGES.values()
        ]
        playbook_of(*gone, {"ansible.builtin.file": {"path": FILE, "state": "absent"}})
    print(f"\nSeconds of a playbook that launches a guest, medians of {ROUNDS} rounds.\n")
    print(f"{'virtual size of the image':32} {'overlay':>8} {'copy':>8}")
    for image in IMAGES:
        overlay, copy = (statistics.median(times[image, mode]) for mode in ("overlay", "copy"))
        print(f"{image:32} {overlay:8.3f} {copy:8.3f}")


if __name__ == "__main__":
    main()
