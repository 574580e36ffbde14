# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Read the guests of several libvirt hosts at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect, doing
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import applied
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import KvmfleetError
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import info
from ansible_collections.kvmfleet.compute.plugins.module_utils._inventory import guests

# A host lets one wait; so many are waited for at the same time.
HOSTS_AT_ONCE = 16


def read_hosts(wanted):
    """Return (variables of each guest, reasons by host): what was read, and why some hosts could not be."""
    if not wanted.hosts:
        return [], {}
    with ThreadPoolExecutor(min(len(wanted.hosts), HOSTS_AT_ONCE)) as pool:
        outcomes = list(pool.map(partial(_attempt, wanted), wanted.hosts.items()))
    found = [variables for guests_of_host, _reason in outcomes for variables in guests_of_host]
    reasons = {host: reason for host, (_found, reason) in zip(wanted.hosts, outcomes) if reason is not None}
    return found, reasons


def _attempt(wanted, host):
    try:
        return _read(wanted, *host), None
    except KvmfleetError as exc:
        return [], exc.message


def _read(wanted, host, uri):
    spec = info.spec(
        {
            "names": None,
            "uuids": None,
            "states": None if wanted.states is None else list(wanted.states),
            "tags": None if wanted.tags is None else list(wanted.tags),
            "managed": wanted.managed,
            "gather": ["definition", "addresses"],
            "address_sources": list(wanted.ansible_host),
            "agent_timeout": "5s",
            "xml": [],
        }
    )
    with connect(uri) as conn, doing("reading the guests"):
        read = [guest for guest in info.read_guests(conn, spec) if wanted.has_name(guest.facts.name)]
        instances = info.reports(conn, spec, read)
        with ThreadPoolExecutor(info.AT_ONCE) as pool:
            drift = dict(pool.map(_drift, read))
    return [
        guests.variables(wanted, host, uri, instance, drift[instance["uuid"]])
        for instance in sorted(instances, key=lambda instance: instance["name"])
    ]


def _drift(guest):
    return guest.facts.uuid, applied.has_drifted(guest.domain, guest.facts, guest.root)
