# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Actions on the devices, CPUs and memory of a guest that runs, each judged by its live definition afterwards."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.addresses import AGENT_TIMEOUT, agent_limit
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.guest_devices import agent_connected
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.plugging import SCSI_CONTROLLER
from ansible_collections.kvmfleet.compute.plugins.module_utils._events import DomainWatch

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils import _plan
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import procedure

# Seconds between two requests to unplug a device: a guest that is busy booting overhears the first ones (as in Nova).
UNPLUG_INTERVAL = 10
# Seconds that a guest's system has to notice new CPUs.
CPU_TIMEOUT = 10
# Seconds that a guest's balloon driver has to take or give the memory.
BALLOON_TIMEOUT = 60


def _live(run: procedure.Run) -> _xml.Element:
    return _xml.parse(run.domain().XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE))


def _attach_device(run: procedure.Run, action: _plan.Action) -> None:
    """Plug in what the definition has meanwhile, with the MAC address that libvirt gave it there.

    Source: virDomainAttachDeviceFlags.
    """
    kind, items, index = action.data
    domain = run.domain()
    if kind.pairs(_live(run), items)[index][1] is not None:
        return
    inactive = _xml.parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))
    element = copy.deepcopy(kind.pairs(inactive, items)[index][1])
    # Its place on the bus at the next boot may be taken now.
    for address in element.findall("address"):
        element.remove(address)
    text = _xml.to_text(element)
    run.on_failure(lambda: domain.detachDeviceFlags(text, libvirt.VIR_DOMAIN_AFFECT_LIVE))
    domain.attachDeviceFlags(text, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _attach_controller(run: procedure.Run, action: _plan.Action) -> None:
    """Plug in the controller that a disk is to be on; by itself libvirt would make one of another model."""
    if _live(run).find(SCSI_CONTROLLER) is not None:
        return
    domain, text = run.domain(), _xml.to_text(action.data)
    run.on_failure(lambda: domain.detachDeviceFlags(text, libvirt.VIR_DOMAIN_AFFECT_LIVE))
    domain.attachDeviceFlags(text, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _detach_device(run: procedure.Run, action: _plan.Action) -> None:
    """Ask the guest to release a device, again and again, until its live definition does not have it any more.

    Raises TimedOut: the definition is as it was then. Source: virDomainDetachDeviceFlags, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED.
    """
    kind, label = action.data
    domain, left = run.domain(), run.spec.unplug_timeout
    with DomainWatch(run.conn, domain) as watch:
        while True:
            element = _labelled(run, kind, label)
            if element is None:
                return
            try:
                domain.detachDeviceFlags(_xml.to_text(element), libvirt.VIR_DOMAIN_AFFECT_LIVE)
            except libvirt.libvirtError as exc:
                # One that is being unplugged already is an error, too, and no harm. To wait for what can't be done is in vain.
                if exc.get_error_code() in (libvirt.VIR_ERR_OPERATION_UNSUPPORTED, libvirt.VIR_ERR_CONFIG_UNSUPPORTED):
                    raise
            patience = min(UNPLUG_INTERVAL, left)
            if watch.wait_until(lambda: _labelled(run, kind, label) is None, patience):
                return
            left -= patience
            if left <= 0:
                raise _errors.TimedOut(
                    f"unplug_timeout: the guest {run.spec.name!r} did not release {action.subject} within "
                    f"{run.spec.unplug_timeout:g} s and keeps it; is its system up, and the device not in use?"
                )


def _labelled(run: procedure.Run, kind: facet.DeviceKind, label: str | None) -> _xml.Element | None:
    return next((element for element in kind.elements(_live(run)) if kind.label(element) == label), None)


def _update_device(run: procedure.Run, action: _plan.Action) -> None:
    """Source: virDomainUpdateDeviceFlags."""
    run.domain().updateDeviceFlags(action.data, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _set_vcpus(run: procedure.Run, action: _plan.Action) -> None:
    """Plug CPUs in or out, and have the guest use them: without udev's help only its agent can switch them on.

    Source: virDomainSetVcpusFlags.
    """
    domain = run.domain()
    domain.setVcpusFlags(action.data, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    if not agent_connected(_live(run)):
        return

    def used() -> bool:
        try:
            with agent_limit(domain, AGENT_TIMEOUT):
                domain.setVcpusFlags(action.data, libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_VCPU_GUEST)
        except libvirt.libvirtError:
            return False  # the guest's system has not noticed them yet, or does not take CPUs while it runs
        return True

    with DomainWatch(run.conn, domain) as watch:
        watch.wait_until(used, CPU_TIMEOUT)


def _set_memory(run: procedure.Run, action: _plan.Action) -> None:
    """Source: virDomainSetMemoryFlags; the balloon takes its time, and is all that the guest has a say in."""
    domain = run.domain()
    domain.setMemoryFlags(action.data, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    run.half_done()
    with DomainWatch(run.conn, domain) as watch:
        if not watch.wait_until(lambda: domain.info()[2] == action.data, BALLOON_TIMEOUT):
            raise _errors.TimedOut(
                f"memory: the guest {run.spec.name!r} has {domain.info()[2]} KiB after {BALLOON_TIMEOUT} s, not "
                f"{action.data} KiB; does it have the driver of the memory balloon?"
            )


ACTIONS = {
    "attach_controller": _attach_controller,
    "attach_device": _attach_device,
    "detach_device": _detach_device,
    "update_device": _update_device,
    "set_vcpus": _set_vcpus,
    "set_memory": _set_memory,
}
