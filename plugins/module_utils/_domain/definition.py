# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A guest's definition: the skeleton of a new one, and the overlay of what was asked for onto what is there. Pure."""

from __future__ import annotations

import copy
from collections.abc import Container, Iterable
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _field, _plan, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata as recorded
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import patch
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facet import DeviceKind, Values
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets import (
    balloon,
    boot,
    compute,
    confidential,
    cpu,
    cpu_pinning,
    disks,
    display,
    filesystems,
    graphics,
    guest_devices,
    host_devices,
    interfaces,
    memory_backing,
    metadata,
    numa,
    pci,
    platform,
    serial_console,
    system,
    tpm,
    vsock,
    watchdog,
)

# In the order in which a reader of the XML meets them.
FACETS = (
    system.FACET,
    metadata.FACET,
    compute.FACET,
    memory_backing.HUGE_PAGES,
    memory_backing.MEMORY_BACKING,
    cpu_pinning.IOTHREADS,
    cpu_pinning.PINNING,
    cpu_pinning.LIMITS,
    boot.FACET,
    boot.DIRECT,
    platform.SMBIOS,
    platform.HYPERV,
    cpu.FACET,
    numa.FACET,
    platform.CLOCK,
    disks.FACET,
    filesystems.FACET,
    interfaces.FACET,
    serial_console.FACET,
    display.INPUTS,
    graphics.VNC,
    display.SOUND,
    display.VIDEO,
    host_devices.FACET,
    watchdog.WATCHDOG,
    watchdog.PANIC,
    balloon.FACET,
    vsock.FACET,
    guest_devices.FACET,
    pci.FACET,
    tpm.FACET,
    confidential.LAUNCH_SECURITY,
)
# The lists of devices, whose items can be absent, and which `purge` can name.
KINDS = {
    kind.option: kind
    for kind in (disks.KIND, interfaces.KIND, filesystems.KIND, display.INPUTS_KIND, host_devices.KIND)
}

# By the names of KINDS.
Items = dict[str, tuple[Values, ...]]


@dataclass(frozen=True)
class NewGuest:
    """What the definition of a new guest starts from: its name, and what its host offers.

    system: the host's libvirt is the system's (it may write to /var/log/libvirt).
    """

    name: str
    virt_type: str
    arch: str
    uuid: str | None = None
    machine: str | None = None
    emulator: str | None = None
    system: bool = False

    @property
    def is_qemu(self) -> bool:
        return self.virt_type in ("kvm", "qemu")

    @property
    def has_graphics(self) -> bool:
        return self.is_qemu and not self.arch.startswith("s390")

    @property
    def is_x86(self) -> bool:
        return self.arch in ("x86_64", "i686")


def skeleton(guest: NewGuest) -> _xml.Element:
    """Return the smallest definition of a new guest.

    libvirt makes the UUID and the MAC addresses when it takes the definition, and fills in every default.
    """
    root = _xml.element_of("domain", {"type": guest.virt_type})
    root.append(_xml.element_of("name", text=guest.name))
    if guest.uuid:
        root.append(_xml.element_of("uuid", text=guest.uuid))
    # The element that makes the guest a managed one, also when it has nothing to say yet.
    recorded.write(root, recorded.InstanceMetadata())
    boot = _xml.element_of("os")
    boot.append(_xml.element_of("type", {"arch": guest.arch, "machine": guest.machine}, "hvm"))
    root.append(boot)
    if guest.is_x86:
        features = _xml.element_of("features")
        features.extend([_xml.element_of("acpi"), _xml.element_of("apic")])
        root.append(features)
    root.append(_clock(guest))
    devices = _xml.element_of("devices")
    if guest.emulator:
        devices.append(_xml.element_of("emulator", text=guest.emulator))
    if guest.has_graphics:
        video = _xml.element_of("video")
        video.append(_xml.element_of("model", {"type": "vga" if guest.is_x86 else "virtio"}))
        devices.append(video)
    root.append(devices)
    return root


def _clock(guest: NewGuest) -> _xml.Element:
    clock = _xml.element_of("clock", {"offset": "utc"})
    if guest.is_x86 and guest.is_qemu:
        # A guest that was stopped for a while catches up, and HPET costs time for nothing (as Nova sets them).
        clock.append(_xml.element_of("timer", {"name": "rtc", "tickpolicy": "catchup"}))
        clock.append(_xml.element_of("timer", {"name": "pit", "tickpolicy": "delay"}))
        clock.append(_xml.element_of("timer", {"name": "hpet", "present": "no"}))
    return clock


def with_launch_defaults(wanted: Values, guest: NewGuest) -> Values:
    """Return wanted with what a new guest gets where nothing was asked for."""
    complete = dict(wanted)
    for facet in FACETS:
        complete.update(facet.launch(wanted, guest))
    return complete


def overlay(
    root: _xml.Element,
    wanted: Values,
    patches: Iterable[patch.Patch] = (),
    purge: Container[str] = (),
    removals: Items | None = None,
    patched: bool = False,
) -> tuple[_xml.Element, tuple[_plan.Change, ...]]:
    """Return (definition, changes): a copy of `root` with what was asked for, and all that differs from before.

    purge: names of KINDS whose devices go unless wanted has them. removals: by name of KINDS, items that name devices to go.
    patched: libvirt reads `root` in the same way with and without the patches.
    What nobody asked about stays as it is.
    """
    after = copy.deepcopy(root)
    changes = [
        _plan.Change(kind.subject(element), "present", None, _field.NEXT_BOOT)
        for kind, element in remove_devices(after, wanted, purge, removals)
    ]
    for facet in FACETS:
        given = facet.given(wanted)
        found = facet.changes(after, given)
        if found:
            facet.write(after, given)
            changes.extend(found)
    if not patched:
        for option in patch.pending(after, patches):
            changes.append(_plan.Change(option, None, "patched", _field.NEXT_BOOT))
    if changes:
        patch.apply(after, patches)
    return after, tuple(changes)


def check(before: _xml.Element, after: _xml.Element, wanted: Values) -> None:
    """Refuse a definition in which what was asked for contradicts itself or the rest. Raises InvalidInput, Conflict."""
    for facet in FACETS:
        facet.check(before, after, wanted)


def remove_devices(
    root: _xml.Element, wanted: Values, purge: Container[str] = (), removals: Items | None = None
) -> list[tuple[DeviceKind, _xml.Element]]:
    """Remove from a definition the devices that are to go; returns them as [(DeviceKind, element)]."""
    gone = []
    for option, kind in KINDS.items():
        if option in purge or (removals or {}).get(option):
            elements = kind.unwanted(root, wanted.get(option, ()), (removals or {}).get(option, ()), option in purge)
            for element in elements:
                element.getparent().remove(element)
            gone += [(kind, element) for element in elements]
    return gone
