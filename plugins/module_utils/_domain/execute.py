# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""execute: the one place that writes. Each action is safe to repeat; a failed launch is cleaned up here."""

from __future__ import annotations

import contextlib

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import doing, feature, unless_gone
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.observe import find
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import power_state
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.wait import wait_for
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import KvmfleetError, LibvirtFailed, TimedOut
from ansible_collections.kvmfleet.compute.plugins.module_utils._events import DomainWatch
from ansible_collections.kvmfleet.compute.plugins.module_utils._state import OwnedVolume, forget_removal, record_removal
from ansible_collections.kvmfleet.compute.plugins.module_utils._xml import element_of, to_text

# How long libvirt itself may take for what needs no help from the guest, in seconds.
POWER_OFF_TIMEOUT = 30


def execute(conn, spec, observed, plan):
    """Carry a plan out. When it fails, the volumes that this run made are removed and recorded as not made yet."""
    run = _Run(conn, spec)
    try:
        for action in plan.actions:
            with doing(f"{action.name.replace('_', ' ')} {action.subject}"):
                _ACTIONS[action.name](run, action)
    except (KvmfleetError, libvirt.libvirtError):
        run.undo_volumes()
        raise
    if spec.wait_for:
        wait_for(conn, run.domain(), spec.wait_for)
    return {}


class _Run:
    """What the actions of one run share: the connection, the spec, and what was made and would have to be undone."""

    def __init__(self, conn, spec):
        self.conn = conn
        self.spec = spec
        self._made = []
        self._domain = None

    def domain(self):
        """The guest's domain. Raises LibvirtFailed when it is gone."""
        if self._domain is None:
            self._domain = find(self.conn, self.spec)
        if self._domain is None:
            raise LibvirtFailed(f"the guest {self.spec.name!r} has vanished meanwhile")
        return self._domain

    def defined(self, domain):
        self._domain = domain

    def made(self, volume):
        self._made.append(volume)

    def undo_volumes(self):
        """Remove what this run made: first recorded as planned, so that the definition can be launched again."""
        for volume in reversed(self._made):
            with contextlib.suppress(libvirt.libvirtError, KvmfleetError):
                if self.domain().isActive():
                    continue  # it runs after all: its disks are its own
                _record_volume(self.domain(), volume.target, "planned")
                _delete_volume(self.conn, volume.pool, volume.name)


def _define(run, action):
    flags = getattr(libvirt, "VIR_DOMAIN_DEFINE_VALIDATE", 0)
    run.defined(run.conn.defineXMLFlags(to_text(action.data), flags))


def _update_live(run, action):
    """Bring title, description and our metadata to the running guest; define changes the next boot alone.

    Source: virDomainSetMetadata.
    """
    domain, root = run.domain(), action.data
    live = libvirt.VIR_DOMAIN_AFFECT_LIVE
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, root.findtext("title"), None, None, live)
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, root.findtext("description"), None, None, live)
    found = metadata.read(root)
    if found is not None:
        _set_metadata(domain, found, live)


def _set_metadata(domain, found, flags):
    domain.setMetadata(
        libvirt.VIR_DOMAIN_METADATA_ELEMENT,
        to_text(metadata.to_fragment(found)),
        metadata.PREFIX,
        metadata.NAMESPACE,
        flags,
    )


def _create_volume(run, action):
    volume = action.data
    pool = run.conn.storagePoolLookupByName(volume.pool)
    # The plan has made sure that what is there is the unfinished work of an earlier launch of this guest.
    _delete_volume(run.conn, volume.pool, volume.name)
    run.made(volume)
    text = to_text(_volume_element(volume))
    if volume.mode == "copy":
        image = run.conn.storagePoolLookupByName(volume.image.pool).storageVolLookupByName(volume.image.name)
        created = pool.createXMLFrom(text, image, 0)
        if created.info()[1] < volume.capacity:
            created.resize(volume.capacity, 0)
    else:
        pool.createXML(text, 0)
    _record_volume(run.domain(), volume.target, "ready")


def _volume_element(volume):
    """Source: libvirt storage volume XML."""
    root = element_of("volume")
    root.append(element_of("name", text=volume.name))
    capacity = volume.image.capacity if volume.mode == "copy" else volume.capacity
    root.append(element_of("capacity", {"unit": "bytes"}, str(capacity)))
    target = element_of("target")
    target.append(element_of("format", {"type": volume.format}))
    if volume.format == "qcow2":
        # libvirt's default is the version of 2008, which knows neither bitmaps nor zero clusters.
        target.append(element_of("compat", text="1.1"))
    root.append(target)
    if volume.mode == "overlay":
        backing = element_of("backingStore")
        backing.append(element_of("path", text=volume.image.path))
        backing.append(element_of("format", {"type": volume.image.format}))
        root.append(backing)
    return root


def _record_volume(domain, target, status):
    root = _xml.parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    _set_metadata(
        domain, metadata.with_volume_status(metadata.read(root), target, status), libvirt.VIR_DOMAIN_AFFECT_CONFIG
    )


def _delete_volume(conn, pool_name, name):
    """Delete a volume; one that is gone already, with its pool perhaps, is fine."""
    pool = unless_gone(lambda: conn.storagePoolLookupByName(pool_name), libvirt.VIR_ERR_NO_STORAGE_POOL)
    volume = pool and unless_gone(lambda: pool.storageVolLookupByName(name), libvirt.VIR_ERR_NO_STORAGE_VOL)
    if volume:
        volume.delete(0)


def _grow_disk(run, action):
    """Source: virDomainBlockResize on a guest that runs, virStorageVolResize on one that does not."""
    target, size = action.data
    domain = run.domain()
    if domain.isActive():
        domain.blockResize(target, size, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
        return
    root = _xml.parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    source = root.find(f"devices/disk/target[@dev='{target}']/../source")
    run.conn.storageVolLookupByPath(source.get("file") or source.get("dev")).resize(size, 0)


def _set_autostart(run, action):
    run.domain().setAutostart(1)


def _unset_autostart(run, action):
    run.domain().setAutostart(0)


def _start(run, action):
    _boot(run, 0)


def _start_paused(run, action):
    _boot(run, libvirt.VIR_DOMAIN_START_PAUSED)


def _boot(run, flags):
    domain = run.domain()
    if not domain.isActive():
        domain.createWithFlags(flags)


def _resume(run, action):
    run.domain().resume()


def _wake(run, action):
    run.domain().pMWakeup(0)
    _await_state(run, ("running",), POWER_OFF_TIMEOUT)


def _pause(run, action):
    run.domain().suspend()


def _suspend(run, action):
    """Save the memory to disk; a guest that was paused is to run, not to stay paused, when it is restored."""
    run.domain().managedSave(libvirt.VIR_DOMAIN_SAVE_RUNNING)


def _discard_saved_state(run, action):
    if run.domain().hasManagedSaveImage(0):
        run.domain().managedSaveRemove(0)


def _power_off(run, action):
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
        if unless_gone(domain.isActive, libvirt.VIR_ERR_NO_DOMAIN):
            domain.destroy()


def _shutdown(run, action):
    if _shut_down(run):
        return
    if not run.spec.stop.fallback:
        raise TimedOut(
            f"shutdown.timeout: the guest {run.spec.name!r} did not shut down within {run.spec.stop.timeout:g} s "
            "and runs on; shutdown.on_timeout: force would cut its power"
        )
    _power_off(run, action)


def _shut_down(run):
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


def _run_id(run):
    """Return the number of the guest's present run, -1 when it is off; looked up anew, as a domain keeps what it had then."""
    domain = unless_gone(lambda: run.conn.lookupByUUID(run.domain().UUID()), libvirt.VIR_ERR_NO_DOMAIN)
    return -1 if domain is None else domain.ID()


def _restart(run, action):
    """Restart as Nova's soft reboot: shut down and start, so that the definition for the next boot is applied."""
    _shutdown(run, action)
    _boot(run, 0)


def _await_state(run, states, timeout):
    domain = run.domain()
    with DomainWatch(run.conn, domain) as watch:
        if not watch.wait_until(lambda: power_state(domain)[0] in states, timeout):
            raise TimedOut(
                f"the guest {run.spec.name!r} is {power_state(domain)[0]} after {timeout} s, not {states[0]}"
            )


def _record_removal(run, action):
    volumes = [OwnedVolume(volume.pool, volume.name, volume.path) for volume in action.data]
    record_removal(run.spec.uri, run.spec.name, volumes)


def _undefine(run, action):
    """Undefine with all that belongs to the definition; disks are not touched.

    Source: virDomainUndefineFlags.
    """
    flags = (
        libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
        | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    )
    if feature(run.conn, "undefine_keep_tpm"):
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


def _delete_owned_volume(run, action):
    _delete_volume(run.conn, action.data.pool, action.data.name)


def _finish_removal(run, action):
    forget_removal(run.spec.uri, run.spec.name)


_ACTIONS = {
    "define": _define,
    "update_live": _update_live,
    "create_volume": _create_volume,
    "grow_disk": _grow_disk,
    "set_autostart": _set_autostart,
    "unset_autostart": _unset_autostart,
    "start": _start,
    "start_paused": _start_paused,
    "restore": _start,
    "restore_paused": _start_paused,
    "resume": _resume,
    "wake": _wake,
    "pause": _pause,
    "suspend": _suspend,
    "discard_saved_state": _discard_saved_state,
    "shutdown": _shutdown,
    "restart": _restart,
    "power_off": _power_off,
    "record_removal": _record_removal,
    "undefine": _undefine,
    "delete_volume": _delete_owned_volume,
    "finish_removal": _finish_removal,
}
