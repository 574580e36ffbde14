# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Actions on a guest's power: from one state to another, each judged by what libvirt shows afterwards."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import freeze
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import is_saved, power_state
from ansible_collections.kvmfleet.compute.plugins.module_utils._events import DomainWatch
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import agent, wait

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils import _plan
    from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Domain
    from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.wait_for import WaitFor
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import procedure

# The state of a guest once a run for a wanted state is through; a run for another one leaves it as it is.
GOALS = {
    "running": "running",
    "rescued": "running",
    "restarted": "running",
    "stopped": "stopped",
    "paused": "paused",
    "suspended": "suspended",
}
# How long libvirt itself may take for what needs no help from the guest, in seconds.
POWER_OFF_TIMEOUT = 30
# Seconds in which a disk that failed shows that it fails again.
RETRY_TIME = 2


def _start(run: procedure.Run, action: _plan.Action) -> None:
    boot(run, 0)


def _start_paused(run: procedure.Run, action: _plan.Action) -> None:
    boot(run, libvirt.VIR_DOMAIN_START_PAUSED)


def boot(run: procedure.Run, flags: int, check: WaitFor | None = None) -> None:
    """Start the guest, unless it runs. check: what is waited for then, besides the task's wait_for. Source: virDomainCreateWithFlags."""
    domain = run.domain()
    if domain.isActive():
        return
    # A guest whose memory was saved goes on with the leases that it had.
    if any(each and each.address for each in (run.spec.wait_for, check)) and not is_saved(domain):
        run.leases_before = wait.lease_ends(run.conn)
    domain.createWithFlags(flags)


def _restore(run: procedure.Run, action: _plan.Action) -> None:
    """Have the guest go on from its saved memory. libvirt boots it when the saving was interrupted."""
    try:
        boot(run, libvirt.VIR_DOMAIN_START_PAUSED if action.name == "restore_paused" else 0)
    except libvirt.libvirtError as exc:
        raise _errors.LibvirtFailed(
            f"the guest {run.spec.name!r} can't go on from its saved memory: {exc}; discard_saved_state: true drops the memory, and the "
            "guest boots from its disks",
            **_connection.error_details(exc),
        ) from exc


def _resume(run: procedure.Run, action: _plan.Action) -> None:
    run.domain().resume()


def _wake(run: procedure.Run, action: _plan.Action) -> None:
    run.domain().pMWakeup(0)
    _await_state(run, ("running",), POWER_OFF_TIMEOUT)


def _pause(run: procedure.Run, action: _plan.Action) -> None:
    run.domain().suspend()


def _suspend(run: procedure.Run, action: _plan.Action) -> None:
    """Save the memory to disk; a guest that was paused is to run, not to stay paused, when it is restored."""
    run.domain().managedSave(libvirt.VIR_DOMAIN_SAVE_RUNNING)


def _discard_saved_state(run: procedure.Run, action: _plan.Action) -> None:
    if is_saved(run.domain()):
        run.domain().managedSaveRemove(0)


def power_off(run: procedure.Run, action: _plan.Action | None) -> None:
    """Cut the power, giving QEMU the time to write out what it holds.

    A guest that does not end in that time is ended all the same, one that went off by itself is fine.
    Source: virDomainDestroyFlags, VIR_DOMAIN_DESTROY_GRACEFUL.
    """
    domain = run.domain()
    if not domain.isActive():
        return
    try:
        domain.destroyFlags(libvirt.VIR_DOMAIN_DESTROY_GRACEFUL)
    except libvirt.libvirtError:
        if _connection.unless_gone(domain.isActive, libvirt.VIR_ERR_NO_DOMAIN):
            domain.destroy()


def _shutdown(run: procedure.Run, action: _plan.Action) -> None:
    if _shut_down(run):
        return
    if not run.spec.stop.fallback:
        raise _errors.TimedOut(
            f"shutdown.timeout: the guest {run.spec.name!r} did not shut down within {run.spec.stop.timeout:g} s "
            f"and {_remains(run)}; shutdown.on_timeout: force would cut its power"
        )
    power_off(run, action)


def _remains(run: procedure.Run) -> str:
    return "runs on" if power_state(run.domain())[0] == "running" else f"is {agent.explain(run.domain())}"


def _shut_down(run: procedure.Run) -> bool:
    """Ask the guest to shut down, again and again since it may still be booting; tell whether it did in time.

    Success is what libvirt shows: off, or another domain id than before (somebody started it again meanwhile).
    """
    domain, stop = run.domain(), run.spec.stop
    flags = {
        "agent": libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT,
        "acpi": libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN,
    }.get(stop.method, 0)
    before = _run_id(run)
    left = stop.timeout
    with DomainWatch(run.conn, domain) as watch:
        while True:
            with contextlib.suppress(libvirt.libvirtError):
                domain.shutdownFlags(flags)
            patience = min(stop.retry_interval, left)
            if watch.wait_until(lambda: _run_id(run) != before, patience):
                return True
            left -= patience
            if left <= 0:
                return False


def _run_id(run: procedure.Run) -> int:
    """Return the number of the guest's present run, -1 when it is off; looked up anew, as a domain keeps what it had then."""
    domain = _connection.unless_gone(lambda: run.conn.lookupByUUID(run.domain().UUID()), libvirt.VIR_ERR_NO_DOMAIN)
    return -1 if domain is None else domain.ID()


def _restart(run: procedure.Run, action: _plan.Action) -> None:
    """Restart as Nova's soft reboot: shut down and start, so that the definition for the next boot is applied."""
    _shutdown(run, action)
    boot(run, 0)


def _thaw(run: procedure.Run, action: _plan.Action) -> None:
    """Thaw what a run that was killed has left frozen. Where the agent does not answer, the rest of the task is done all the same."""
    try:
        freeze.thaw_left(run.domain())
    except _errors.KvmfleetError as exc:
        run.warnings.append(exc.message)


def _await_state(run: procedure.Run, states: tuple[str, ...], timeout: float) -> None:
    domain = run.domain()
    with DomainWatch(run.conn, domain) as watch:
        if not watch.wait_until(lambda: power_state(domain)[0] in states, timeout):
            raise _errors.TimedOut(
                f"the guest {run.spec.name!r} is {power_state(domain)[0]} after {timeout} s, not {states[0]}"
            )


def check_goal(run: procedure.Run) -> None:
    """Raise KvmfleetError, with libvirt's reason, unless the guest is in the state that the task wants."""
    wanted = GOALS.get(run.spec.state)
    if wanted is None:
        return
    domain = run.domain()
    if wanted == "running" and run.observed.exists and run.observed.facts.reason == "ioerror":
        # A guest that goes on first tries again what failed.
        with DomainWatch(run.conn, domain) as watch:
            watch.wait_until(lambda: _state(domain) != wanted, RETRY_TIME)
    if _state(domain) != wanted:
        raise _errors.KvmfleetError(f"state: the guest {run.spec.name!r} is {agent.explain(domain)}, not {wanted}")


def _state(domain: Domain) -> str:
    """Return the state of a guest; one that is gone, as it had no definition, is stopped."""
    found = _connection.unless_gone(lambda: power_state(domain), libvirt.VIR_ERR_NO_DOMAIN)
    return "stopped" if found is None else found[0]


ACTIONS = {
    "start": _start,
    "start_paused": _start_paused,
    "restore": _restore,
    "restore_paused": _restore,
    "resume": _resume,
    "wake": _wake,
    "pause": _pause,
    "suspend": _suspend,
    "discard_saved_state": _discard_saved_state,
    "shutdown": _shutdown,
    "restart": _restart,
    "power_off": power_off,
    "thaw": _thaw,
}
