# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""spec: bad input gets one sentence with the option, the value and what is allowed."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.spec import parse
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.specs import complete


def make(**params):
    return parse(complete(dict({"name": "web01"}, **params)))


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"memory": "2 gigs"}, "memory: '2 gigs' is not allowed; a size is a number and one of B, KiB, MiB"),
        ({"memory": "0"}, "memory: '0' is not allowed; a size is a number and one of"),
        ({"memory": "0MiB"}, "memory: '0MiB' is not allowed; it must be at least 1KiB"),
        ({"memory": "2048"}, "memory: '2048' is not allowed"),
        ({"memory": "1500B"}, "memory: '1500B' is not allowed; memory is a whole number of KiB"),
        (
            {"vcpus": "10.5"},
            "vcpus: '10.5' is not allowed; it must be a whole number of virtual CPUs, between 1 and 65535",
        ),
        ({"vcpus": "0"}, "vcpus: '0' is not allowed"),
        ({"vcpus": "two"}, "vcpus: 'two' is not allowed"),
        ({"flavor": "m1.huge"}, "flavor: 'm1.huge' is not allowed; known flavors are m1.large, m1.medium"),
        ({"flavor": {"cpus": 2}}, "flavor.cpus: 2 is not allowed; a flavor has memory, vcpus, root_disk"),
        (
            {"flavor": "own", "flavors": {"own": "big"}},
            "flavors[own]: 'big' is not allowed; a flavor is a name, or a mapping",
        ),
        ({"flavor": "m1.small", "flavors": {"m1.small": {"memory": "much"}}}, "memory: 'much' is not allowed"),
        ({"name": "../etc"}, "name: '../etc' is not allowed; a new guest's name has letters"),
        ({"name": ""}, "name: '' is not allowed"),
        ({"uuid": "42"}, "uuid: '42' is not allowed; a UUID is needed"),
        ({"cpu": {"mode": "maximum", "model": "qemu64"}}, "cpu.model: 'qemu64' is not allowed"),
        ({"cpu": {"mode": "custom"}}, "cpu.mode: 'custom' is not allowed; it needs cpu.model"),
        ({"cpu": {"cores": -1}}, "cpu.cores: -1 is not allowed"),
        ({"interfaces": [{}]}, "interfaces[0]"),
        ({"interfaces": [{"network": "a", "bridge": "b"}]}, "either network or bridge"),
        (
            {"interfaces": [{"network": "a", "mac": "01:00:5e:00:00:01"}]},
            "interfaces[0].mac: '01:00:5e:00:00:01' is not allowed",
        ),
        ({"interfaces": [{"network": "a", "alias": "net0"}]}, "interfaces[0].alias: 'net0' is not allowed"),
        ({"disks": [{}]}, "a disk needs one of image, size, volume, source"),
        ({"disks": [{"size": "1"}]}, "disks[0].size: '1' is not allowed"),
        ({"disks": [{"size": "1KiB"}]}, "disks[0].size: '1KiB' is not allowed; it must be at least 1MiB"),
        (
            {"disks": [{"image": "a", "source": "/b"}]},
            "disks[0].source: '/b' is not allowed; disks[0].image is given already",
        ),
        ({"disks": [{"target": "../vda", "size": "1GiB"}]}, "disks[0].target: '../vda' is not allowed"),
        ({"disks": [{"device": "cdrom", "size": "1GiB"}]}, "disks[0].device: 'cdrom' is not allowed"),
        (
            {"disks": [{"size": "1GiB", "image_mode": "copy"}]},
            "disks[0].image_mode: 'copy' is not allowed; it needs disks[0].image",
        ),
        ({"image": "a", "disks": [{"image": "b"}]}, "image: 'a' is not allowed; disks[0] has an image already"),
        (
            {"serial_console": {"log_file": "rel"}},
            "serial_console.log_file: 'rel' is not allowed; an absolute path is needed",
        ),
        ({"vnc": {"port": "80"}}, "vnc.port: '80' is not allowed; a port between 5900 and 65535 or auto is needed"),
        ({"vnc": {"enabled": False, "listen": "::1"}}, "vnc.enabled: False is not allowed"),
        ({"wait_for": {"cidr": "here"}}, "wait_for.cidr: 'here' is not allowed; a network is needed"),
        ({"wait_for": {"console": "("}}, "wait_for.console: '(' is not allowed; a regular expression is needed"),
        ({"wait_for": {"agent": True}, "state": "stopped"}, "wait_for: 'stopped' is not allowed"),
        (
            {"wait_for": {"agent": True, "timeout": "soon"}},
            "wait_for.timeout: 'soon' is not allowed; a time is a number",
        ),
        ({"secure_boot": True}, "secure_boot: True is not allowed; it needs firmware: uefi"),
        ({"secure_boot": True, "firmware": "bios"}, "secure_boot: True is not allowed; it needs firmware: uefi"),
        ({"boot": []}, "boot: [] is not allowed; at least one kind of device is needed, and each may be named once"),
        ({"boot": ["hd", "hd"]}, "boot: ['hd', 'hd'] is not allowed"),
        (
            {"boot": ["hd"], "interfaces": [{"network": "a", "boot_order": 1}]},
            "boot: ['hd'] is not allowed; interfaces[0].boot_order is given; a guest boots either by kinds or by single devices",
        ),
        (
            {"disks": [{"target": "vda", "boot_order": -1}]},
            "disks[0].boot_order: -1 is not allowed; the first device to boot from has 1",
        ),
        (
            {"disks": [{"target": "vda", "boot_order": 2}], "interfaces": [{"network": "a", "boot_order": 2}]},
            "interfaces[0].boot_order: 2 is not allowed; disks[0].boot_order is the same",
        ),
        ({"direct_boot": {"cmdline": "quiet"}}, "direct_boot: {'cmdline': 'quiet', 'enabled': True} is not allowed"),
        (
            {"direct_boot": {"kernel": "vmlinuz"}},
            "direct_boot.kernel: 'vmlinuz' is not allowed; an absolute path is needed",
        ),
        ({"direct_boot": {"kernel": "/a", "initrd": "b"}}, "direct_boot.initrd: 'b' is not allowed"),
        ({"direct_boot": {"enabled": False, "kernel": "/a"}}, "direct_boot.enabled: False is not allowed"),
        (
            {"tpm": {"enabled": False, "version": "2.0"}},
            "tpm.enabled: False is not allowed; the other options of tpm need it",
        ),
        ({"tpm": {"model": "tpm-crb", "version": "1.2"}}, "tpm.version: '1.2' is not allowed; a tpm-crb is a TPM 2.0"),
        (
            {"launch_security": {"policy": "0x3"}},
            "launch_security.type: no value is given; one of sev, sev-snp, s390-pv is needed",
        ),
        ({"launch_security": {"type": "sev"}}, "launch_security.policy: no value is given; sev needs one, such as 0x3"),
        ({"launch_security": {"type": "sev", "policy": "all"}}, "launch_security.policy: 'all' is not allowed"),
        ({"launch_security": {"type": "sev", "policy": "-1"}}, "launch_security.policy: '-1' is not allowed"),
        (
            {"launch_security": {"type": "s390-pv", "policy": "1"}},
            "launch_security.policy: '1' is not allowed; s390-pv does not have it",
        ),
        (
            {"launch_security": {"type": "sev", "policy": "1", "vcek": True}},
            "launch_security.vcek: True is not allowed",
        ),
        (
            {"smbios": {"mode": "host", "system": {"serial": "1"}}},
            "smbios.mode: 'host' is not allowed; the other options of smbios need the mode sysinfo",
        ),
        ({"smbios": {"bios": {"date": "2026-12-31"}}}, "smbios.bios.date: '2026-12-31' is not allowed; a date such as"),
        (
            {"clock": {"offset": "utc", "timezone": "UTC"}},
            "clock.timezone: 'UTC' is not allowed; the offset utc has no",
        ),
        ({"clock": {"offset": "timezone"}}, "clock.offset: 'timezone' is not allowed; it needs clock.timezone"),
        (
            {"clock": {"timezone": "../etc"}},
            "clock.timezone: '../etc' is not allowed; the name of a time zone is needed",
        ),
        (
            {"clock": {"timers": [{"name": "rtc"}, {"name": "rtc"}]}},
            "clock.timers: 'rtc' is not allowed; each timer may be named once",
        ),
        (
            {"hyperv": {"mode": "passthrough", "spinlocks": 8191}},
            "hyperv.mode: 'passthrough' is not allowed; the other options of hyperv need the mode custom",
        ),
        (
            {"hyperv": {"enlightenments": ["stimer"]}},
            "hyperv.enlightenments: ['stimer'] is not allowed; stimer needs synic",
        ),
        (
            {"hyperv": {"spinlocks": 100}},
            "hyperv.spinlocks: 100 is not allowed; 4095 or more, or 0 for none, is needed",
        ),
        ({"hyperv": {"vendor_id": "a,b"}}, "hyperv.vendor_id: 'a,b' is not allowed; it has 12 characters at most"),
        ({"shutdown": {"timeout": "-3s"}}, "shutdown.timeout: '-3s' is not allowed"),
    ],
)
def test_bad_input(params, said):
    with pytest.raises(InvalidInput) as caught:
        make(**params)
    assert caught.value.message.startswith(said) or said in caught.value.message
    assert "\n" not in caught.value.message


def test_a_secret_is_not_in_the_message():
    with pytest.raises(InvalidInput) as caught:
        make(vnc={"password": "much-too-long"})
    assert "much-too-long" not in caught.value.message


def test_a_flavor_gives_what_is_not_given():
    found = make(flavor="m1.medium", image="debian", vcpus="4")
    assert found.wanted["memory"] == 4 * 1024 * 1024
    assert found.wanted["vcpus"] == 4
    assert found.disks[0].size == 40 * 1024**3
    assert found.wanted["flavor_name"] == "m1.medium"


def test_a_flavor_makes_no_root_disk_for_a_guest_that_brings_its_own():
    assert [disk.source for disk in make(flavor="m1.small", disks=[{"source": "/a.qcow2"}]).disks] == ["/a.qcow2"]


def test_own_flavors_go_before_the_classic_ones():
    own = {"m1.small": {"memory": "1GiB", "vcpus": 1}}
    assert make(flavor="m1.small", flavors=own).wanted["memory"] == 1024 * 1024


def test_only_what_is_given_is_wanted():
    assert make().wanted == {}
    assert make(tags=[]).wanted == {"tags": ()}
