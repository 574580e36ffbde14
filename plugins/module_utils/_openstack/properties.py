# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What the properties of a Glance image mean for a guest that is made from it. Pure.

Source: Glance's "useful image properties", and Nova's ImageMetaProps.
"""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _units

_BUSES = ("virtio", "scsi", "sata", "ide", "usb")
_TRUE, _FALSE = ("true", "yes", "1", "on"), ("false", "no", "0", "off")


def _one_of(*values):
    return lambda text: text if text in values else None


def _bool(text):
    return True if text in _TRUE else False if text in _FALSE else None


def _count(text):
    return int(text) if text.isdigit() and int(text) else None


def _mebibytes(text):
    return _units.format_size(int(text) * _units.SIZE_UNITS["MiB"]) if _count(text) else None


def _word(text):
    return text or None


def _watchdog(text):
    actions = ("reset", "poweroff", "pause", "none")
    return {"action": text} if text in actions else {"enabled": False} if text == "disabled" else None


def _secure_boot(text):
    # `optional` leaves it to the flavor.
    return {"required": True, "disabled": False}.get(text)


# (property, place in the values, what its text means). What means nothing to a guest of ours is left out.
_MEANINGS = (
    ("hw_firmware_type", ("firmware",), _one_of("bios", "uefi")),
    ("os_secure_boot", ("secure_boot",), _secure_boot),
    ("hw_machine_type", ("machine",), _word),
    ("hw_architecture", ("arch",), _word),
    ("hw_qemu_guest_agent", ("agent",), _bool),
    ("hw_boot_menu", ("boot_menu",), _bool),
    ("hw_cpu_sockets", ("cpu", "sockets"), _count),
    ("hw_cpu_cores", ("cpu", "cores"), _count),
    ("hw_cpu_threads", ("cpu", "threads"), _count),
    ("hw_tpm_version", ("tpm", "version"), _one_of("1.2", "2.0")),
    ("hw_tpm_model", ("tpm", "model"), _one_of("tpm-crb", "tpm-tis", "tpm-spapr")),
    ("hw_video_model", ("video", "model"), _one_of("vga", "virtio", "qxl", "bochs", "cirrus", "none")),
    ("hw_video_ram", ("video", "vram"), _mebibytes),
    ("hw_watchdog_action", ("watchdog",), _watchdog),
    ("hw_disk_bus", ("disk_bus",), _one_of(*_BUSES)),
    ("hw_cdrom_bus", ("cdrom_bus",), _one_of(*_BUSES)),
    ("hw_vif_model", ("interface_model",), _word),
    ("os_admin_user", ("admin_user",), _word),
    (
        "min_disk",
        ("min_disk",),
        lambda text: _units.format_size(int(text) * _units.SIZE_UNITS["GiB"]) if _count(text) else None,
    ),
    ("min_ram", ("min_memory",), _mebibytes),
)
_CASE_MATTERS = ("hw_machine_type", "hw_architecture", "os_admin_user")


def guest_values(properties):
    """Return what an image's properties, min_disk (GiB) and min_ram (MiB) among them, say about its guests.

    The keys are options of vm_instance, and disk_bus, cdrom_bus, interface_model, admin_user, min_disk and min_memory.
    """
    values = {}
    for name, (*parents, last), meaning in _MEANINGS:
        text = str(properties.get(name, "")).strip()
        value = meaning(text if name in _CASE_MATTERS else text.lower())
        if value is not None:
            target = values
            for parent in parents:
                target = target.setdefault(parent, {})
            target[last] = value
    return values
