# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Actions of a cold resize: give the new sizes, watch the guest, write the overlay into the old disk, or go back."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import doing
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import applied, metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.disks import SourceField
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.recorded import update_metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import KvmfleetError, LibvirtFailed, TimedOut
from ansible_collections.kvmfleet.compute.plugins.module_utils._events import DomainWatch
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.wait import wait_for
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import resize
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.actions.definition import define
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.actions.power import boot, power_off
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.actions.storage import drop_volume

# Seconds that QEMU may take to write an overlay into the disk below it.
COMMIT_TIMEOUT = 3600


def _inactive(run):
    return _xml.parse(run.domain().XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))


def _live(run):
    return _xml.parse(run.domain().XMLDesc(0))


def _resize(run, action):
    """Define the new sizes, with the record of the old ones. libvirt refuses here what it can't do, and the guest runs on."""
    run.on_failure(lambda: _undo(run))
    define(run, action.data)


def _undo(run):
    """Take back what did not come as far as a guest that runs with its new sizes."""
    found = metadata.read(_inactive(run))
    if found is not None and found.resize is not None:
        if not found.resize.settled and run.domain().isActive() and resize.is_booted(found.resize, _live(run)):
            return
        _revert_resize(run, None)
    if run.observed.active:
        boot(run, 0)
    if found is not None:
        _tidy_up(run)


def _start_resized(run, action):
    try:
        boot(run, 0)
    except libvirt.libvirtError as exc:
        _go_back(run, f"resize: the guest {run.spec.name!r} can't be started with its new sizes: {exc}")


def _confirm_resize(run, action):
    """Wait until the guest is back, when that is to be seen, and make its new sizes its only ones."""
    record = metadata.read(_inactive(run)).resize
    if record is None or record.settled:
        return
    if action.data is not None and record.status == "pending":
        _watch(run, action.data)
    if record.target is not None:
        _commit(run, record)
    update_metadata(run.domain(), lambda found: resize.settled(found, "confirmed"))
    applied.record(run.domain())


def _watch(run, check):
    try:
        with doing(f"watching {run.spec.name}"):
            wait_for(run.conn, run.domain(), check, "resize.check")
    except KvmfleetError as exc:
        _go_back(run, exc.message)


def _go_back(run, reason):
    """Have the guest run with its old sizes again, and fail with the reason."""
    try:
        power_off(run, None)
        _revert_resize(run, None)
        boot(run, 0)
        _tidy_up(run)
    except libvirt.libvirtError as exc:
        raise LibvirtFailed(f"{reason}; and to revert the resize failed: {exc}") from exc
    raise TimedOut(f"{reason}; the resize was reverted and the guest runs with its old sizes")


def _revert_resize(run, action):
    root = _inactive(run)
    found = metadata.read(root)
    if found is not None and found.resize is not None and not found.resize.settled:
        define(run, resize.reverted(root))


def _tidy_up(run):
    for volume in metadata.read(_inactive(run)).volumes:
        if volume.status == "obsolete":
            drop_volume(run, volume)
    _finish_resize(run, None)


def _finish_resize(run, action):
    update_metadata(run.domain(), lambda found: metadata.with_resize_status(found, None))


def _commit(run, record):
    """Write the overlay into the old disk while the guest runs, and have it run on that.

    A run that died here left the job going, or left it done: whatever is missing is done.
    Source: virDomainBlockCommit (VIR_DOMAIN_BLOCK_COMMIT_ACTIVE), virDomainBlockJobAbort (VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT).
    """
    domain, target = run.domain(), record.target
    if _path(_disk(_live(run), target)) != record.path:
        update_metadata(domain, lambda found: metadata.with_resize_status(found, "confirming"))
        if not domain.blockJobInfo(target, 0):
            domain.blockCommit(target, record.path, None, 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE)
        with DomainWatch(run.conn, domain) as watch:
            if not watch.wait_until(lambda: _is_ready(run, target), COMMIT_TIMEOUT):
                raise TimedOut(
                    f"resize: the disk {target} is still being written after {COMMIT_TIMEOUT} s; run this again"
                )
        domain.blockJobAbort(target, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
    if domain.blockInfo(target, 0)[0] < int(record.size):
        domain.blockResize(target, int(record.size), libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
    root = _inactive(run)
    if _path(_disk(root, target)) != record.path:
        resize.put_disk(root, target, (record.type, record.path), record.format)
        define(run, root)


def _is_ready(run, target):
    """Tell whether all is written and the disks mirror each other. Raises LibvirtFailed when the job ended before."""
    if _xml.get(_disk(_live(run), target), "mirror/@ready") == "yes":
        return True
    if not run.domain().blockJobInfo(target, 0):
        raise LibvirtFailed(
            f"resize: QEMU could not write the overlay of the disk {target} into it; the guest runs on, and running this again "
            "tries again"
        )
    return False


def _disk(root, target):
    return root.find(f"devices/disk/target[@dev='{target}']/..")


def _path(disk):
    return SourceField().read(disk)[1]


ACTIONS = {
    "resize": _resize,
    "start_resized": _start_resized,
    "confirm_resize": _confirm_resize,
    "revert_resize": _revert_resize,
    "finish_resize": _finish_resize,
}
