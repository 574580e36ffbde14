# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the properties of an image in Glance mean for a guest."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.kvmfleet.compute.plugins.module_utils._openstack.properties import guest_values
from ansible_collections.kvmfleet.compute.plugins.modules import vm_instance

ALL = {
    "hw_firmware_type": "UEFI",
    "os_secure_boot": "required",
    "hw_machine_type": "pc-q35-8.2",
    "hw_architecture": "x86_64",
    "hw_qemu_guest_agent": "yes",
    "hw_boot_menu": "False",
    "hw_cpu_sockets": "1",
    "hw_cpu_cores": "2",
    "hw_cpu_threads": "1",
    "hw_tpm_version": "2.0",
    "hw_tpm_model": "tpm-crb",
    "hw_video_model": "qxl",
    "hw_video_ram": "64",
    "hw_watchdog_action": "reset",
    "hw_disk_bus": "scsi",
    "hw_cdrom_bus": "sata",
    "hw_vif_model": "e1000",
    "os_admin_user": "Administrator",
    "min_disk": 20,
    "min_ram": 2048,
}
OPTIONS = yaml.safe_load(vm_instance.DOCUMENTATION)["options"]
# What is no option of vm_instance by itself.
OTHERS = {"disk_bus", "cdrom_bus", "interface_model", "admin_user", "min_disk", "min_memory"}


def test_every_property():
    assert guest_values(ALL) == {
        "firmware": "uefi",
        "secure_boot": True,
        "machine": "pc-q35-8.2",
        "arch": "x86_64",
        "agent": True,
        "boot_menu": False,
        "cpu": {"sockets": 1, "cores": 2, "threads": 1},
        "tpm": {"version": "2.0", "model": "tpm-crb"},
        "video": {"model": "qxl", "vram": "64MiB"},
        "watchdog": {"action": "reset"},
        "disk_bus": "scsi",
        "cdrom_bus": "sata",
        "interface_model": "e1000",
        "admin_user": "Administrator",
        "min_disk": "20GiB",
        "min_memory": "2GiB",
    }


def test_the_values_are_options_of_a_guest():
    values = {key: value for key, value in guest_values(ALL).items() if key not in OTHERS}
    for key, value in values.items():
        for suboption in value if isinstance(value, dict) else ():
            assert suboption in OPTIONS[key]["suboptions"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hw_firmware_type", "efi"),
        ("os_secure_boot", "optional"),
        ("hw_disk_bus", "lxc"),
        ("hw_qemu_guest_agent", "perhaps"),
        ("hw_cpu_cores", "0"),
        ("hw_cpu_cores", "many"),
        ("hw_video_ram", "-1"),
        ("min_disk", 0),
        ("os_distro", "debian"),
        ("os_admin_user", " "),
    ],
)
def test_what_means_nothing_is_left_out(name, text):
    assert guest_values({name: text}) == {}


def test_no_watchdog():
    assert guest_values({"hw_watchdog_action": "disabled"}) == {"watchdog": {"enabled": False}}
