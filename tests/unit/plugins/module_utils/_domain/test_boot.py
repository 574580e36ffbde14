# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Firmware, order of devices, TPM and memory encryption on definitions that libvirt or other tools have completed."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import definition
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets import boot, confidential
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.spec import parse
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.specs import SEV_SNP, complete
from hypothesis import given

# As libvirt 11.3 completes it on Debian 13.
WITHOUT_KEYS = """\
<os firmware='efi'>
  <type arch='x86_64' machine='pc-q35-10.0'>hvm</type>
  <firmware><feature enabled='no' name='enrolled-keys'/><feature enabled='yes' name='secure-boot'/></firmware>
  <loader readonly='yes' secure='yes' type='pflash' format='raw'>/usr/share/OVMF/OVMF_CODE_4M.secboot.fd</loader>
  <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd' templateFormat='raw' format='raw'>/var/lib/libvirt/qemu/nvram/g_VARS.fd</nvram>
</os>"""
WITH_KEYS = WITHOUT_KEYS.replace("enabled='no'", "enabled='yes'")
BY_PATH = """\
<os>
  <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
  <loader readonly='yes' type='pflash'>/srv/own/CODE.fd</loader>
  <nvram template='/srv/own/VARS.fd'>/srv/own/guest.fd</nvram>
</os>"""
# As libvirt 9.0 keeps it: it chooses anew at each start, and shows the choice in the definition of the running guest alone.
UNDECIDED = """\
<os firmware='efi'>
  <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
  <firmware><feature enabled='no' name='enrolled-keys'/></firmware>
</os>"""
BIOS = "<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>"
ORDERED = """\
<domain type='qemu'><os><type>hvm</type></os><devices>
  <disk type='file'><source file='/a'/><target dev='vda'/><boot order='1'/></disk>
  <interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/><boot order='2'/></interface>
</devices></domain>"""


def guest(system, devices=""):
    return _xml.parse(f"<domain type='qemu'><name>g</name>{system}<devices>{devices}</devices></domain>")


def apply(root, **params):
    wanted = parse(complete(dict(params, name="g"))).wanted
    after, changes = definition.overlay(root, wanted)
    boot.check(root, after, wanted)
    assert definition.overlay(after, wanted)[1] == ()
    return after, [change.option for change in changes]


def features(root):
    return {element.get("name"): element.get("enabled") for element in root.findall("os/firmware/feature")}


@pytest.mark.parametrize(
    ("system", "firmware", "secure"),
    [
        (WITHOUT_KEYS, "uefi", False),
        (WITH_KEYS, "uefi", True),
        (UNDECIDED, "uefi", False),
        (UNDECIDED.replace("'no'", "'yes'"), "uefi", True),
        (BY_PATH, "uefi", False),
        (BY_PATH.replace("readonly", "secure='yes' readonly"), "uefi", True),
        (BIOS, "bios", False),
        (BIOS.replace("<os>", "<os firmware='efi'>"), "uefi", None),
    ],
)
def test_firmware_is_read_whoever_chose_it(system, firmware, secure):
    assert boot.FACET.read(guest(system), dict.fromkeys(("firmware", "secure_boot"))) == {
        "firmware": firmware,
        "secure_boot": secure,
    }


@pytest.mark.parametrize("system", [WITHOUT_KEYS, UNDECIDED, BY_PATH])
def test_what_was_chosen_stays_when_it_is_what_was_asked_for(system):
    after, changes = apply(guest(system), firmware="uefi", secure_boot=False)
    assert changes == [] and _xml.to_text(after) == _xml.to_text(guest(system))


@pytest.mark.parametrize(
    ("system", "asked"),
    [
        (WITHOUT_KEYS, True),
        (WITH_KEYS, False),
        (UNDECIDED, True),
        (BY_PATH, True),
        (BIOS.replace("<os>", "<os firmware='efi'>"), False),
    ],
)
def test_a_guest_with_nvram_keeps_it_and_so_what_secure_boot_is(system, asked):
    with pytest.raises(InvalidInput) as caught:
        apply(guest(system), firmware="uefi", secure_boot=asked)
    assert caught.value.message == (
        f"secure_boot: {asked} is not allowed; it is chosen when a guest is made or becomes a UEFI guest; "
        "this one's NVRAM was made otherwise, and is kept"
    )


def test_a_guest_that_becomes_a_uefi_guest_chooses():
    assert features(apply(guest(BIOS), firmware="uefi", secure_boot=True)[0])["enrolled-keys"] == "yes"


def test_a_new_guest_has_secure_boot_as_asked_for():
    new = definition.NewGuest(name="g", virt_type="qemu", arch="x86_64", machine="q35")
    for params, expected in (
        ({}, {"enrolled-keys": "no"}),
        ({"secure_boot": True}, {"enrolled-keys": "yes", "secure-boot": "yes"}),
    ):
        wanted = definition.with_launch_defaults(parse(complete(dict(params, name="g", firmware="uefi"))).wanted, new)
        after, _changes = definition.overlay(definition.skeleton(new), wanted)
        assert features(after) == expected
        assert (after.find("features/smm[@state='on']") is not None) == (len(expected) == 2)


def test_secure_boot_needs_a_machine_that_has_it():
    with pytest.raises(InvalidInput, match="^secure_boot: True is not allowed; the guest is a pc-i440fx-7.2"):
        apply(guest(BIOS.replace("pc-q35-7.2", "pc-i440fx-7.2")), firmware="uefi", secure_boot=True)


def test_single_devices_and_kinds_of_device_take_the_place_of_each_other():
    kinds = ORDERED.replace("<boot order='1'/>", "").replace("<boot order='2'/>", "")
    kinds = _xml.parse(kinds.replace("</type>", "</type><boot dev='hd'/><boot dev='network'/>"))
    interface = {"network": "default", "mac": "52:54:00:00:00:01", "boot_order": 1}
    after, changes = apply(kinds, interfaces=[interface])
    assert changes == ["boot", "interfaces[52:54:00:00:00:01].boot_order"]
    assert after.find("os/boot") is None
    after, changes = apply(_xml.parse(ORDERED), boot=["network", "hd"])
    assert changes == ["boot"]
    assert [element.get("dev") for element in after.iter("boot")] == ["network", "hd"]


def test_a_place_that_another_device_has_is_refused_with_both_names():
    with pytest.raises(Conflict) as caught:
        apply(_xml.parse(ORDERED), interfaces=[{"network": "default", "mac": "52:54:00:00:00:01", "boot_order": 1}])
    assert caught.value.message == (
        "boot_order: 1 would be that of disk vda and of interface 52:54:00:00:00:01; give each a place of its own"
    )


def test_a_kernel_of_the_host_goes_with_all_that_belongs_to_it():
    root, changes = apply(guest(BIOS), direct_boot={"kernel": "/k", "initrd": "/i", "cmdline": "quiet"})
    assert changes == [f"direct_boot.{key}" for key in ("kernel", "initrd", "cmdline", "enabled")]
    after, changes = apply(root, direct_boot={"enabled": False})
    assert changes == ["direct_boot.enabled"] and [element.tag for element in after.find("os")] == ["type"]


PASSTHROUGH = "<tpm model='tpm-tis'><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>"


def test_a_tpm_of_the_host_is_a_tpm_and_is_left_alone():
    assert apply(guest(BIOS, PASSTHROUGH), tpm={"enabled": True})[1] == []
    with pytest.raises(Conflict, match="^tpm: the guest has a TPM with the backend passthrough"):
        apply(guest(BIOS, PASSTHROUGH), tpm={"version": "2.0"})


def test_a_new_tpm_is_one_that_the_machine_can_have():
    found = {}
    for arch in ("x86_64", "aarch64"):
        root, _changes = apply(guest(BIOS.replace("x86_64", arch)), tpm={"enabled": True})
        found[arch] = (root.find("devices/tpm").get("model"), root.find("devices/tpm/backend").get("version"))
    assert found == {"x86_64": ("tpm-crb", "2.0"), "aarch64": (None, "2.0")}


@given(SEV_SNP)
def test_sev_snp_is_read_back(security):
    root, _changes = apply(guest(BIOS), launch_security=security)
    wanted = confidential.LAUNCH_SECURITY.parse({"launch_security": security})
    assert confidential.LAUNCH_SECURITY.read(root, wanted) == wanted


def test_another_type_of_launch_security_begins_anew():
    root, _changes = apply(guest(BIOS), launch_security={"type": "sev", "policy": "0x3", "session": "QUJD"})
    after, _changes = apply(root, launch_security={"type": "s390-pv"})
    assert dict(after.find("launchSecurity").attrib) == {"type": "s390-pv"} and not len(after.find("launchSecurity"))
