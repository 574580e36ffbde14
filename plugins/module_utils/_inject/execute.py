# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""execute: do what was planned in the disks; the one place that writes to them."""

from __future__ import annotations

import contextlib
import os
import posixpath

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import doing
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import power_state
from ansible_collections.kvmfleet.compute.plugins.module_utils._execute import Run, carry_out
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject import appliance, grow
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject.observe import describe, needed_by_others
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject.plan import check_disks


def execute(conn, spec, observed, the_plan):
    """Do the actions; return the result's key `system`. Raises Conflict, LibvirtFailed, KvmfleetError."""
    if not the_plan.actions:
        return {}
    with doing(f"reading guest {spec.name}"):
        if power_state(observed.domain)[0] != "stopped":
            raise _errors.Conflict(
                f"name: the guest {spec.name!r} was started meanwhile; its disks were not written to"
            )
    check_disks(spec, needed_by_others(conn, observed.domain.name(), observed.disks))
    run = _Run(conn, spec, observed)
    with run.reporting(), appliance.started(observed.disks, observed.hardware, readonly=False) as run.handle:
        carry_out(the_plan, ACTIONS, run)
        handle = run.mounted()
        with appliance.doing("looking at the guest's root file system"):
            device = handle.mountable_device(run.system().root)
            return {"system": describe(handle, run.system(), device, handle.vfs_type(device))}


class _Run(Run):
    """What the actions of one run share: the appliance, and the system in its disks, which is opened no earlier than it has to be."""

    def __init__(self, conn, spec, observed):
        super().__init__(conn, spec, observed)
        self.handle = None
        self._system = None
        self._is_mounted = False

    @contextlib.contextmanager
    def doing(self, what):
        with super().doing(what), appliance.doing(what):
            yield

    def system(self):
        """Return the System, whose devices are open from now on."""
        if self._system is None:
            self._system = appliance.find_system(self.handle, self.spec.luks_key)
        return self._system

    def mounted(self):
        """Return the appliance, whose system's file systems are mounted from now on."""
        if not self._is_mounted:
            appliance.mount(self.handle, self.system(), readonly=False)
            self._is_mounted = True
        return self.handle


def _grow_partition(run, action):
    grow.grow_partition(run.handle, action.data)


def _grow_volume(run, action):
    run.system()
    grow.grow_volume(run.handle, action.data)


def _grow_filesystem(run, action):
    run.system()
    grow.grow_unmounted(run.handle, action.subject)
    grow.grow_mounted(run.mounted(), action.subject)


def _make_directory(run, action):
    handle = run.mounted()
    mode, owner = action.data
    handle.mkdir_mode(action.subject, mode)
    handle.chown(owner.uid, owner.gid, action.subject)
    handle.chmod(mode, action.subject)


def _write_file(run, action):
    """Write beside its place, see that it is whole, and rename: whoever kills this leaves the old file or the new one.

    A file that is there keeps what the task says nothing of, SELinux's label included.
    """
    handle, target = run.mounted(), action.data
    directory, name = posixpath.split(target.path)
    beside = posixpath.join(directory, f".{name}.kvmfleet")
    try:
        _write_beside(handle, target, beside)
        handle.mv(beside, target.path)
    except BaseException:
        # What kept this from being written may keep it from being removed; the next run does it then.
        with contextlib.suppress(RuntimeError):
            handle.rm_f(beside)
        raise


def _write_beside(handle, target, beside):
    handle.rm_f(beside)
    # It may have secrets: nobody else can read it before it is the file.
    handle.touch(beside)
    handle.chmod(0o600, beside)
    if target.src:
        handle.upload(target.src, beside)
    else:
        _upload(handle, target.content, beside)
    if handle.checksum("sha256", beside) != target.checksum:
        raise _errors.KvmfleetError(f"{target.path}: what was written differs from what was to be; run the task again")
    if handle.exists(target.path):
        handle.copy_attributes(target.path, beside, all=True)
    _own(handle, target, beside)


def _upload(handle, content, path):
    """Content may be secret, so it never is in a file of the host."""
    with _errors.file_errors("keeping a file in memory"):
        descriptor = os.memfd_create("kvmfleet")
        with open(descriptor, "r+b") as stream:
            stream.write(content)
            stream.flush()
            handle.upload(f"/proc/self/fd/{descriptor}", path)


def _set_file_mode(run, action):
    _own(run.mounted(), action.data, action.data.path)


def _own(handle, target, path):
    """The mode comes last: to change the owner takes bits of it away."""
    now = handle.lstatns(path)
    uid = now["st_uid"] if target.uid is None else target.uid
    gid = now["st_gid"] if target.gid is None else target.gid
    handle.chown(uid, gid, path)
    handle.chmod(now["st_mode"] & 0o7777 if target.mode is None else target.mode, path)


ACTIONS = {
    "grow_partition": _grow_partition,
    "grow_volume": _grow_volume,
    "grow_filesystem": _grow_filesystem,
    "make_directory": _make_directory,
    "write_file": _write_file,
    "set_file_mode": _set_file_mode,
}
