# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Wait for what a guest shows of itself: its agent, an address, a line on its serial console."""

from __future__ import annotations

import ipaddress
import re
import time

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.addresses import addresses, read_leases, table
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.guest_devices import agent_channel
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import power_state
from ansible_collections.kvmfleet.compute.plugins.module_utils._events import DomainWatch
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.agent import Agent, explain
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.errors import AgentError
from ansible_collections.kvmfleet.compute.plugins.module_utils._network import host

# Seconds that the agent has to answer a ping; it is asked again until the time is over.
PING_TIMEOUT = 2
# Addresses and console output come without an event; they are looked at this often, in seconds.
POLL = 0.5
# Why a console can't tell.
APPENDED = (
    "the log of the guest's serial console is appended to (append='on'), so it has the lines of earlier boots as well"
)


def lease_ends(conn):
    """Return {(mac, address): end} of all DHCP leases: what wait_for() needs to know of the time before a boot."""
    return {(lease.mac, lease.address["address"]): lease.end for lease in read_leases(conn) or ()}


def wait_for(conn, domain, wait, option="wait_for", before=None):
    """Wait until everything that was asked for is seen, within one time-out; `option` is who asked.

    before: what lease_ends() returned before the guest was booted, None when it ran already.
    Raises InvalidInput when the guest lacks the device that it takes, TimedOut with what was seen last.
    """
    root = _xml.parse(domain.XMLDesc(0))
    probes = []
    if wait.console:
        probes.append((f"the console pattern {wait.console!r}", _console_probe(root, wait.console, option)))
    if wait.agent:
        probes.append(("the guest agent", _agent_probe(domain, root, option)))
    if wait.address:
        within = f" in {wait.cidr}" if wait.cidr else ""
        probes.append((f"an address{within}", _address_probe(conn, domain, wait.cidr, before)))
    deadline = time.monotonic() + wait.timeout
    with DomainWatch(conn, domain) as watch:
        for what, probe in probes:
            _await(watch, domain, (option, what), probe, deadline, wait.timeout)


def await_agent(conn, domain, timeout):
    """Wait until the guest's agent answers, `timeout` seconds at most. Raises InvalidInput, TimedOut."""
    probe = _agent_probe(domain, _xml.parse(domain.XMLDesc(0)), "rescue")
    with DomainWatch(conn, domain) as watch:
        _await(watch, domain, ("rescue", "the guest agent"), probe, time.monotonic() + timeout, timeout)


def _await(watch, domain, looked_for, probe, deadline, timeout):
    option, what = looked_for
    seen = None

    def condition():
        nonlocal seen
        if not domain.isActive():
            raise _errors.KvmfleetError(f"{option}: the guest {domain.name()!r} went off while it was waited for")
        if power_state(domain) == ("paused", "ioerror"):
            raise _errors.KvmfleetError(
                f"{option}: the guest {domain.name()!r} is {explain(domain)}, so {what} can't be seen"
            )
        done, seen = probe()
        return done

    if not watch.wait_until(condition, max(0, deadline - time.monotonic()), POLL):
        raise _errors.TimedOut(
            f"{option}: {what} of the guest {domain.name()!r} was not seen within {timeout:g} s; seen last: {seen}"
        )


def _console_probe(root, pattern, option):
    """The console's log begins anew with each boot, so what is in it is of this boot; one that is appended to is refused."""
    log_file = _xml.get(root, "devices/serial/log/@file")
    if log_file is None:
        raise _errors.InvalidInput.of(
            f"{option}.console", pattern, "the guest's serial console has no log_file to look into"
        )
    if _xml.get(root, "devices/serial/log/@append") == "on":
        raise _errors.InvalidInput.of(f"{option}.console", pattern, APPENDED)
    compiled = re.compile(pattern, re.MULTILINE)

    def probe():
        try:
            with open(log_file, encoding="utf-8", errors="replace") as stream:
                text = stream.read()
        except FileNotFoundError:
            text = ""
        except OSError as exc:
            raise _errors.InvalidInput.of(
                f"{option}.console", pattern, f"the console's log can't be read here ({exc})"
            ) from exc
        lines = text.strip().splitlines()
        return bool(compiled.search(text)), repr(lines[-1][-200:]) if lines else "nothing"

    return probe


def _agent_probe(domain, root, option):
    if agent_channel(root) is None:
        raise _errors.InvalidInput.of(
            f"{option}.agent", True, "the guest has no agent channel; agent: true gives it one"
        )
    agent = Agent(domain, PING_TIMEOUT)

    def probe():
        try:
            agent.ping()
        except AgentError as exc:
            return False, str(exc)
        return True, "an answer"

    return probe


def _address_probe(conn, domain, cidr, before):
    network = ipaddress.ip_network(cidr) if cidr else None

    def fits(address):
        return network is None or ipaddress.ip_address(address) in network

    def probe():
        # The definition is read anew: it says whether the agent, which knows addresses too, has connected meanwhile.
        root = _xml.parse(domain.XMLDesc(0))
        macs = {element.get("address") for element in root.findall("devices/interface/mac")}
        known = read_leases(conn)
        leases = [lease for lease in known or () if lease.mac in macs and fits(lease.address["address"])]
        old = [lease for lease in leases if not _is_current(conn, lease, before)]
        current = None if known is None else table(lease for lease in leases if lease not in old)
        found = addresses(conn, domain, root, known_leases=current)
        told = [entry["address"] for entries in found.values() for entry in entries]
        seen = told or [
            f"the DHCP lease of {lease.address['address']}, which may be from an earlier boot" for lease in old
        ]
        return any(map(fits, told)), ", ".join(seen) or "no address"

    return probe


def _is_current(conn, lease, before):
    """Tell whether a lease is the guest's own word since it was booted: it was renewed, or the guest answers at its address.

    Where the guest ran already and the host can't ask it, all that is known is the lease.
    """
    if before is not None and before.get((lease.mac, lease.address["address"])) != lease.end:
        return True
    answered = host.answers(conn, lease.interface, lease.address["address"], lease.mac)
    return before is None if answered is None else answered
