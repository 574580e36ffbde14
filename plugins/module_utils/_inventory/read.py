# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Read the guests of several libvirt hosts at the same time, each in a process of its own.

A call of libvirt that waits for a host can't be interrupted in a thread; a process can be ended. And the process of Ansible, which
forks its workers, stays free of libvirt's threads and sockets.
"""

from __future__ import annotations

import contextlib
import glob
import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import applied
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import info
from ansible_collections.kvmfleet.compute.plugins.module_utils._inventory import guests

# A host lets one wait; so many are waited for at the same time.
HOSTS_AT_ONCE = 16
# The libraries are loaded already, so that a fork takes a millisecond.
PROCESSES = multiprocessing.get_context("fork")


def read_hosts(wanted, limit):
    """Return (variables of each guest, reasons by host): what was read, and why some hosts could not be.

    limit: the seconds that each host may take.
    """
    waiting, running, outcomes = list(wanted.hosts.items()), {}, {}
    try:
        while waiting or running:
            while waiting and len(running) < HOSTS_AT_ONCE:
                reader = _Reader(wanted, *waiting.pop(0), limit)
                running[reader.answer] = reader
            soonest = min(reader.deadline for reader in running.values())
            for answer in multiprocessing.connection.wait(running, max(0, soonest - time.monotonic())):
                reader = running.pop(answer)
                outcomes[reader.host] = reader.outcome()
            for reader in [reader for reader in running.values() if reader.deadline <= time.monotonic()]:
                del running[reader.answer]
                reader.stop()
                outcomes[reader.host] = [], f"reading the guests took longer than {limit:g} seconds (option timeout)"
    finally:
        for reader in running.values():
            reader.stop()
    found = [variables for host in wanted.hosts for variables in outcomes[host][0]]
    return found, {host: outcomes[host][1] for host in wanted.hosts if outcomes[host][1] is not None}


class _Reader:
    """The process that reads a host. `answer` can be waited for, until the `deadline`."""

    def __init__(self, wanted, host, uri, limit):
        self.host = host
        self.deadline = time.monotonic() + limit
        self.answer, far_end = PROCESSES.Pipe(duplex=False)
        self._process = PROCESSES.Process(target=_answer, args=(far_end, wanted, host, uri), daemon=True)
        self._process.start()
        far_end.close()

    def outcome(self):
        """Return (guests, None) or ([], reason)."""
        try:
            return json.loads(self.answer.recv_bytes())
        except EOFError:
            self._process.join()
            return [], f"the process that read the guests ended with code {self._process.exitcode} and no answer"
        finally:
            self.answer.close()

    def stop(self):
        """End the process, and the ssh that it may have started, which would wait on for a silent server."""
        for pid in [*_children(self._process.pid), self._process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.join()
        self.answer.close()


def _children(pid):
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with contextlib.suppress(OSError), open(path, encoding="ascii") as stream:
            found += map(int, stream.read().split())
    return found


def _answer(far_end, wanted, host, uri):
    # Ansible itself says that it was interrupted.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        outcome = _read(wanted, host, uri), None
    except _errors.KvmfleetError as exc:
        outcome = [], exc.message
    far_end.send_bytes(json.dumps(outcome).encode())


def _read(wanted, host, uri):
    spec = info.parse(
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
    with _connection.connect(uri) as conn, _connection.doing("reading the guests"):
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
