# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tuning and devices on definitions that libvirt or other tools have completed, and what is refused of them."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _ranges, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import definition
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets import filesystems
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.spec import parse
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.specs import complete

GUEST = """\
<domain type='qemu'><name>g</name><memory unit='KiB'>262144</memory><currentMemory unit='KiB'>131072</currentMemory>
<vcpu current='2'>4</vcpu><os><type arch='x86_64' machine='pc-q35-10.0'>hvm</type></os>%s<devices>%s</devices></domain>"""
CELLS = """\
<cpu><numa><cell id='0' cpus='0-1' memory='131072' unit='KiB'><distances><sibling id='0' value='10'/></distances></cell>
<cell id='1' cpus='2-3' memory='128' unit='MiB'/></numa></cpu>"""
SHARE = "<filesystem type='mount'><driver type='virtiofs'/><source dir='/srv'/><target dir='data'/></filesystem>"
SHARED = "<memoryBacking><source type='file'/><access mode='shared'/></memoryBacking>"
PS2 = "<input type='mouse' bus='ps2'/><input type='keyboard' bus='ps2'/>"
# As libvirt 11.3 shows it in each q35 machine.
ITCO = "<watchdog model='itco' action='reset'/>"


def guest(system="", devices=""):
    return _xml.parse(GUEST % (system, devices))


def apply(root, **params):
    """Return the definition and the changes of a task; what it asks for is there afterwards."""
    found = parse(complete(dict(params, name="g")))
    after, changes = definition.overlay(root, found.wanted, purge=found.purge, removals=found.removals)
    definition.check(root, after, found.wanted)
    assert definition.overlay(after, found.wanted, purge=found.purge, removals=found.removals)[1] == ()
    return after, [change.option for change in changes]


def two_cells(first="128MiB", cpus="2-3", **cell):
    return {"cells": [{"cpus": "0-1", "memory": first}, dict(cell, cpus=cpus, memory="128MiB")]}


PCI = {"pci": "0000:01:00.0"}
SHARE_A = {"target": "a", "source": "/srv"}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (
            {"cpu_pinning": {"vcpus": [{"vcpu": 4, "cpus": "0"}]}},
            "cpu_pinning.vcpus: 4 is not allowed; the guest has the virtual CPUs 0 to 3",
        ),
        (
            {"cpu_pinning": {"vcpus": [{"vcpu": 0, "cpus": "0"}, {"vcpu": 0, "cpus": "1"}]}},
            "cpu_pinning.vcpus[1].vcpu: 0 is not allowed; it is pinned by another item already",
        ),
        (
            {"cpu_pinning": {"emulator": "3-1"}},
            "cpu_pinning.emulator: '3-1' is not allowed; numbers up to 16383 and ranges of them are needed, such as 0-3,8",
        ),
        (
            {"cpu_limits": {"quota": "100us"}},
            "cpu_limits.quota: '100us' is not allowed; a time is a number and one of ms, s, m, min, h, d, such as 90s",
        ),
        (
            {"cpu_limits": {"period": "2s"}},
            "cpu_limits.period: '2s' is not allowed; 1ms to 1s, or 0 for none, is needed",
        ),
        (
            {"cpu_limits": {"shares": -1}},
            "cpu_limits.shares: -1 is not allowed; a weight of 262144 at most, or 0 for the usual one, is needed",
        ),
        ({"iothreads": -1}, "iothreads: -1 is not allowed; a number of 0 to 16383 is needed"),
        (
            {"numa": two_cells(first="64MiB")},
            "numa.cells: '192MiB' is not allowed; the memory of the cells together is to be that of the guest, 256MiB",
        ),
        (
            {"numa": two_cells(cpus="2")},
            "numa.cells: '0-2' is not allowed; the CPUs of the cells together are to be those of the guest, 0-3",
        ),
        (
            {"numa": two_cells(cpus="1-3")},
            "numa.cells[1].cpus: '1-3' is not allowed; CPU 1 is in another cell already",
        ),
        (
            {"numa": two_cells(nodeset="all")},
            "numa.cells[1].nodeset: 'all' is not allowed; numbers up to 16383 and ranges of them are needed, such as 0-3,8",
        ),
        ({"numa": {"mode": "strict"}}, "numa.mode: 'strict' is not allowed; it needs numa.nodeset"),
        ({"numa": {"mode": "strict", "nodeset": ""}}, "numa.mode: 'strict' is not allowed; it needs numa.nodeset"),
        (
            {"huge_pages": {"size": "2"}},
            "huge_pages.size: '2' is not allowed; a size is a number and one of "
            "B, KiB, MiB, GiB, TiB, PiB, KB, MB, GB, TB, PB, such as 2GiB",
        ),
        ({"huge_pages": {"nodes": "0"}}, "huge_pages.nodes: '0' is not allowed; it needs huge_pages.size"),
        (
            {"huge_pages": {"enabled": False, "size": "2MiB"}},
            "huge_pages.enabled: False is not allowed; the other options of huge_pages need it to be enabled",
        ),
        (
            {"filesystems": [SHARE_A], "memory_backing": {"access": "private"}},
            "memory_backing.access: 'private' is not allowed; filesystems need it to be shared",
        ),
        (
            {"filesystems": [SHARE_A, dict(SHARE_A, source="/b")]},
            "filesystems[1]: 'a' is not allowed; each device may be named once",
        ),
        (
            {"filesystems": [{"target": "a"}]},
            "filesystems[0]: {'target': 'a'} is not allowed; source is needed",
        ),
        (
            {"filesystems": [{"target": "a", "source": "srv"}]},
            "filesystems[0].source: 'srv' is not allowed; an absolute path is needed",
        ),
        (
            {"filesystems": [{"target": "a" * 37, "source": "/srv"}]},
            f"filesystems[0].target: '{'a' * 37}' is not allowed; a tag of 1 to 36 letters, digits and . _ : / @ + - is needed",
        ),
        (
            {"filesystems": [{"state": "absent"}]},
            "filesystems[0]: {'target': None, 'source': None, 'readonly': None, 'state': 'absent'} is not allowed; "
            "a device that is to be absent is named by its target",
        ),
        (
            {"host_devices": [{"pci": "01:00"}]},
            "host_devices[0].pci: '01:00' is not allowed; the address of a PCI device is needed, such as 0000:01:00.0",
        ),
        (
            {"host_devices": [{"pci": "0000:01:20.0"}]},
            "host_devices[0].pci: '0000:01:20.0' is not allowed; the address of a PCI device is needed, such as 0000:01:00.0",
        ),
        (
            {"host_devices": [PCI, {"pci": "01:00.0"}]},
            "host_devices[1]: '0000:01:00.0' is not allowed; each device may be named once",
        ),
        (
            {"host_devices": [dict(PCI, usb="1/4")]},
            "host_devices[0]: {'pci': '0000:01:00.0', 'usb': '1/4'} is not allowed; "
            "a device of the host is named by one of pci, usb, mdev",
        ),
        (
            {"host_devices": [{"usb": "mouse"}]},
            "host_devices[0].usb: 'mouse' is not allowed; vendor:product, such as 046d:c52b, or bus/device, such as 1/4, is needed",
        ),
        (
            {"host_devices": [{"mdev": "1"}]},
            "host_devices[0].mdev: '1' is not allowed; the UUID of a mediated device is needed",
        ),
        (
            {"host_devices": [{"usb": "1/4", "managed": True}]},
            "host_devices[0].managed: True is not allowed; only PCI devices have a driver to be taken from",
        ),
        (
            {"inputs": [{"type": "tablet"}, {"type": "tablet"}]},
            "inputs[1]: 'tablet on usb' is not allowed; each device may be named once",
        ),
        (
            {"video": {"model": "cirrus", "vram": "16MiB"}},
            "video.vram: '16MiB' is not allowed; the models that have it are vga, qxl, bochs",
        ),
        (
            {"video": {"model": "vga", "heads": 2}},
            "video.heads: 2 is not allowed; the models that have it are virtio, qxl",
        ),
        (
            {"video": {"model": "vga", "vram": "3MiB"}},
            "video.vram: '3MiB' is not allowed; 1MiB, 2MiB, 4MiB or another power of two of MiB is needed",
        ),
        ({"video": {"heads": 17}}, "video.heads: 17 is not allowed; a video device has 1 to 16 heads"),
        (
            {"vsock": {"cid": "2"}},
            "vsock.cid: '2' is not allowed; auto or a number of 3 to 4294967294 is needed",
        ),
        (
            {"vsock": {"enabled": False, "cid": "3"}},
            "vsock.enabled: False is not allowed; the other options of vsock need it to be enabled",
        ),
        (
            {"memory_balloon": {"model": "none", "stats_period": "5s"}},
            "memory_balloon.model: 'none' is not allowed; the other options of memory_balloon need a balloon",
        ),
        (
            {"memory_balloon": {"stats_period": "500ms"}},
            "memory_balloon.stats_period: '500ms' is not allowed; whole seconds, or 0 for none, are needed",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(params, said):
    with pytest.raises(InvalidInput) as caught:
        apply(guest(), **params)
    assert caught.value.message == said


def test_a_size_that_cells_do_not_follow_is_refused():
    for params, said in (
        ({"max_memory": "512MiB"}, "numa.cells: '256MiB' is not allowed; the memory of the cells together"),
        ({"max_vcpus": "5"}, "numa.cells: '0-3' is not allowed; the CPUs of the cells together"),
    ):
        with pytest.raises(InvalidInput) as caught:
            apply(guest(CELLS), **params)
        assert caught.value.message.startswith(said)
    assert apply(guest(CELLS), memory="64MiB", vcpus="1")[1] == ["memory", "vcpus"]


def test_memory_that_was_plugged_in_is_in_no_cell():
    dimm = "<memory model='dimm'><target><size unit='MiB'>64</size><node>0</node></target></memory>"
    root = guest(CELLS.replace("131072", "65536"), dimm)
    assert apply(root, memory="64MiB")[1] == ["memory"]


def test_cells_keep_what_nobody_asked_about():
    after, changes = apply(guest(CELLS), numa=two_cells(nodeset="0"))
    assert changes == ["numa.cells[1].nodeset"]
    assert after.find("cpu/numa/cell[@id='0']/distances/sibling") is not None
    assert after.find("numatune/memnode[@cellid='1']").attrib == {"cellid": "1", "mode": "strict", "nodeset": "0"}
    after, changes = apply(after, numa={"cells": []})
    assert changes == ["numa.cells"] and after.find("numatune") is None and after.find("cpu/numa") is None


def test_one_cell_more_is_a_change():
    one = [{"cpus": "0-3", "memory": "256MiB"}]
    after, changes = apply(apply(guest(), numa={"cells": one})[0], numa=two_cells())
    assert changes == ["numa.cells"] and len(after.findall("cpu/numa/cell")) == 2


def test_a_filesystem_brings_shared_memory_unless_it_is_there():
    after, changes = apply(guest(), filesystems=[SHARE_A])
    assert changes == ["memory_backing.access", "filesystems[a]"]
    assert after.find("memoryBacking/source").get("type") == "memfd"
    assert apply(guest(SHARED), filesystems=[SHARE_A])[1] == ["filesystems[a]"]
    for pages, source in ((True, None), (False, "memfd")):
        after, _changes = apply(guest(), filesystems=[SHARE_A], huge_pages={"enabled": pages})
        assert _xml.get(after, "memoryBacking/source/@type") == source


def test_memory_can_not_stop_being_shared_while_there_are_filesystems():
    with pytest.raises(InvalidInput) as caught:
        apply(guest(SHARED, SHARE), memory_backing={"access": "private"})
    assert caught.value.message == (
        "memory_backing.access: 'private' is not allowed; the guest's filesystems need it to be shared"
    )
    gone = [{"target": "data", "state": "absent"}]
    assert apply(guest(SHARED, SHARE), memory_backing={"access": "private"}, filesystems=gone)[1] == [
        "filesystems[data]",
        "memory_backing.access",
    ]


@pytest.mark.parametrize(("system", "plugged"), [(SHARED, 1), ("", 0)])
def test_a_filesystem_is_plugged_in_where_memory_is_shared(system, plugged):
    wanted = {"filesystems": filesystems.FACET.parse({"filesystems": [SHARE_A]})["filesystems"]}
    after, _changes = apply(guest(system), filesystems=[SHARE_A])
    actions = filesystems.FACET.hotplug(guest(system), wanted, after)
    assert [action.subject for action in actions] == ["filesystems[a]"] * plugged


def test_the_watchdog_that_is_built_in_is_another_one():
    assert apply(guest("", ITCO), watchdog={"enabled": False})[1] == []
    after, changes = apply(guest("", ITCO), watchdog={"action": "poweroff"})
    assert changes == ["watchdog.action", "watchdog.enabled"]
    assert {found.get("model"): found.get("action") for found in after.iter("watchdog")} == {
        "itco": "poweroff",
        "i6300esb": "poweroff",
    }
    after, changes = apply(after, watchdog={"enabled": False})
    assert changes == ["watchdog.enabled"] and [found.get("model") for found in after.iter("watchdog")] == ["itco"]


def test_inputs_that_are_built_in_stay():
    root, changes = apply(guest("", PS2), inputs=[{"type": "tablet"}, {"type": "keyboard"}])
    assert changes == ["inputs[0]", "inputs[1]"]
    after, changes = apply(root, inputs=[{"type": "tablet"}], purge=["inputs"])
    assert changes == ["inputs[keyboard on usb]"]
    assert [found.get("bus") for found in after.iter("input")] == ["ps2", "ps2", "usb"]
    assert apply(after, inputs=[{"type": "tablet", "state": "absent"}])[1] == ["inputs[tablet on usb]"]


def test_host_devices_are_found_again_however_they_are_written():
    written = """\
<hostdev mode='subsystem' type='pci' managed='no'>
  <source><address domain='0x0000' bus='0x3b' slot='0x00' function='0x1'/></source></hostdev>
<hostdev mode='subsystem' type='usb'><source><vendor id='0x046d'/><product id='0xc52b'/></source></hostdev>
<hostdev mode='subsystem' type='usb'><source><address bus='1' device='10'/></source></hostdev>
<hostdev mode='subsystem' type='mdev' model='vfio-pci'>
  <source><address uuid='4b20d080-1b54-4048-85b3-a6a62d165c01'/></source></hostdev>"""
    items = [
        {"pci": "3B:00.1"},
        {"usb": "046D:C52B"},
        {"usb": "001/010"},
        {"mdev": "4B20D080-1b54-4048-85b3-a6a62d165c01"},
    ]
    assert apply(guest("", written), host_devices=items, purge=["host_devices"])[1] == []
    gone = [dict(item, state="absent") for item in items[:3]]
    after, changes = apply(guest("", written), host_devices=gone)
    assert changes == ["host_devices[0000:3b:00.1]", "host_devices[046d:c52b]", "host_devices[1/10]"]
    assert [device.get("type") for device in after.iter("hostdev")] == ["mdev"]


def test_another_model_begins_anew():
    device = "<video><model type='qxl' ram='65536' vram='65536' vgamem='16384' heads='1'/><address type='pci'/></video>"
    after, changes = apply(guest("", device), video={"model": "virtio", "heads": 2})
    assert changes == ["video.model", "video.heads"]
    assert dict(after.find("devices/video/model").attrib) == {"type": "virtio", "heads": "2"}
    sound = "<sound model='ich9'><codec type='micro'/><address type='pci'/></sound>"
    after, _changes = apply(guest("", sound), sound={"model": "usb"})
    assert len(after.find("devices/sound")) == 0
    assert apply(guest("", sound), sound={"enabled": True})[1] == []


def test_fewer_io_threads_leave_the_first():
    listed = "<iothreads>2</iothreads><iothreadids><iothread id='4'/><iothread id='7'/></iothreadids>"
    after, changes = apply(guest(listed), iothreads=1)
    assert changes == ["iothreads"] and [thread.get("id") for thread in after.iter("iothread")] == ["4"]


def test_panic_devices_are_what_the_architecture_has():
    for arch, model in (("x86_64", "isa"), ("s390x", "s390"), ("ppc64le", "pseries"), ("aarch64", "pvpanic")):
        root = _xml.parse(GUEST.replace("x86_64", arch) % ("", ""))
        assert apply(root, panic={"enabled": True})[0].find("devices/panic").get("model") == model


@pytest.mark.parametrize(
    ("given", "written"),
    [("0", "0"), ("3,1,2", "1-3"), ("0-1, 2-5", "0-5"), ("8,0-3,2", "0-3,8"), ("1,3,5-5", "1,3,5")],
)
def test_sets_of_numbers_have_one_form(given, written):
    assert _ranges.parse_ranges("o", given) == written
    assert _ranges.to_text(_ranges.numbers(written)) == written


@pytest.mark.parametrize("bad", ["", "a", "1-", "-1", "1,,2", "^3", "99999", "5-4"])
def test_other_text_is_no_set_of_numbers(bad):
    with pytest.raises(InvalidInput):
        _ranges.parse_ranges("o", bad)


def test_a_guest_that_is_to_have_no_random_number_generator_has_none():
    device = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
    after, changed = apply(guest(devices=device * 2), rng=False)
    assert changed == ["rng"] and after.find("devices/rng") is None
