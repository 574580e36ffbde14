# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What guests of a host can have: machine types, firmware, devices, processors."""

from __future__ import annotations

from functools import partial

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._host.virtualisation import X86
from ansible_collections.kvmfleet.compute.plugins.module_utils._optional import if_available

FIRMWARE = {"bios": "bios", "efi": "uefi"}


def domain_capabilities(conn, capabilities, virt_type):
    """Return what guests of the host's own architecture can have; None where libvirt does not tell it.

    Source: virConnectGetDomainCapabilities; machine types from virConnectGetCapabilities.
    """
    arch = capabilities.findtext("host/cpu/arch")
    text = if_available(partial(conn.getDomainCapabilities, None, arch, None, virt_type))
    return None if text is None else described(_xml.parse(text), capabilities)


def described(root, capabilities):
    """Return the documented shape of parsed domain capabilities."""
    arch = root.findtext("arch")
    machines = capabilities.iterfind(f"guest[os_type='hvm']/arch[@name='{arch}']/machine")
    firmware = {FIRMWARE.get(value, value) for value in _values(root, "os", "firmware")}
    if arch in X86:
        # QEMU brings its BIOS for these itself; libvirt lists it only where a firmware descriptor names it.
        firmware.add("bios")
    return {
        "arch": arch,
        "virt_type": root.findtext("domain"),
        "default_machine": root.findtext("machine"),
        "machines": sorted({machine.text for machine in machines}),
        "max_vcpus": int(_xml.get(root, "vcpu/@max") or 0),
        "firmware": sorted(firmware),
        "secure_boot": "yes" in _values(root, "os/loader", "secure"),
        "cpu_modes": [mode.get("name") for mode in root.iterfind("cpu/mode[@supported='yes']")],
        "cpu_models": sorted(model.text for model in root.iterfind("cpu/mode[@name='custom']/model[@usable='yes']")),
        "disk_buses": _values(root, "devices/disk", "bus"),
        "graphics_types": _values(root, "devices/graphics", "type"),
        "video_models": _values(root, "devices/video", "modelType"),
        "tpm_models": _values(root, "devices/tpm", "model"),
        "tpm_backends": _values(root, "devices/tpm", "backendModel"),
        "rng_backends": _values(root, "devices/rng", "backendModel"),
        "filesystem_drivers": _values(root, "devices/filesystem", "driverType"),
    }


def _values(root, path, name):
    return [value.text for value in root.iterfind(f"{path}[@supported='yes']/enum[@name='{name}']/value")]
