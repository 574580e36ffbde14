# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Which devices libvirt can plug into a running guest of QEMU, and out of it. Pure.

Each function returns the words for why it can't, None when it can. What is not known here is tried.
Source: libvirt, qemu_hotplug.c and qemuDomainDeviceCalculatePCIConnectFlags.
"""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml

# The buses of disks and input devices that take devices while the guest runs.
_BUSES = ("virtio", "scsi", "usb")
# Models of interfaces that go into a slot of conventional PCI; all others go into a PCIe port where the machine has them.
_CONVENTIONAL = ("e1000", "rtl8139", "vmxnet3", "virtio-transitional")
_EXPRESS_PORTS = ("pcie-root-port", "pcie-switch-downstream-port")
# With the slots that devices can have.
_CONVENTIONAL_BUSES = {"pci-root": 31, "pci-bridge": 31, "pcie-to-pci-bridge": 31}
# A controller that a SCSI disk needs, where the guest has none.
SCSI_CONTROLLER = "devices/controller[@type='scsi']"


def new_scsi_controller() -> _xml.Element:
    """Return virtio-scsi, which every guest system with virtio drives; libvirt's own choice on x86 is an LSI of 1995."""
    return _xml.element_of("controller", {"type": "scsi", "index": "0", "model": "virtio-scsi"})


def plug_obstacle(live: _xml.Element, element: _xml.Element) -> str | None:
    """`element` is a new device for the running guest whose definition `live` is."""
    if element.tag in ("disk", "input"):
        bus = _bus(element)
        if bus not in _BUSES:
            return f"a guest takes no {bus} {_noun(element)} while it runs"
        if bus == "scsi" and live.find(SCSI_CONTROLLER) is None:
            return _slot_obstacle(live, new_scsi_controller())
    if _is_9p(element):
        return "a guest takes no 9p directory while it runs"
    if _is_usb(element):
        has_usb = any(
            controller.get("model") != "none" for controller in live.findall("devices/controller[@type='usb']")
        )
        return None if has_usb else "the running guest has no USB controller"
    return _slot_obstacle(live, element)


def unplug_obstacle(live: _xml.Element, element: _xml.Element) -> str | None:
    """`element` is a device of the running guest."""
    if element.tag in ("disk", "input") and _bus(element) not in _BUSES:
        return f"a guest releases no {_bus(element)} {_noun(element)} while it runs"
    if _is_9p(element):
        return "a guest releases no 9p directory while it runs"
    if _xml.get(element, "address/@type") != "pci":
        return None
    if _root(live) == "pcie-root" and int(_xml.get(element, "address/@bus") or "0", 0) == 0:
        return "it is on the root bus of PCIe, where nothing is unplugged while the guest runs"
    return _acpi_obstacle(live)


def _bus(element: _xml.Element) -> str | None:
    return element.get("bus") if element.tag == "input" else _xml.get(element, "target/@bus")


def _noun(element: _xml.Element) -> str:
    device = element.get("device", "disk")
    return (
        {"cdrom": "CD-ROM drive", "floppy": "floppy drive"}.get(device, "disk") if element.tag == "disk" else "device"
    )


def _is_9p(element: _xml.Element) -> bool:
    return element.tag == "filesystem" and _xml.get(element, "driver/@type") != "virtiofs"


def _is_usb(element: _xml.Element) -> bool:
    return _bus(element) == "usb" or (element.tag == "hostdev" and element.get("type") == "usb")


def _root(live: _xml.Element) -> str | None:
    return _xml.get(live, "devices/controller[@type='pci'][@index='0']/@model")


def _acpi_obstacle(live: _xml.Element) -> str | None:
    if _root(live) == "pci-root" and live.find("features/acpi") is None:
        return "the running guest has no ACPI, without which its PCI bus takes and releases nothing"
    return None


def _slot_obstacle(live: _xml.Element, element: _xml.Element) -> str | None:
    root = _root(live)
    if root not in ("pci-root", "pcie-root") or not _is_pci(element):
        return None
    if root == "pcie-root" and _is_express(element):
        free = _free(live, dict.fromkeys(_EXPRESS_PORTS, 1)) - len(_placeless(live, express=True))
        return (
            None
            if free > 0
            else ("the running guest has no free PCIe root port; pci_root_ports gives it more at its next boot")
        )
    taken = len(_placeless(live, express=False)) + (len(_placeless(live, express=True)) if root == "pci-root" else 0)
    if _free(live, _CONVENTIONAL_BUSES) - taken <= 0:
        model = _xml.get(element, "model/@type") or element.tag
        return f"the running guest has no free slot of conventional PCI, which a {model} needs"
    return _acpi_obstacle(live)


def _is_pci(element: _xml.Element) -> bool:
    if element.tag in ("disk", "input"):
        return _bus(element) == "virtio"
    return element.tag in ("interface", "hostdev", "filesystem", "controller") and not _is_usb(element)


def _is_express(element: _xml.Element) -> bool:
    return element.tag != "interface" or _xml.get(element, "model/@type") not in _CONVENTIONAL


def _placeless(live: _xml.Element, express: bool) -> list[_xml.Element]:
    """The devices that are to be plugged in before this one: libvirt has not given them an address yet."""
    return [
        element
        for element in live.find("devices")
        if element.tag in ("disk", "interface", "input", "hostdev", "filesystem", "controller")
        and element.find("address") is None
        and not (element.tag == "controller" and element.get("type") == "pci")
        and _is_pci(element)
        and _is_express(element) is express
    ]


def _free(live: _xml.Element, slots: dict[str, int]) -> int:
    """Return how many slots are free on the PCI controllers of some models; slots: how many one of a model has."""
    used = [
        (int(address.get("bus", "0"), 0), int(address.get("slot", "0"), 0))
        for address in live.findall("devices/*/address[@type='pci']")
    ]
    free = 0
    for controller in live.findall("devices/controller[@type='pci']"):
        number = int(controller.get("index", "0"))
        free += max(0, slots.get(controller.get("model"), 0) - len({place for place in used if place[0] == number}))
    return free
