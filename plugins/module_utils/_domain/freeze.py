# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Hold the file systems of a running guest still, for a copy of its disks of one moment."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _journal
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Domain, libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import power_state


@contextlib.contextmanager
def frozen(domain: Domain, quiesce: str) -> Iterator[str | None]:
    """Hold a guest's file systems still for the time of a `with` block; yield why its agent refused, if it did and may.

    quiesce: `never`, `auto` (the agent may refuse) or `always`. Raises libvirt's error, and KvmfleetError when thawing fails.
    Source: virDomainFSFreeze, virDomainFSThaw.
    """
    if quiesce == "never":
        yield None
        return
    refusal = None
    # Nothing in the guest would thaw them when this run is killed; the next one does.
    _journal.record(_journal.FREEZE, *_key(domain), {"run": domain.ID()})
    try:
        domain.fsFreeze(None, 0)
    except libvirt.libvirtError as exc:
        # It may have come to some of the file systems.
        with contextlib.suppress(libvirt.libvirtError):
            domain.fsThaw(None, 0)
        _journal.forget(_journal.FREEZE, *_key(domain))
        if quiesce == "always":
            raise
        refusal = f"the agent of the guest {domain.name()!r} could not hold its file systems still: {exc}"
    try:
        yield refusal
    finally:
        if refusal is None:
            _thaw(domain)


def is_left(domain: Domain) -> bool:
    """Tell whether a run that was killed has left file systems of a guest frozen. Raises KvmfleetError."""
    return _journal.read(_journal.FREEZE, *_key(domain)) is not None


def thaw_left(domain: Domain) -> None:
    """Thaw what a run that was killed has left frozen, if it did; a guest that has booted since has nothing frozen.

    The agent of a guest that is paused can't be asked; a run that finds the guest running does so. Raises KvmfleetError; the next
    run tries again then.
    """
    left = _journal.read(_journal.FREEZE, *_key(domain))
    if left is None:
        return
    if not domain.isActive() or domain.ID() != left["run"]:
        _journal.forget(_journal.FREEZE, *_key(domain))
    elif power_state(domain)[0] != "paused":
        _thaw(domain)


def _key(domain: Domain) -> tuple[str, str]:
    return domain.connect().getURI(), domain.UUIDString()


def _thaw(domain: Domain) -> None:
    try:
        domain.fsThaw(None, 0)
        _journal.forget(_journal.FREEZE, *_key(domain))
    except libvirt.libvirtError as exc:
        raise _errors.KvmfleetError(
            f"thawing the file systems of the guest {domain.name()!r} failed: {exc}; "
            "where they are frozen still, kvmfleet.compute.vm_guest thaws them with frozen: false"
        ) from exc
