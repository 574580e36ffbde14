# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Waiting: a condition, a deadline, and libvirt's events to wake up instead of sleeping."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn, Domain, libvirt

# What changes what a run waits for: power, the agent, devices, the memory balloon, block jobs, backups.
EVENTS = (
    "VIR_DOMAIN_EVENT_ID_LIFECYCLE",
    "VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE",
    "VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED",
    "VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED",
    "VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE",
    "VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2",
    "VIR_DOMAIN_EVENT_ID_JOB_COMPLETED",
)


_Value = TypeVar("_Value")


class DomainWatch:
    """Wait for conditions of one domain; its events wake the waiting up.

    An event may be missed (it came before the registration, or the driver has none), so the condition is looked at
    again after `poll` seconds in any case.
    Source: virConnectDomainEventRegisterAny.
    """

    def __init__(self, conn: Conn, domain: Domain) -> None:
        self._conn = conn
        self._domain = domain
        self._wake = threading.Event()
        self._callbacks: list[int] = []

    def __enter__(self) -> DomainWatch:
        for event in EVENTS:
            with contextlib.suppress(libvirt.libvirtError):
                self._callbacks.append(
                    self._conn.domainEventRegisterAny(self._domain, getattr(libvirt, event), self._on_event, None)
                )
        return self

    def __exit__(self, *exc_info: object) -> None:
        for callback in self._callbacks:
            with contextlib.suppress(libvirt.libvirtError):
                self._conn.domainEventDeregisterAny(callback)

    def _on_event(self, *args: object) -> None:
        self._wake.set()

    def wait_until(self, condition: Callable[[], _Value], timeout: float, poll: float = 1.0) -> _Value:
        """Return the condition's first true value, or its last false one when `timeout` seconds have passed."""
        deadline = time.monotonic() + timeout
        while True:
            self._wake.clear()
            value = condition()
            left = deadline - time.monotonic()
            if value or left <= 0:
                return value
            self._wake.wait(min(poll, left))
