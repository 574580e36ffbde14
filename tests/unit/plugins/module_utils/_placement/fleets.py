# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts and guests for tests of placement, in the shapes of vm_host_info and vm_instance_info."""

from __future__ import annotations

GIB = 1024**3


def host(vcpus=8, memory=16, disk=100, *, used=(0, 0, 0), networks=("default",), arch="x86_64", virt_types=("qemu",)):
    """Return what vm_host_info returns of a host; sizes in GiB, `used` of vcpus, memory and the pool."""

    def amounts(total, taken):
        return {"total": total, "allocated": taken, "defined": taken, "free": total - taken}

    def pool(name, capacity, taken):
        active = capacity is not None
        return {"name": name, "active": active, "capacity": capacity, "allocation": taken if active else None}

    return {
        "changed": False,
        "host": {
            "arch": arch,
            "usable_virt_types": list(virt_types),
            "capacity": {"vcpus": amounts(vcpus, used[0]), "memory": amounts(memory * GIB, used[1] * GIB)},
            "pools": [pool("default", disk * GIB, used[2] * GIB), pool("stopped", None, None)],
            "networks": [{"name": name} for name in networks],
        },
    }


def guest(name, vcpus=1, memory=1):
    """Return what vm_instance_info returns of a guest, as far as placement looks at it; memory in GiB."""
    return {"name": name, "vcpus": vcpus, "memory": memory * GIB}


def instance(name, vcpus=1, memory=1, disk=None, **options):
    """Return an instance as vm_instance takes it; sizes in GiB."""
    found = {"name": name, "vcpus": vcpus, "memory": f"{memory}GiB", **options}
    return found if disk is None else {**found, "image": "debian", "root_disk": f"{disk}GiB"}
