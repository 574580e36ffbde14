# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Actions on the definition itself: define it, bring it to the running guest, undefine it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors, _journal, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import applied, metadata, recorded
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets import interfaces
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.recorded import set_metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.storage import OwnedVolume
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import proof, uses
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.lookup import read_volume

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils import _plan
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import procedure


def _define(run: procedure.Run, action: _plan.Action) -> None:
    """Define the guest. One that runs gets its old definition back when what follows fails."""
    if run.observed.active and run.observed.persistent:
        run.on_failure(lambda: _restore(run))
    if not run.observed.storage.attached:
        define(run, action.data)
        return
    with uses.still(run.conn):
        _check_attached(run)
        define(run, action.data)


def _check_attached(run: procedure.Run) -> None:
    """Look again at the disks that the guest is to get. Raises Conflict, NotFound."""
    found = uses.read(run.conn)
    for disk, path in run.observed.storage.attached:
        need = found.against_attaching(path, run.spec.name, disk.attributes.get("shareable"))
        if need is not None:
            raise _errors.Conflict(f"{disk.option}: {path!r} is {need}")
        if disk.volume is not None and read_volume(run.conn, disk.pool, disk.volume) is None:
            raise _errors.NotFound(
                f"{disk.option}: the volume {disk.volume!r} of the pool {disk.pool!r} was deleted meanwhile"
            )


def define(run: procedure.Run, root: _xml.Element) -> None:
    """Source: virDomainDefineXMLFlags, VIR_DOMAIN_DEFINE_VALIDATE."""
    interfaces.record_new(root, run.spec.wanted.get("interfaces", ()))
    applied.begin(root)
    if run.observed.exists:
        recorded.keep_proofs(run.domain(), root)
    try:
        domain = run.conn.defineXMLFlags(_xml.to_text(root), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() != libvirt.VIR_ERR_XML_INVALID_SCHEMA or _was_valid(run):
            raise
        domain = run.conn.defineXMLFlags(_xml.to_text(root), 0)
    run.defined(domain)
    applied.record(domain)


def _record_definition(run: procedure.Run, action: _plan.Action) -> None:
    """Complete what a run that was killed had defined."""
    applied.record(run.domain())


def _was_valid(run: procedure.Run) -> bool:
    """Tell whether libvirt's schema allows what the guest had before; only libvirt can tell, by defining that once more.

    Other tools do not validate, and libvirt itself takes more than its schema allows.
    """
    if run.spec.patches or not run.observed.persistent:
        # What a task writes as XML is always validated.
        return True
    # As it is, so that nothing but blanks in its metadata changes.
    text = run.domain().XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
    try:
        run.conn.defineXMLFlags(text, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
    except libvirt.libvirtError as exc:
        return exc.get_error_code() != libvirt.VIR_ERR_XML_INVALID_SCHEMA
    return True


def _restore(run: procedure.Run) -> bool:
    """Put the old definition back, unless the guest has been started from the new one. Return whether it is back."""
    domain = run.domain()
    if run.conn.lookupByUUID(domain.UUID()).ID() not in (-1, run.observed.domain.ID()):
        return False
    run.conn.defineXMLFlags(_xml.to_text(run.observed.inactive), 0)
    if run.observed.metadata is not None:
        set_metadata(run.domain(), run.observed.metadata, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    return True


def _update_live(run: procedure.Run, action: _plan.Action) -> None:
    """Bring title, description and our metadata to the running guest; define changes the next boot alone.

    Source: virDomainSetMetadata.
    """
    domain, root = run.domain(), action.data
    live = libvirt.VIR_DOMAIN_AFFECT_LIVE
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, root.findtext("title"), None, None, live)
    run.half_done()
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, root.findtext("description"), None, None, live)
    found = metadata.read(root)
    if found is not None:
        set_metadata(domain, found, live)


def _set_autostart(run: procedure.Run, action: _plan.Action) -> None:
    run.domain().setAutostart(1)


def _unset_autostart(run: procedure.Run, action: _plan.Action) -> None:
    run.domain().setAutostart(0)


def _record_removal(run: procedure.Run, action: _plan.Action) -> None:
    local = _connection.shares_files(run.conn)
    volumes = [
        vars(OwnedVolume(volume.pool, volume.name, volume.path, proof.identity(volume, local)))
        for volume in action.data
    ]
    try:
        _journal.record(_journal.REMOVAL, run.spec.uri, run.spec.name, {"volumes": volumes})
    except _errors.KvmfleetError as exc:
        raise _errors.KvmfleetError(f"{exc.message}; nothing was removed") from exc


def _undefine(run: procedure.Run, action: _plan.Action) -> None:
    """Undefine with all that belongs to the definition; disks are not touched.

    Source: virDomainUndefineFlags.
    """
    flags = (
        libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
        | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    )
    if _connection.feature(run.conn, "undefine_keep_tpm"):
        flags |= getattr(libvirt, "VIR_DOMAIN_UNDEFINE_TPM", 0)
    domain = run.domain()
    try:
        domain.undefineFlags(flags)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return
        if exc.get_error_code() not in (libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_NO_SUPPORT):
            raise
        # A driver that knows fewer flags (libvirt's test driver) has less to undefine.
        domain.undefine()


def _finish_removal(run: procedure.Run, action: _plan.Action) -> None:
    _journal.forget(_journal.REMOVAL, run.spec.uri, run.spec.name)


ACTIONS = {
    "define": _define,
    "record_definition": _record_definition,
    "update_live": _update_live,
    "set_autostart": _set_autostart,
    "unset_autostart": _unset_autostart,
    "record_removal": _record_removal,
    "undefine": _undefine,
    "finish_removal": _finish_removal,
}
