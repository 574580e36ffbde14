# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long the inventory of a host with many guests takes: ours, ours from the cache, community.libvirt's."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import HOST, ROUNDS

GUESTS = 500
SSH = Path(__file__).parents[2] / "extensions/molecule/shared/files/lab_ssh"
URI = f"qemu+ssh://{HOST}/system?command={SSH}"
MAKE = f"""
import libvirt
conn = libvirt.open("qemu:///system")
for number in range({GUESTS}):
    conn.defineXML(f"<domain type='qemu'><name>bench-{{number:03}}</name><memory unit='MiB'>16</memory>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>"
        "<interface type='network'><source network='default'/><model type='virtio'/></interface></devices></domain>")
"""
REMOVE = """
import libvirt
for domain in libvirt.open("qemu:///system").listAllDomains(0):
    if domain.name().startswith("bench-"):
        domain.undefine()
"""
SOURCES = {
    "community.libvirt.libvirt": ("libvirt.yml", {"plugin": "community.libvirt.libvirt", "uri": URI}),
    "kvmfleet.compute.instances": (
        "ours.instances.yml",
        {"plugin": "kvmfleet.compute.instances", "hosts": {HOST: URI}},
    ),
    "kvmfleet.compute.instances, cached": (
        "cached.instances.yml",
        {"plugin": "kvmfleet.compute.instances", "hosts": {HOST: URI}, "cache": True, "cache_timeout": 3600},
    ),
}


def on_host(script):
    subprocess.run(
        ["ssh", "-F", "/run/kvmfleet-lab/ssh_config", HOST, "python3", "-"], input=script, text=True, check=True
    )


def listed(ansible, source, directory):
    """Return the seconds of ansible-inventory over a source, which must have all guests."""
    environment = dict(
        os.environ,
        ANSIBLE_INVENTORY_ENABLED="community.libvirt.libvirt,kvmfleet.compute.instances,ansible.builtin.host_list",
        ANSIBLE_CACHE_PLUGIN="ansible.builtin.jsonfile",
        ANSIBLE_CACHE_PLUGIN_CONNECTION=str(directory / "cache"),
    )
    begun = time.monotonic()
    done = subprocess.run(
        [Path(ansible).with_name("ansible-inventory"), "-i", source, "--list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env=environment,
    )
    seconds = time.monotonic() - begun
    if not str(source).endswith(",") and done.stdout.count('"bench-') < GUESTS:
        sys.exit(f"bench: the inventory lacks guests:\n{done.stderr}")
    return seconds


def main(ansible):
    on_host(MAKE)
    times = {name: [] for name in SOURCES}
    bare = []
    try:
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            for file_name, content in SOURCES.values():
                (directory / file_name).write_text(json.dumps(content), encoding="utf-8")
            listed(ansible, directory / "cached.instances.yml", directory)
            for _round in range(ROUNDS):
                bare.append(listed(ansible, "localhost,", directory))
                for source, (file_name, _content) in SOURCES.items():
                    times[source].append(listed(ansible, directory / file_name, directory))
    finally:
        on_host(REMOVE)
    start = statistics.median(bare)
    reference = statistics.median(times["community.libvirt.libvirt"]) - start
    print(
        f"\nSeconds to read the inventory of {GUESTS} guests by ssh, medians of {ROUNDS} rounds, without Ansible's start.\n"
    )
    for source, seconds in times.items():
        median = statistics.median(seconds) - start
        print(f"{source:48} {median:8.3f} {reference / median:8.1f} times as fast as community.libvirt")


if __name__ == "__main__":
    main(sys.argv[1])
