# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""execute: the one place that writes. An image appears whole, by being renamed, or not at all."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from datetime import datetime, timezone

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _lock, _units
from ansible_collections.kvmfleet.compute.plugins.module_utils._execute import Run, carry_out
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import source as image_source
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import store as image_store
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.observe import (
    check_space,
    find_pool,
    free_space,
    observe,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.plan import plan as make_plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.plan import power_failure
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.probe import probe
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import uses
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.naming import file_name

# libvirt runs QEMU as a user of its own, which must read the image.
MODE = 0o644
# What the store keeps free, in bytes, while something of unknown size comes in.
RESERVE = 64 * 1024**2
_SECOND = 10**9


def execute(conn, spec, observed, plan):
    """Carry a plan out, one run at a time for each image; return the keys of the result that came out otherwise."""
    if not plan.actions:
        return {}
    deadline = time.monotonic() + spec.timeout
    if spec.checksums is not None:
        # observe has read it.
        spec = replace(spec, checksum=observed.digest, checksums=None)
    with _lock.held_all(observed.store.directory, [_lock.image(spec.name)], spec.timeout, option="timeout"):
        if image_store.read(observed.store.directory, spec.name) != observed.store:
            # Another run was here first and has perhaps done it all.
            observed = observe(conn, spec)
            plan = make_plan(spec, observed)
        run = _Run(conn, spec, observed, deadline)
        carry_out(plan, ACTIONS, run)
    if run.unchanged:
        return replace(plan, actions=tuple(run.done), after=plan.before).describe()
    return dict(plan.describe(), warnings=run.warnings)


class _Run(Run):
    """What the actions of one run share. unchanged: a download turned out to be the current version."""

    def __init__(self, conn, spec, observed, deadline):
        super().__init__(conn, spec, observed)
        self.store = observed.store
        self.digest = observed.digest
        self.remote = observed.remote
        self.disk = observed.disk
        self.deadline = deadline
        self.unchanged = False


def _remove_leftover(run, action):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(action.subject)


def _fetch(run, action):
    """Read the source into a file beside, check it, and let it become the current version."""
    partial = image_store.partial_path(run.store.directory, run.spec.name)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(partial)
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    unpacked = f"{partial}.unpacked"
    try:
        with open(descriptor, "r+b") as target:
            spec, source, digests = _copied(run, target, partial) if run.disk else _read_first(run, target)
            packing = None if run.disk else image_source.packing(target)
            if packing is None:
                probed = probe(target, spec.option, spec.source, spec.format)
                _check_planned(run, digests)
                _keep(run, target, partial, probed, _info(spec, source, target, probed, digests))
            else:
                _check_planned(run, digests)
                _keep_unpacked(run, target, unpacked, packing, (spec, source, digests))
        return not run.unchanged
    finally:
        for path in (partial, unpacked):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def _keep_unpacked(run, packed, path, packing, read):
    """Let what is in a compressed file become the current version. `read` is what _read_first returned."""
    from ansible_collections.kvmfleet.compute.plugins.module_utils._image.unpack import unpack  # noqa: PLC0415 - only here

    spec, source, digests = read
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "r+b") as target:
        unpack(spec, packed, packing, target, run.deadline, _limit(run, spec))
        target.flush()
        probed = probe(target, spec.option, spec.source, spec.format)
        info = _info(spec, source, target, probed, {"sha256": image_source.file_digest(path, "sha256")})
        info = replace(info, source_sha256=digests["sha256"], source_sha512=digests.get("sha512"))
        _keep(run, target, path, probed, info)


def _limit(run, spec, is_unknown=True):
    """Return what refuses more bytes than allowed, and what fills the store when it `is_unknown` how many will come."""

    def limit(total):
        if total > spec.max_size:
            raise _errors.KvmfleetError(
                f"{spec.option}: {spec.source!r} has more than {_units.format_size(spec.max_size)}; a larger max_size takes more"
            )
        free = free_space(run.store.directory) if is_unknown else RESERVE
        if free < RESERVE:
            raise _errors.KvmfleetError(
                f"{spec.option}: {spec.source!r} does not fit into the image store {run.store.directory}, of which "
                f"{_units.format_size(RESERVE)} are kept free; {_units.format_size(free)} are free after {total} bytes"
            )

    return limit


def _read_first(run, target):
    """Read the first source that has the content; return its spec, its Source and the {algorithm: hex digits}."""
    failures = []
    for spec in run.spec.each():
        try:
            return (spec, *_read(run, spec, target))
        except _errors.KvmfleetError as exc:
            failures.append(exc)
            if time.monotonic() > run.deadline:
                break
    if len(failures) == 1:
        raise failures[0]
    raise _errors.KvmfleetError("; and ".join(failure.message for failure in failures))


def _copied(run, target, partial):
    """Copy a guest's disk into the file; return as _read_first does."""
    from ansible_collections.kvmfleet.compute.plugins.module_utils._image import capture  # noqa: PLC0415 - only here

    quiesce = run.spec.instance.quiesce if run.disk.can_freeze else "never"
    refusal = capture.copy(run.conn, run.disk, partial, quiesce, run.deadline)
    if refusal is not None:
        run.warnings.append(power_failure(refusal))
    # libvirt gave it to the user that QEMU runs as.
    os.fchown(target.fileno(), os.geteuid(), os.getegid())
    source = image_source.Source(target, os.fstat(target.fileno()).st_size)
    return run.spec, source, image_source.read_all(run.spec, source, run.deadline)


def _read(run, spec, target):
    with _opened(run, spec) as source:
        check_space(spec, run.store.directory, source.needs)
        limit = _limit(run, spec, source.size is None) if spec.option in ("url", "mirrors") else lambda total: None
        digests = image_source.read_all(spec, source, run.deadline, target, limit)
    try:
        image_source.check_digest(spec, source, digests)
    except _errors.KvmfleetError:
        # Where it is no image at all, that says more.
        if image_source.packing(target) is None:
            probe(target, spec.option, spec.source, spec.format)
        raise
    return source, digests


def _opened(run, spec):
    """Open what a spec names as a Source for the time of a `with` block."""
    if run.remote is not None:
        return run.remote.opened(run.deadline)
    if spec.option == "src":
        return image_source.opened(spec)
    from ansible_collections.kvmfleet.compute.plugins.module_utils._image import download  # noqa: PLC0415 - only here

    return download.opened(spec, run.deadline)


def _check_planned(run, digests):
    """A file that was hashed for the plan, and is another one now, is being written to."""
    if run.digest is not None and digests[run.digest.algorithm] != run.digest.hex:
        raise _errors.Conflict(f"{run.spec.option}: {run.spec.source!r} changed while it was read")


def _info(spec, source, target, probed, digests):
    return image_store.Info(
        sha256=digests["sha256"],
        sha512=digests.get("sha512"),
        size=os.fstat(target.fileno()).st_size,
        virtual_size=probed.virtual_size,
        source=spec.source,
        created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        source_size=source.size,
        source_mtime_ns=source.mtime_ns,
        etag=source.etag,
        last_modified=source.last_modified,
        glance_id=source.glance_id,
        properties=source.properties,
    )


def _keep(run, target, partial, probed, info):
    directory = run.store.directory
    file = file_name(run.spec.name, info.sha256, probed.format)
    there = run.store.versions.get(file)
    if there is not None and there.info is not None and there.info.sha256 == info.sha256:
        # Only a download that nothing was known of comes here; what it is is kept for the next conditional request.
        image_store.write_info(directory, file, replace(info, created=there.info.created))
        run.unchanged = there == run.store.current
        if not run.unchanged:
            _make_newest(run, there.path)
        return
    need = uses.read(run.conn).user(there.path) if there is not None else None
    if need is not None and image_source.file_digest(there.path, "sha256") != info.sha256:
        raise _errors.Conflict(
            f"name: the file {file} of the image store was changed and can't be replaced; it is {need}"
        )
    target.flush()
    os.fchmod(target.fileno(), MODE)
    _make_newest(run, target.fileno())
    os.fsync(target.fileno())
    image_store.write_info(directory, file, info)
    try:
        os.rename(partial, os.path.join(directory, file))
    except OSError:
        image_store.forget_info(directory, file)
        raise
    _sync_directory(directory)


def _make_newest(run, file):
    """Set a file's modification time to now, and after that of the current version whatever the clock says."""
    current = run.store.current
    now = max(time.time_ns(), current.mtime_ns + _SECOND if current else 0)
    os.utime(file, ns=(now, now))


def _sync_directory(directory):
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_current(run, action):
    _make_newest(run, run.store.versions[action.subject].path)


def _update_properties(run, action):
    version, image = run.store.versions[action.subject], run.remote.image
    info = replace(version.info, glance_id=image.id, properties=image.properties)
    image_store.write_info(run.store.directory, version.file, info)


def _refresh_pool(run, action):
    """Let libvirt see what is in the store. Source: virStoragePoolRefresh."""
    if run.unchanged:
        return False
    find_pool(run.conn, action.subject).refresh(0)
    return True


def _delete(run, action):
    path = run.store.versions[action.subject].path
    with uses.still(run.conn):
        need = uses.read(run.conn).user(path)
        if need is not None:
            raise _errors.Conflict(f"name: the version {action.subject} can't be removed; it is {need}")
        _delete_files(run, action.subject, path)


def _delete_files(run, file, path):
    # What is known goes first: a version without it is still a version, and is deleted by the next run.
    image_store.forget_info(run.store.directory, file)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


ACTIONS = {
    "remove_leftover": _remove_leftover,
    "import": _fetch,
    "download": _fetch,
    "copy_disk": _fetch,
    "make_current": _make_current,
    "update_properties": _update_properties,
    "refresh_pool": _refresh_pool,
    "delete": _delete,
}
