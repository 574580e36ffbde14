# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""execute: do what was planned in the disks; the one place that writes to them."""

from __future__ import annotations

import os
import posixpath

from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import doing
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import power_state
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, KvmfleetError, file_errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject import appliance, grow
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject.observe import describe


def execute(conn, spec, observed, the_plan):
    """Do the actions; return the result's key `system`. Raises Conflict, LibvirtFailed, KvmfleetError."""
    if not the_plan.actions:
        return {}
    with doing(f"reading guest {spec.name}"):
        if power_state(observed.domain)[0] != "stopped":
            raise Conflict(f"name: the guest {spec.name!r} was started meanwhile; its disks were not written to")
    by_name = {action.name: action for action in the_plan.actions}
    with appliance.started(observed.disks, observed.hardware, readonly=False) as handle:
        if "grow_partition" in by_name:
            _do(by_name["grow_partition"], grow.grow_partition, handle, by_name["grow_partition"].data)
        system = appliance.find_system(handle, spec.luks_key)
        if "grow_volume" in by_name:
            _do(by_name["grow_volume"], grow.grow_volume, handle, by_name["grow_volume"].data)
        growing = by_name.get("grow_filesystem")
        if growing:
            _do(growing, grow.grow_unmounted, handle, growing.subject)
        appliance.mount(handle, system, readonly=False)
        if growing:
            _do(growing, grow.grow_mounted, handle, growing.subject)
        for action in the_plan.actions:
            if action.name in _FILES:
                _do(action, _FILES[action.name], handle, action)
        with appliance.doing("looking at the guest's root file system"):
            device = handle.mountable_device(system.root)
            return {"system": describe(handle, system, device, handle.vfs_type(device))}


def _do(action, function, handle, data):
    with appliance.doing(f"{action.name.replace('_', ' ')} {action.subject}"):
        function(handle, data)


def _make_directory(handle, action):
    mode, owner = action.data
    handle.mkdir_mode(action.subject, mode)
    handle.chown(owner.uid, owner.gid, action.subject)
    handle.chmod(mode, action.subject)


def _write_file(handle, action):
    """Write beside its place, see that it is whole, and rename: whoever kills this leaves the old file or the new one.

    A file that is there keeps what the task says nothing of, SELinux's label included.
    """
    target = action.data
    directory, name = posixpath.split(target.path)
    beside = posixpath.join(directory, f".{name}.kvmfleet")
    handle.rm_f(beside)
    if target.src:
        handle.upload(target.src, beside)
    else:
        _upload(handle, target.content, beside)
    if handle.checksum("sha256", beside) != target.checksum:
        raise KvmfleetError(f"{target.path}: what was written differs from what was to be; run the task again")
    if handle.exists(target.path):
        handle.copy_attributes(target.path, beside, all=True)
    _own(handle, target, beside)
    handle.mv(beside, target.path)


def _upload(handle, content, path):
    """Content may be secret, so it never is in a file of the host."""
    with file_errors("keeping a file in memory"):
        descriptor = os.memfd_create("kvmfleet")
        with open(descriptor, "r+b") as stream:
            stream.write(content)
            stream.flush()
            handle.upload(f"/proc/self/fd/{descriptor}", path)


def _set_file_mode(handle, action):
    _own(handle, action.data, action.data.path)


def _own(handle, target, path):
    """The mode comes last: to change the owner takes bits of it away."""
    now = handle.lstatns(path)
    uid = now["st_uid"] if target.uid is None else target.uid
    gid = now["st_gid"] if target.gid is None else target.gid
    handle.chown(uid, gid, path)
    handle.chmod(now["st_mode"] & 0o7777 if target.mode is None else target.mode, path)


_FILES = {"make_directory": _make_directory, "write_file": _write_file, "set_file_mode": _set_file_mode}
