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
from far_ssh import DELAY

GUESTS = 500
# How the host is reached: beside this machine, and as if it were in another town.
NEAR = f"qemu+ssh://{HOST}/system?command={Path(__file__).parents[2] / 'extensions/molecule/shared/files/lab_ssh'}"
FAR = f"qemu+ssh://{HOST}/system?command={Path(__file__).with_name('far_ssh.py')}"
PLACES = {"host beside": NEAR, f"host {DELAY * 2000:g} ms away": FAR}
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
COMMUNITY, OURS, CACHED = (
    "community.libvirt.libvirt",
    "kvmfleet.compute.instances",
    "kvmfleet.compute.instances, cached",
)


def sources(uri):
    """Return {name: (file name, content)} of the inventory's sources."""
    ours = {"plugin": OURS, "hosts": {HOST: uri}}
    return {
        COMMUNITY: ("libvirt.yml", {"plugin": COMMUNITY, "uri": uri}),
        OURS: ("ours.instances.yml", ours),
        CACHED: ("cached.instances.yml", {**ours, "cache": True, "cache_timeout": 3600}),
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


def measure(ansible, uri):
    """Return {name: [seconds]} of the sources without Ansible's start, which is measured beside them."""
    times = {name: [] for name in sources(uri)}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for file_name, content in sources(uri).values():
            (directory / file_name).write_text(json.dumps(content), encoding="utf-8")
        listed(ansible, directory / "cached.instances.yml", directory)
        for _round in range(ROUNDS):
            start = listed(ansible, "localhost,", directory)
            for source, (file_name, _content) in sources(uri).items():
                times[source].append(listed(ansible, directory / file_name, directory) - start)
    return times


def main(ansible):
    print(
        f"\nSeconds to read the inventory of {GUESTS} guests by ssh, medians of {ROUNDS} rounds, without Ansible's start.\n"
    )
    on_host(MAKE)
    try:
        for place, uri in PLACES.items():
            medians = {source: statistics.median(seconds) for source, seconds in measure(ansible, uri).items()}
            for source, median in medians.items():
                print(f"{source:40} {place:18} {median:8.3f} {medians[COMMUNITY] / median:8.1f} times as fast")
    finally:
        on_host(REMOVE)


if __name__ == "__main__":
    main(sys.argv[1])
