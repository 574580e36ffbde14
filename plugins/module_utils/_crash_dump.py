# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A guest's crash dump as a resource of the runner: inject an NMI, write the guest's memory to a file of the host."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors, _inet, _lock, _plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.lookup import name_of, require
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import power_state
from ansible_collections.kvmfleet.compute.plugins.module_utils._execute import Run, carry_out
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import uses

# The names of libvirt's constants, by the words of the options.
FORMATS = {
    "raw": "VIR_DOMAIN_CORE_DUMP_FORMAT_RAW",
    "kdump-zlib": "VIR_DOMAIN_CORE_DUMP_FORMAT_KDUMP_ZLIB",
    "kdump-lzo": "VIR_DOMAIN_CORE_DUMP_FORMAT_KDUMP_LZO",
    "kdump-snappy": "VIR_DOMAIN_CORE_DUMP_FORMAT_KDUMP_SNAPPY",
    "win-dmp": "VIR_DOMAIN_CORE_DUMP_FORMAT_WIN_DMP",
}
MODES = {"pause": None, "live": "VIR_DUMP_LIVE", "crash": "VIR_DUMP_CRASH", "reset": "VIR_DUMP_RESET"}

OPTIONS = {
    "name": {"type": "str", "required": True},
    "nmi": {"type": "bool", "default": False},
    "path": {"type": "path"},
    "format": {"type": "str", "choices": list(FORMATS), "default": "raw"},
    "memory_only": {"type": "bool", "default": True},
    "mode": {"type": "str", "choices": list(MODES), "default": "pause"},
    "bypass_cache": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
}


@dataclass(frozen=True)
class DumpSpec:
    """A dump as it was asked for; path is None where only an NMI was."""

    name: str
    nmi: bool
    path: str
    format: str
    memory_only: bool
    mode: str
    bypass_cache: bool
    force: bool

    @property
    def partial(self):
        """The file that is written; it gets its name when it is whole."""
        return f"{self.path}.partial"


@dataclass(frozen=True)
class Observed:
    """The guest, its power state, whether the dump is there already, and the words for what needs a file in its place."""

    domain: object
    state: str
    dumped: bool
    need: str = None


def parse(params):
    """Return the DumpSpec of a task's parameters. Raises InvalidInput."""
    found = DumpSpec(**{option: params[option] for option in OPTIONS})
    if found.path is None:
        if not found.nmi:
            raise _errors.InvalidInput(
                "path: no value is given, and nmi is false; one of the two says what is to be done"
            )
        return found
    if not found.path.startswith("/") or found.path.endswith("/"):
        raise _errors.InvalidInput.of("path", found.path, "the absolute path of a file on the host is needed")
    if _inet.host_of(params["uri"]):
        raise _errors.InvalidInput.of(
            "uri", params["uri"], "a dump is a file of libvirt's host: run the task on that host"
        )
    if found.format != "raw" and not found.memory_only:
        raise _errors.InvalidInput.of(
            "format", found.format, "it is the memory alone; memory_only: false needs format: raw"
        )
    return found


def locks(conn, dump_spec):
    """Return the Locks of a task."""
    return [_lock.guest(name_of(conn, dump_spec.name))]


def observe(conn, dump_spec):
    """Return the Observed. Raises NotFound, Conflict, LibvirtFailed."""
    with _connection.doing(f"reading guest {dump_spec.name}"):
        domain = require(conn, dump_spec.name, f"name: there is no guest {dump_spec.name!r} on this host")
        dumped = _is_there(dump_spec.path)
        return Observed(domain, power_state(domain)[0], dumped, _needed(conn, dump_spec, dumped))


def _needed(conn, dump_spec, dumped):
    """Return the words for what needs a file that the dump would replace; nothing is read where it would replace none."""
    if dump_spec.path is None or (dumped and not dump_spec.force):
        return None
    replaced = [path for path in (dump_spec.path, dump_spec.partial) if os.path.lexists(path)]
    if not replaced:
        return None
    found = uses.read(conn)
    return next(filter(None, (found.against_sole_use(path, None) for path in replaced)), None)


def _is_there(path):
    if path is None:
        return False
    with _errors.file_errors(f"looking for the dump {path}"):
        if not os.path.isdir(os.path.dirname(path)):
            raise _errors.NotFound(f"path: {path!r} is not allowed; its directory does not exist on the host")
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            return False
    if not stat.S_ISREG(mode):
        raise _errors.Conflict(f"path: {path!r} is not allowed; it exists and is not a file")
    return True


def plan(dump_spec, observed):
    """Return the Plan. A dump that is there was made by an earlier run, and the NMI before it. Raises Conflict."""
    if observed.dumped and not dump_spec.force:
        return _plan.Plan()
    if observed.state in ("stopped", "suspended", "crashed"):
        raise _errors.Conflict(
            f"name: the guest {dump_spec.name!r} is {observed.state}; only a guest that is on can be dumped"
        )
    if observed.need is not None:
        raise _errors.Conflict(
            f"path: {dump_spec.path!r} is not allowed; the file that it would replace is {observed.need}"
        )
    actions = [_plan.Action("inject_nmi", dump_spec.name)] if dump_spec.nmi else []
    if dump_spec.path is not None:
        actions.append(_plan.Action("dump", f"{dump_spec.name} to {dump_spec.path}"))
    return _plan.Plan(actions=tuple(actions))


def execute(conn, dump_spec, observed, the_plan):
    """Carry the plan out. Raises LibvirtFailed, KvmfleetError; there is no partial file then."""
    carry_out(the_plan, ACTIONS, Run(conn, dump_spec, observed))
    return {}


def _inject_nmi(run, action):
    """Source: virDomainInjectNMI."""
    run.observed.domain.injectNMI(0)


def _dump(run, action):
    """Dump into a file that root alone can read, which gets its name when it is whole.

    Source: virDomainCoreDumpWithFormat.
    """
    domain, dump_spec = run.observed.domain, run.spec
    with _errors.file_errors(f"writing the dump {dump_spec.path}"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(dump_spec.partial)  # of a run that was killed
        os.close(os.open(dump_spec.partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            domain.coreDumpWithFormat(dump_spec.partial, getattr(libvirt, FORMATS[dump_spec.format]), _flags(dump_spec))
            os.chmod(dump_spec.partial, 0o600)
            os.rename(dump_spec.partial, dump_spec.path)
        except (OSError, libvirt.libvirtError):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(dump_spec.partial)
            raise


ACTIONS = {"inject_nmi": _inject_nmi, "dump": _dump}


def _flags(dump_spec):
    flags = getattr(libvirt, MODES[dump_spec.mode]) if MODES[dump_spec.mode] else 0
    if dump_spec.memory_only:
        flags |= libvirt.VIR_DUMP_MEMORY_ONLY
    if dump_spec.bypass_cache:
        flags |= libvirt.VIR_DUMP_BYPASS_CACHE
    return flags


def report(conn, dump_spec, observed, executed):
    """Return the file as it is now, None when there is none or none was asked for."""
    if dump_spec.path is None or not (observed.dumped or executed):
        return {"dump": None}
    with _errors.file_errors(f"looking at the dump {dump_spec.path}"):
        return {"dump": {"path": dump_spec.path, "size": os.stat(dump_spec.path).st_size}}
