# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An option changes its own part of a definition and nothing else, whatever made that guest; a second run changes nothing."""

from __future__ import annotations

import copy
import functools
import os
from collections import Counter

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import definition
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import KvmfleetError
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.spec import parse
from ansible_collections.kvmfleet.compute.tests.unit import foreign
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.specs import complete
from lxml import etree

SCHEMA = "/usr/share/libvirt/schemas/domain.rng"
# Each test takes each nth definition, beginning at another one; KVMFLEET_EVERY=1 takes all.
EVERY = int(os.environ.get("KVMFLEET_EVERY", "6"))

MEMORY = ["memory", "currentMemory"]
CPUS = ["vcpu", "vcpus"]
BACKING = ["memoryBacking/source", "memoryBacking/access", "memoryBacking/locked"]
SCREEN = ["devices/video[model/@primary='yes']", "devices/video[not(../video/model/@primary='yes')][1]"]
MODE = [
    "cpu/@mode",
    "cpu/@match",
    "cpu/@check",
    "cpu/@migratable",
    "cpu/@deprecated_features",
    "cpu/model",
    "cpu/vendor",
]
FIRMWARE = ["os/loader", "os/nvram", "os/firmware", "os/@firmware"]
VNC = "devices/graphics[@type='vnc'][1]"
CONSOLE = ["devices/serial[1]/log", "devices/console"]

# By name: what a task asks for, and the XPaths of what may be different afterwards.
PARTS = {
    "title": ({"title": "kvmfleet"}, ["title"]),
    "description": ({"description": "kvmfleet"}, ["description"]),
    "tags": (
        {"tags": ["kvmfleet"], "delete_protection": True},
        ["metadata/*[namespace-uri()='urn:kvmfleet:compute:1']"],
    ),
    "memory": ({"memory": "48MiB"}, MEMORY),
    "more memory": ({"memory": "64TiB"}, MEMORY),
    "max_memory": ({"max_memory": "65TiB"}, MEMORY),
    "vcpus": ({"vcpus": "3"}, CPUS),
    "max_vcpus": ({"max_vcpus": "300"}, CPUS),
    "huge pages": ({"huge_pages": {"enabled": True}}, ["memoryBacking/hugepages"]),
    "no huge pages": ({"huge_pages": {"enabled": False}}, ["memoryBacking/hugepages"]),
    "size of huge pages": ({"huge_pages": {"size": "16MiB"}}, ["memoryBacking/hugepages/page[1]"]),
    "shared memory": ({"memory_backing": {"access": "shared"}}, BACKING),
    "memory of files": ({"memory_backing": {"source": "file"}}, BACKING[:1]),
    "locked memory": ({"memory_backing": {"locked": True}}, BACKING[2:]),
    "iothreads": ({"iothreads": 7}, ["iothreads"]),
    "pins": ({"cpu_pinning": {"vcpus": [{"vcpu": 0, "cpus": "5"}]}}, ["cputune/vcpupin"]),
    "emulator pin": ({"cpu_pinning": {"emulator": "5"}}, ["cputune/emulatorpin"]),
    "limits": ({"cpu_limits": {"shares": 77}}, ["cputune/shares"]),
    "uefi": ({"firmware": "uefi"}, FIRMWARE),
    "bios": ({"firmware": "bios"}, FIRMWARE),
    "boot": ({"boot": ["network", "hd"]}, ["os/boot", "devices/*/boot"]),
    "boot menu": ({"boot_menu": True}, ["os/bootmenu/@enable"]),
    "direct boot": ({"direct_boot": {"kernel": "/k"}}, ["os/kernel"]),
    "no direct boot": ({"direct_boot": {"enabled": False}}, ["os/kernel", "os/initrd", "os/cmdline", "os/shim"]),
    "smbios": (
        {"smbios": {"system": {"serial": "k"}}},
        ["os/smbios/@mode", "sysinfo[@type='smbios']/@type", "sysinfo[@type='smbios']/system/entry[@name='serial']"],
    ),
    "hyperv": ({"hyperv": {"spinlocks": 9000}}, ["features/hyperv/spinlocks", "features/hyperv/@mode"]),
    "host-model": ({"cpu": {"mode": "host-model"}}, MODE),
    "model": ({"cpu": {"model": "EPYC"}}, MODE),
    "topology": (
        {"vcpus": "9", "max_vcpus": "9", "cpu": {"sockets": 9, "cores": 1, "threads": 1}},
        [*CPUS] + [f"cpu/topology/@{n}" for n in ("sockets", "cores", "threads")],
    ),
    "memory of nodes": ({"numa": {"mode": "interleave", "nodeset": "0"}}, ["numatune/memory"]),
    "clock": (
        {"clock": {"offset": "localtime"}},
        [f"clock/@{name}" for name in ("offset", "timezone", "adjustment", "basis", "start")],
    ),
    "timer": (
        {"clock": {"timers": [{"name": "rtc", "tickpolicy": "delay"}]}},
        ["clock/timer[@name='rtc']/@tickpolicy", "clock/timer[@name='rtc']/catchup", "clock/timer[@name='rtc']/@name"],
    ),
    "console": ({"serial_console": {"log_file": "/k"}}, [*CONSOLE, "devices[not(serial/@x)]/serial[1]/@type"]),
    "vnc": (
        {"vnc": {"listen": "192.0.2.9", "password": "k"}},
        [f"{VNC}/@{name}" for name in ("listen", "passwd", "socket", "type", "port", "autoport")] + [f"{VNC}/listen"],
    ),
    "no vnc": ({"vnc": {"enabled": False}}, ["devices/graphics[@type='vnc']"]),
    "sound": ({"sound": {"model": "usb"}}, ["devices/sound[1]"]),
    "no sound": ({"sound": {"enabled": False}}, ["devices/sound"]),
    "video": ({"video": {"model": "bochs"}}, SCREEN),
    "watchdog": (
        {"watchdog": {"model": "ib700", "action": "pause"}},
        ["devices/watchdog[@model!='itco'][1]", "devices/watchdog/@action"],
    ),
    "panic": ({"panic": {"model": "hyperv"}}, ["devices/panic[1]/@model", "devices/panic[1]/address"]),
    "page reporting": (
        {"memory_balloon": {"free_page_reporting": True}},
        ["devices/memballoon/@freePageReporting", "devices/memballoon[not(*)]"],
    ),
    "no balloon": ({"memory_balloon": {"model": "none"}}, ["devices/memballoon"]),
    "vsock": ({"vsock": {"cid": "77"}}, ["devices/vsock/cid", "devices/vsock/@model"]),
    "rng": ({"rng": True}, ["devices/rng"]),
    "no rng": ({"rng": False}, ["devices/rng"]),
    "agent": ({"agent": True}, ["devices/channel[target/@name='org.qemu.guest_agent.0']"]),
    "ports": (
        {"pci_root_ports": 20},
        ["devices/controller[@model='pcie-root-port']", "devices/controller[@model='pcie-root']"],
    ),
    "tpm": (
        {"tpm": {"persistent_state": True}},
        ["devices/tpm[1]/backend/@persistent_state"],
    ),
    "tpm of version 1.2": (
        {"tpm": {"version": "1.2", "model": "tpm-tis"}},
        [
            "devices/tpm[1]/@model",
            "devices/tpm[1]/address",
            "devices/tpm[1]/backend/@version",
            "devices/tpm[1]/backend/active_pcr_banks",
        ],
    ),
    "launch security": ({"launch_security": {"type": "s390-pv"}}, ["launchSecurity"]),
    "filesystem": (
        {"filesystems": [{"target": "kvmfleet", "source": "/k"}]},
        ["devices/filesystem[target/@dir='kvmfleet']", *BACKING],
    ),
    "input": ({"inputs": [{"type": "keyboard", "bus": "virtio"}]}, ["devices/input[@type='keyboard'][@bus='virtio']"]),
}


def overlaid(root, wanted):
    """Return the definition with what is wanted, and whether it changed; as definition.overlay, without what is not wanted."""
    after, changed = copy.deepcopy(root), False
    for facet in definition.FACETS:
        given = facet.given(wanted)
        if given and facet.changes(after, given):
            facet.write(after, given)
            changed = True
    return after, changed


def without(root, paths, made):
    """Return the text of a definition without its nodes at some XPaths, without empty elements, and without devices of `made`."""
    rest = copy.deepcopy(root)
    # All are found before the first is removed, since a path may count.
    for node in [node for path in paths for node in rest.xpath(path)]:
        if isinstance(node, etree._Element):
            if node.getparent() is not None:
                node.getparent().remove(node)
        else:
            node.getparent().attrib.pop(node.attrname, None)
    for tag in made:
        _xml.drop(rest, f"devices/{tag}")
    for element in list(rest.iter(etree.Element))[::-1]:
        empty = not len(element) and not element.attrib and not (element.text or "").strip()
        # Some elements say something by being there.
        if empty and (
            element.tag == "hyperv" or element.getparent() not in (None, rest.find("devices"), rest.find("features"))
        ):
            element.getparent().remove(element)
    return etree.tostring(rest)


def _is_valid(root):
    return _schema().validate(etree.fromstring(_xml.to_text(root)))


@functools.cache
def _schema():
    return etree.RelaxNG(file=SCHEMA)


def chosen(name):
    found = list(foreign.read().definitions.items())
    return found[sorted(PARTS).index(name) % EVERY :: EVERY] if name in PARTS else found


DEVICES = ("vsock", "tpm", "sound", "panic", "graphics", "video", "watchdog", "memballoon", "serial", "console")


@pytest.mark.parametrize("name", PARTS)
def test_an_option_changes_its_own_part_once(name):
    params, paths = PARTS[name]
    wanted = parse(complete(dict(params, name="foreign"))).wanted
    counts, validated = Counter(), 0
    for label, root in chosen(name):
        try:
            after, changed = overlaid(root, wanted)
            definition.check(root, after, wanted)
        except KvmfleetError as exc:
            counts[exc.message.partition(":")[0]] += 1
            continue
        counts[changed] += 1
        # A device that was not there is new as a whole.
        made = [
            tag
            for tag in DEVICES
            if root.find(f"devices/{tag}") is None or (tag == "graphics" and root.find(VNC) is None)
        ]
        made = [tag for tag in made if tag != "graphics" or name == "vnc"]
        assert without(after, paths, made) == without(root, paths, made), label
        again, twice = overlaid(after, wanted)
        assert not twice and etree.tostring(again) == etree.tostring(after), label
        if changed and validated < 5 and _is_valid(root):
            assert _is_valid(after), (label, _schema().error_log)
            validated += 1
    print(name, dict(counts), validated)
    assert counts[True]
    # Most foreign guests are of a machine without PCIe.
    assert counts[True] + counts[False] >= 0.9 * (sum(counts.values()) - counts["pci_root_ports"]), counts


def test_an_interface_that_moves_changes_what_it_is_on_alone():
    parts = ["@type", "source", "virtualport", "ip", "route", "portForward", "backend", "@managed", "driver"]
    count = 0
    for label, root in list(foreign.read().definitions.items())[::2]:
        for mac in {element.get("address") for element in root.findall("devices/interface/mac")}:
            wanted = parse(complete({"name": "foreign", "interfaces": [{"mac": mac, "bridge": "br-kf"}]})).wanted
            if len(root.findall(f"devices/interface/mac[@address='{mac}']")) != 1:
                continue
            after, changed = overlaid(root, wanted)
            paths = [f"devices/interface[mac/@address='{mac}']/{part}" for part in parts]
            assert changed and without(after, paths, ()) == without(root, paths, ()), label
            assert not overlaid(after, wanted)[1], label
            count += 1
    assert count > 100
