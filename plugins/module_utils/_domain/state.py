# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The power state of a guest, in the words that the whole collection uses."""

from __future__ import annotations

import functools

from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Domain, libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facts import Facts

_STATES = {
    "VIR_DOMAIN_NOSTATE": "running",
    "VIR_DOMAIN_RUNNING": "running",
    "VIR_DOMAIN_BLOCKED": "running",
    "VIR_DOMAIN_PAUSED": "paused",
    "VIR_DOMAIN_SHUTDOWN": "running",
    "VIR_DOMAIN_SHUTOFF": "stopped",
    "VIR_DOMAIN_CRASHED": "crashed",
    "VIR_DOMAIN_PMSUSPENDED": "sleeping",
}

# What a guest is paused for while libvirt is busy with it: soon it is something else by itself.
PASSING = ("dump", "migration", "save", "shutting_down", "snapshot", "starting_up")


@functools.cache
def state_words(state: int, reason: int, saved: bool) -> tuple[str, str]:
    """Return (state, reason) of libvirt's two numbers; `saved` tells whether a managed save image exists.

    The state is running, stopped, paused, suspended (saved to disk), crashed or sleeping. A guest that is shutting down
    runs until it is off, and one that is being started will run. The reason is libvirt's name in lower case, such as `booted`
    or `ioerror`.
    Source: virDomainGetState.
    """
    name = next(key for key in _STATES if getattr(libvirt, key) == state)
    word, why = _STATES[name], _reason(f"{name}_", reason)
    if word == "stopped" and saved:
        word = "suspended"
    if (word, why) == ("paused", "starting_up"):
        word = "running"
    return word, why


def _reason(prefix: str, number: int) -> str:
    # VIR_DOMAIN_SHUTDOWN_* also names the flags of a shutdown; the reasons are these two.
    names = ("UNKNOWN", "USER") if prefix == "VIR_DOMAIN_SHUTDOWN_" else None
    for key in dir(libvirt):
        if key.startswith(prefix) and getattr(libvirt, key) == number and (not names or key[len(prefix) :] in names):
            return key[len(prefix) :].lower()
    return "unknown"


def is_saved(domain: Domain) -> bool:
    """Tell whether a guest that is off has saved memory to go on with.

    libvirt remembers that it has, also when somebody deleted the file. Such a guest boots as if it had not been saved.
    Source: virDomainHasManagedSaveImage, virDomainManagedSaveGetXMLDesc.
    """
    return bool(domain.hasManagedSaveImage(0)) and has_save_file(domain)


def has_save_file(domain: Domain) -> bool:
    """Tell whether the file is there that libvirt remembers a guest's memory to be saved in."""
    try:
        domain.managedSaveGetXMLDesc(0)
    except libvirt.libvirtError as exc:
        # Any other error means that there is a file, and that it can't be read.
        return exc.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID
    return True


def power_state(domain: Domain) -> tuple[str, str]:
    """Return (state, reason) of a domain."""
    state, reason = domain.state()
    saved = state == libvirt.VIR_DOMAIN_SHUTOFF and is_saved(domain)
    return state_words(state, reason, saved)


def is_at_rest(domain: Domain) -> bool:
    """Tell whether libvirt is not busy with starting, saving or moving a guest.

    A guest that was restored and stays paused keeps the reason of an incoming migration, since QEMU reads its memory that way.
    Source: virDomainGetState, virDomainGetJobInfo.
    """
    reason = power_state(domain)[1]
    if reason == "migration" and domain.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE:
        # While libvirt restores the guest, it takes no other job: this waits.
        domain.memoryStats()
        return True
    return reason not in PASSING


def read_facts(domain: Domain) -> Facts:
    """Return the Facts of one domain; see bulk.read for many."""
    state, reason = power_state(domain)
    return Facts(
        name=domain.name(),
        uuid=domain.UUIDString(),
        id=domain.ID() if domain.isActive() else None,
        state=state,
        reason=reason,
        persistent=bool(domain.isPersistent()),
        autostart=bool(domain.autostart()),
    )
