# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""PCIe root ports: on machines with PCI Express each device that is plugged in while the guest runs takes a free one."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.system import MACHINE_ALIASES

OPTIONS = {"pci_root_ports": {"type": "int"}}
# A guest with the devices of a launch uses about six.
NEW_GUEST_PORTS = 16
# What fits on the root bus of a q35 machine, eight to a slot, beside what is built in.
MAXIMUM = 128


def parse(params: facet.Values) -> facet.Values:
    count = params.get("pci_root_ports")
    if count is None:
        return {}
    if not 0 <= count <= MAXIMUM:
        raise _errors.InvalidInput.of("pci_root_ports", count, f"a machine has 0 to {MAXIMUM} of them")
    return {"pci_root_ports": count}


class _RootPorts(_field.Row):
    option = "pci_root_ports"

    def read(self, root: _xml.Element) -> int:
        return len(root.findall("devices/controller[@model='pcie-root-port']"))

    def read_like(self, root: _xml.Element, wanted: int) -> int:
        """More ports than were asked for are fine: libvirt adds some itself, and none is taken away from its device."""
        return min(self.read(root), wanted)

    def write(self, root: _xml.Element, value: int) -> None:
        """Add ports behind the present ones, whose numbers the addresses of devices refer to."""
        devices = root.find("devices")
        if devices.find("controller[@type='pci']") is None:
            # libvirt takes the first one for the root itself.
            devices.append(_xml.element_of("controller", {"type": "pci", "index": "0", "model": "pcie-root"}))
        for _missing in range(value - self.read(root)):
            devices.append(_xml.element_of("controller", {"type": "pci", "model": "pcie-root-port"}))


def launch(wanted: facet.Values, guest: Any) -> facet.Values:
    machine = wanted.get("machine") or guest.machine or ""
    express = guest.is_qemu and (machine == "q35" or machine.startswith("pc-q35"))
    return {"pci_root_ports": NEW_GUEST_PORTS} if express and "pci_root_ports" not in wanted else {}


def check(before: _xml.Element, after: _xml.Element, wanted: facet.Values) -> None:
    machine = _xml.get(after, "os/type/@machine") or ""
    if wanted.get("pci_root_ports") and re.fullmatch(MACHINE_ALIASES["pc"] + "|pc|isapc", machine):
        raise _errors.InvalidInput.of(
            "pci_root_ports", wanted["pci_root_ports"], f"the guest is a {machine}, which has no PCI Express; a q35 has"
        )


FACET = facet.scalar_facet(OPTIONS, (_RootPorts(),), parse, launch=launch, check=check)
