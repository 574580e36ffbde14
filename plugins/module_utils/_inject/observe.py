# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""observe: read what is in the disks of a guest that is off, without writing to them; a guest that is on is not looked into."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
import time
from dataclasses import dataclass, field

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.lookup import require
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import power_state
from ansible_collections.kvmfleet.compute.plugins.module_utils._host.virtualisation import usable_virt_types
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject import accounts, appliance, grow
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject.spec import SYSTEM_FILES
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import uses
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.lookup import path_of

SELINUX = "/etc/selinux/config"
DAY = 24 * 3600


@dataclass(frozen=True)
class FileState:
    """A file as it is in the guest."""

    checksum: str
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True)
class Observed:
    """What there is; of a guest that is left alone only the domain and its state.

    places: by path, where that is in the guest's own root once the links of its directories are followed. files: FileState by
    path, None where there is none. texts: the content of those that are changed in part. missing: the directories that a path
    lacks. sources: the checksums of the host's files. today: in days since
    1970. system: the result's key. needed: by the path of a disk that is not to be written to, the words for why.
    """

    domain: object
    state: str
    uuid: str = ""
    disks: tuple = ()
    needed: dict = field(default_factory=dict)
    hardware: bool = False
    sources: dict = field(default_factory=dict)
    today: int = 0
    passwd: str = ""
    group: str = ""
    places: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    texts: dict = field(default_factory=dict)
    missing: dict = field(default_factory=dict)
    selinux: bool = False
    growth: grow.Growth = None
    system: dict = None


def observe(conn, spec):
    """Return the Observed. Raises NotFound, Conflict, Unsupported, LibvirtFailed, KvmfleetError."""
    with _connection.doing(f"looking for the guest {spec.name!r}"):
        domain = require(conn, spec.name)
    with _connection.doing(f"reading guest {spec.name}"):
        state = power_state(domain)[0]
    if state != "stopped":
        if spec.leave_when_on:
            return Observed(domain, state)
        raise _errors.Conflict(
            f"name: the guest {spec.name!r} is {state}; the disks of a guest are opened only when it is stopped: stop it, or take "
            "vm_guest while it runs"
        )
    sources = {file.src: _checksum_of_host(file.src) for file in spec.files if file.src}
    disks = _disks(conn, domain)
    needed = needed_by_others(conn, domain.name(), disks)
    hardware = "kvm" in usable_virt_types(conn)
    with appliance.started(disks, hardware, readonly=True) as handle:
        system = appliance.find_system(handle, spec.luks_key)
        unmounted = appliance.mount(handle, system, readonly=True)
        with appliance.doing("looking into the guest's disks"):
            return _look(
                Observed(domain, state, domain.UUIDString(), disks, needed, hardware, sources),
                handle,
                spec,
                system,
                unmounted,
            )


def _disks(conn, domain):
    """Return the Disks that are this guest's own to write to. Raises Conflict, Unsupported, LibvirtFailed."""
    with _connection.doing(f"reading the disks of guest {domain.name()}"):
        root = _xml.parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        found = tuple(filter(None, (_disk(conn, element) for element in root.iterfind("devices/disk"))))
    if not found:
        raise _errors.Conflict(
            f"name: the guest {domain.name()!r} has no disk of its own that is a file or a device of the host"
        )
    return found


def needed_by_others(conn, name, disks):
    """Return, by the path of each disk that is not to be written to, the words for why. Raises LibvirtFailed."""
    with _connection.doing(f"looking for what needs the disks of guest {name}"):
        found = uses.read(conn)
    needed = {disk.path: found.against_writing(disk.path, name) for disk in disks}
    return {path: need for path, need in needed.items() if need}


def _disk(conn, element):
    if element.get("device", "disk") not in ("disk", "lun") or element.find("readonly") is not None:
        return None
    if element.find("shareable") is not None or element.find("transient") is not None:
        return None
    if element.find("encryption") is not None or element.find("source/encryption") is not None:
        raise _errors.Unsupported(
            "name: a disk of the guest is encrypted by QEMU; only encryption by the guest itself can be opened"
        )
    source = element.find("source")
    if source is None or element.get("type") not in ("file", "block", "volume"):
        return None
    return appliance.Disk(path_of(conn, source), _xml.get(element, "driver/@type") or "raw")


def _checksum_of_host(path):
    with _errors.file_errors(f"reading {path}"):
        if not os.path.isfile(path):
            raise _errors.NotFound(f"files.src: {path!r} is not allowed; there is no such file on the host")
        digest = hashlib.sha256()
        with open(path, "rb") as stream:
            for piece in iter(lambda: stream.read(1024 * 1024), b""):
                digest.update(piece)
    return digest.hexdigest()


def _look(observed, handle, spec, system, unmounted):
    named = spec.users or any(file.owner or file.group for file in spec.files)
    passwd = _text(handle, "/etc/passwd") if named else ""
    partly = [accounts.account(passwd, user.name).keys_file for user in spec.users if user.keys or user.exclusive]
    if any(user.password_hash for user in spec.users):
        partly.append("/etc/shadow")
    paths = [
        *(file.path for file in spec.files),
        *(path for option, path in SYSTEM_FILES.items() if getattr(spec, option)),
        *partly,
    ]
    for path in paths:
        if paths.count(path) > 1:
            raise _errors.Conflict(f"files.path: {path!r} is not allowed; it is written for users, too")
        _check_place(path, unmounted)
    missing = {path: tuple(_missing(handle, path)) for path in paths}
    places = {path: _place(handle, path, missing[path]) for path in paths}
    for path, place in places.items():
        _check_place(place, unmounted)
        same = next(other for other, its_place in places.items() if its_place == place)
        if same != path:
            raise _errors.Conflict(f"{path!r} is not allowed; links in the guest make it the same file as {same!r}")
    device = handle.mountable_device(system.root)
    kind = handle.vfs_type(device)
    return Observed(
        observed.domain,
        observed.state,
        observed.uuid,
        observed.disks,
        observed.needed,
        observed.hardware,
        observed.sources,
        today=int(time.time()) // DAY,
        passwd=passwd,
        group=_text(handle, "/etc/group") if named else "",
        places=places,
        files={path: _state(handle, path) for path in paths},
        texts={path: _text(handle, path) for path in partly},
        missing=missing,
        selinux=_selinux(handle),
        growth=grow.observe(handle, system) if spec.grow_root else None,
        system=describe(handle, system, device, kind),
    )


def describe(handle, system, device, kind):
    """Return the result's key `system`; the root file system is mounted."""
    sized = kind in (*grow.EXT, "xfs", "btrfs")
    return {
        "product": system.product,
        "root": device,
        "filesystem": kind,
        "size": grow.size(handle, device, kind) if sized else None,
    }


def _check_place(path, unmounted):
    for directory in unmounted:
        if path.startswith(f"{directory}/"):
            raise _errors.Conflict(f"{path!r} is not allowed; it is on {directory}, which the guest's disks don't have")


def _text(handle, path):
    """Return the text of a file, empty where there is none. Bytes of no UTF-8 come back as they were."""
    there = handle.is_file(path, followsymlinks=True)
    return handle.read_file(path).decode("utf-8", "surrogateescape") if there else ""


def _state(handle, path):
    if not handle.exists(path) and not handle.is_symlink(path):
        return None
    found = handle.lstatns(path)
    if stat.S_ISLNK(found["st_mode"]):
        raise _errors.Conflict(f"{path!r} is not allowed; it is a symbolic link in the guest: name the file itself")
    if not stat.S_ISREG(found["st_mode"]):
        raise _errors.Conflict(f"{path!r} is not allowed; it is there in the guest, and no file")
    mode = stat.S_IMODE(found["st_mode"])
    return FileState(handle.checksum("sha256", path), mode, found["st_uid"], found["st_gid"])


def _missing(handle, path):
    """Yield the directories above a path that have to be made, from the top. Raises Conflict."""
    directory = ""
    for name in posixpath.dirname(path).split("/")[1:]:
        directory = f"{directory}/{name}"
        if not name or handle.is_dir(directory, followsymlinks=True):
            continue
        if handle.exists(directory) or handle.is_symlink(directory):
            raise _errors.Conflict(f"{path!r} is not allowed; {directory} is there in the guest, and no directory")
        yield directory


def _place(handle, path, missing):
    """Return where a path is when the links of its directories are followed. What renames a file would follow them out of the guest.

    Source: guestfs_realpath, which never leaves the guest's root.
    """
    there = posixpath.dirname(missing[0] if missing else path)
    return posixpath.join(handle.realpath(there), posixpath.relpath(path, there))


def _selinux(handle):
    settings = _text(handle, SELINUX).splitlines()
    return any(line.replace(" ", "") in ("SELINUX=enforcing", "SELINUX=permissive") for line in settings)
