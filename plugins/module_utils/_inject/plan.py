# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""plan: from what is wanted and what is there to every action of the run, before the first write. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject import accounts
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject.spec import SYSTEM_FILES

SHADOW = "/etc/shadow"
# What an init system with SELinux looks for: it labels all files anew at the next boot.
AUTORELABEL = "/.autorelabel"


@dataclass(frozen=True)
class Owner:
    """Whose something is; numbers."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Target:
    """A file as it shall be in the end: of this content, or that of the host's file `src`. None: as it is."""

    path: str
    checksum: str
    content: bytes
    src: str
    mode: int
    uid: int
    gid: int


def plan(spec, observed):
    """Return the Plan: first what grows, then directories and files. Raises NotFound, Conflict."""
    if observed.system is None:
        return _plan.Plan()
    actions = [*_growing(observed.growth)] if observed.growth else []
    made, new = set(), False
    for target, owner, directory_mode in _targets(spec, observed):
        state, place = observed.files[target.path], observed.places.get(target.path, target.path)
        for directory in observed.missing[target.path]:
            if directory not in made:
                made.add(directory)
                actions.append(_plan.Action("make_directory", directory, (directory_mode, owner)))
        new = new or state is None
        actions += _writing(target, state, place)
    if observed.selinux and new:
        empty = hashlib.sha256(b"").hexdigest()
        actions.append(_plan.Action("write_file", AUTORELABEL, Target(AUTORELABEL, empty, b"", None, 0o644, 0, 0)))
    if actions:
        check_disks(spec, observed.needed)
    return _plan.Plan(actions=tuple(actions))


def check_disks(spec, needed):
    """Raise Conflict when a disk is not to be written to. What there is to write may be in any of them."""
    for path, need in needed.items():
        raise _errors.Conflict(f"name: the disk {path!r} of the guest {spec.name!r} can't be written to; it is {need}")


def _growing(growth):
    if growth.partition:
        yield _plan.Action("grow_partition", growth.partition.device, growth.partition)
    if growth.volume:
        yield _plan.Action("grow_volume", growth.volume, growth)
    if growth.filesystem:
        yield _plan.Action("grow_filesystem", growth.filesystem)


def _writing(target, state, place):
    """What makes a file as it shall be, where it is: written whole, or its mode and owner set."""
    subject, target = target.path, replace(target, path=place)
    if state is None or state.checksum != target.checksum:
        return [_plan.Action("write_file", subject, target)]
    wanted = [(target.mode, state.mode), (target.uid, state.uid), (target.gid, state.gid)]
    if any(value not in (None, present) for value, present in wanted):
        return [_plan.Action("set_file_mode", subject, target)]
    return []


def _targets(spec, observed):
    """Yield (Target, the Owner and the mode of directories that it lacks)."""
    root = Owner(0, 0)
    for file in spec.files:
        yield _file(file, observed), root, 0o755
    if spec.hostname:
        yield _known(observed, SYSTEM_FILES["hostname"], f"{spec.hostname}\n".encode(), 0o644, root), root, 0o755
    if spec.machine_id:
        # As systemd chooses it at the first boot of a virtual machine. Source: machine-id(5).
        content = f"{observed.uuid.replace('-', '')}\n".encode()
        yield _known(observed, SYSTEM_FILES["machine_id"], content, 0o444, root), root, 0o755
    for user in spec.users:
        if user.keys or user.exclusive:
            account = accounts.account(observed.passwd, user.name)
            path, owner = account.keys_file, Owner(account.uid, account.gid)
            text = accounts.with_keys(observed.texts[path], user.keys, user.exclusive)
            if text or observed.files[path]:
                yield _known(observed, path, _bytes(text), 0o600, owner), owner, 0o700
    if any(user.password_hash for user in spec.users):
        text = observed.texts[SHADOW]
        for user in spec.users:
            if user.password_hash:
                text = accounts.with_password(text, user.name, user.password_hash, observed.today)
        yield _known(observed, SHADOW, _bytes(text), 0o600, root), root, 0o755


def _bytes(text):
    return text.encode("utf-8", "surrogateescape")


def _file(file, observed):
    """A new file belongs to root, who alone can read it, unless the task says otherwise; one that is there stays whose it is."""
    new = observed.files[file.path] is None
    uid = _number(observed.passwd, "files.owner", file.owner, new)
    gid = _number(observed.group, "files.group", file.group, new)
    mode = 0o600 if new and file.mode is None else file.mode
    checksum = observed.sources[file.src] if file.src else hashlib.sha256(file.content).hexdigest()
    return Target(file.path, checksum, file.content, file.src, mode, uid, gid)


def _number(table, option, name, new):
    if name is None:
        return 0 if new else None
    return accounts.number(table, option, name)


def _known(observed, path, content, mode, owner):
    """A file of the system's own: one that is there keeps its mode and owner."""
    new = observed.files[path] is None
    ids = (mode, owner.uid, owner.gid) if new else (None, None, None)
    return Target(path, hashlib.sha256(content).hexdigest(), content, None, *ids)
