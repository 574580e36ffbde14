# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long it takes to read all guests of a host as vm_instance_info does, against the plain libvirt API in the same process."""

from __future__ import annotations

import statistics
import time

from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import info
from bench import ROUNDS
from inventory import GUESTS, MAKE, REMOVE, URI, on_host

OPTIONS = {name: option.get("default") for name, option in info.OPTIONS.items()}


def ours(conn):
    return info.query(conn, info.parse(OPTIONS))["instances"]


def plain(conn):
    """What a program of one's own does: ask each guest for the same, without making anything of it."""
    found = []
    for domain in conn.listAllDomains(0):
        state = domain.state()
        identity = (domain.name(), domain.UUIDString(), domain.ID(), domain.isPersistent(), domain.autostart())
        saved = domain.hasManagedSaveImage(0)
        found.append((identity, state, saved, domain.XMLDesc(0)))
    return found


def seconds(call, conn):
    begun = time.perf_counter()
    assert len(call(conn)) >= GUESTS
    return time.perf_counter() - begun


def main():
    on_host(MAKE)
    try:
        with connect(URI) as conn:
            times = [(seconds(ours, conn), seconds(plain, conn)) for _round in range(ROUNDS)]
    finally:
        on_host(REMOVE)
    mine, raw = (statistics.median(column) for column in zip(*times))
    print(f"\nSeconds to read {GUESTS} guests by one open connection, medians of {ROUNDS} rounds.\n")
    print(f"{'libvirt API, guest by guest':48} {raw:8.3f}")
    print(f"{'what vm_instance_info does':48} {mine:8.3f} {mine / raw:8.2f} times as long")


if __name__ == "__main__":
    main()
