# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a facet does where an element is there twice or in another form, and what goes and stays with a value that changes."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import KvmfleetError
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._domain.test_devices import apply, guest
from lxml import etree

VIDEOS = "<video><model type='qxl' ram='65536'/></video><video><model type='virtio' heads='1' primary='yes'/></video>"


def texts(root, path):
    return [etree.tostring(element).decode() for element in root.findall(path)]


def test_of_two_screens_the_primary_one_is_meant():
    after, changed = apply(guest(devices=VIDEOS), video={"model": "cirrus"})
    assert changed == ["video.model"]
    assert texts(after, "devices/video") == [
        '<video><model type="qxl" ram="65536"/></video>',
        '<video><model primary="yes" type="cirrus"/></video>',
    ]
    assert apply(guest(devices=VIDEOS), video={"model": "virtio"})[1] == []
    with pytest.raises(KvmfleetError, match="video.model: 'none' is not allowed; the guest has 2 video devices"):
        apply(guest(devices=VIDEOS), video={"model": "none"})


def test_without_a_primary_one_the_first_screen_is_meant():
    after, _changed = apply(guest(devices=VIDEOS.replace(" primary='yes'", "")), video={"model": "virtio"})
    assert texts(after, "devices/video/model") == ['<model type="virtio"/>', '<model type="virtio" heads="1"/>']


def test_the_log_of_another_serial_port_is_not_that_of_the_console():
    ports = (
        "<serial type='pty'><target port='0'/></serial><serial type='pty'><log file='/b'/><target port='1'/></serial>"
    )
    after, changed = apply(guest(devices=ports), serial_console={"log_file": "/b"})
    assert changed == ["serial_console.log_file"]
    assert [_xml.get(port, "log/@file") for port in after.findall("devices/serial")] == ["/b", "/b"]


def test_cpus_that_are_listed_one_by_one_are_counted():
    listed = "<vcpus>{}</vcpus>".format(
        "".join(
            f"<vcpu id='{n}' enabled='{'yes' if n < 3 else 'no'}' hotpluggable='{'yes' if n else 'no'}'/>"
            for n in range(4)
        )
    )
    assert apply(guest(listed), vcpus="3")[1] == []
    after, changed = apply(guest(listed), vcpus="2")
    assert changed == ["vcpus"] and after.find("vcpus") is None and _xml.get(after, "vcpu/@current") == "2"
    assert apply(guest(listed), memory="64MiB")[0].find("vcpus") is not None


@pytest.mark.parametrize(
    "console",
    [
        "<graphics type='vnc' socket='/s'><listen type='socket' socket='/s'/></graphics>",
        "<graphics type='vnc'><listen type='none'/></graphics>",
    ],
)
def test_a_vnc_console_without_an_address_gets_one_or_keeps_what_it_has(console):
    assert apply(guest(devices=console), vnc={"enabled": True})[1] == []
    after, _changed = apply(guest(devices=console), vnc={"listen": "127.0.0.1", "port": "5901"})
    assert texts(after, "devices/graphics") == [
        '<graphics type="vnc" listen="127.0.0.1" autoport="no" port="5901"><listen type="address" address="127.0.0.1"/></graphics>'
    ]
    with pytest.raises(KvmfleetError, match="vnc.port: '5901' is not allowed; the guest's vnc console listens"):
        apply(guest(devices=console), vnc={"port": "5901"})


NINE_P = "<filesystem type='mount' accessmode='mapped'><source dir='/old'/><target dir='old'/></filesystem>"


def test_a_directory_by_9p_is_taken_away_like_others():
    assert apply(guest(devices=NINE_P), filesystems=[{"target": "old", "state": "absent"}])[1] == ["filesystems[old]"]
    assert apply(guest(devices=NINE_P), filesystems=[], purge=["filesystems"])[1] == ["filesystems[old]"]
    after, _changed = apply(guest(devices=NINE_P), filesystems=[{"target": "old", "source": "/new"}])
    assert texts(after, "devices/filesystem") == [
        '<filesystem type="mount" accessmode="mapped"><source dir="/new"/><target dir="old"/></filesystem>'
    ]


def test_an_image_in_place_of_a_directory_is_not_changed():
    image = "<filesystem type='file'><source file='/i'/><target dir='old'/></filesystem>"
    with pytest.raises(KvmfleetError, match=r"filesystems\[old\].source: the guest has no directory"):
        apply(guest(devices=image), filesystems=[{"target": "old", "source": "/new"}])


def test_the_vendor_goes_with_the_model_that_it_is_of():
    cpu = "<cpu match='exact'><model>Skylake</model><vendor>Intel</vendor><feature policy='require' name='vmx'/></cpu>"
    after, _changed = apply(guest(cpu), cpu={"mode": "host-model"})
    assert texts(after, "cpu") == ['<cpu mode="host-model"><feature policy="require" name="vmx"/></cpu>']
    after, _changed = apply(guest(cpu), cpu={"model": "EPYC"})
    assert after.find("cpu/vendor") is None and after.findtext("cpu/model") == "EPYC"
    assert apply(guest(cpu), cpu={"model": "Skylake", "sockets": 4})[0].findtext("cpu/vendor") == "Intel"


def test_the_limits_of_catching_up_go_with_it():
    clock = (
        "<clock offset='utc'><timer name='rtc' tickpolicy='catchup' track='guest'><catchup limit='9'/></timer></clock>"
    )
    after, _changed = apply(guest(clock), clock={"timers": [{"name": "rtc", "tickpolicy": "delay"}]})
    assert texts(after, "clock/timer") == ['<timer name="rtc" tickpolicy="delay" track="guest"/>']
    after, _changed = apply(guest(clock), clock={"timers": [{"name": "rtc", "track": "wall"}]})
    assert after.find("clock/timer/catchup") is not None


def test_a_panic_device_of_another_model_has_another_place():
    panic = "<panic model='isa'><address type='isa' iobase='0x505'/></panic>"
    assert texts(apply(guest(devices=panic), panic={"model": "hyperv"})[0], "devices/panic") == [
        '<panic model="hyperv"/>'
    ]
    assert apply(guest(devices=panic), panic={"model": "isa"})[1] == []


MAC = "52:54:00:00:00:01"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "<source network='n' portgroup='p'/><virtualport><parameters interfaceid='i'/></virtualport>",
            "<source bridge='br0'/>",
        ),
        (
            "<virtualport type='openvswitch'/><vlan><tag id='42'/></vlan><filterref filter='f'/>",
            "<virtualport type='openvswitch'/><vlan><tag id='42'/></vlan><filterref filter='f'/><source bridge='br0'/>",
        ),
        (
            "<ip address='192.0.2.5'/><route address='192.0.2.0' gateway='192.0.2.1'/><backend type='passt'/>",
            "<source bridge='br0'/>",
        ),
    ],
)
def test_an_interface_that_moves_leaves_what_the_bridge_does_not_have(before, after):
    device = f"<interface type='network'><mac address='{MAC}'/>{before}</interface>"
    found, _changed = apply(guest(devices=device), interfaces=[{"mac": MAC, "bridge": "br0"}])
    wanted = _xml.parse(f"<interface type='bridge'><mac address='{MAC}'/>{after}</interface>")
    assert texts(found, "devices/interface") == [etree.tostring(wanted).decode()]


CELLS = """<cpu><numa>
<cell id='0' cpus='0-1' memory='131072'><distances><sibling id='0' value='10'/><sibling id='1' value='20'/></distances></cell>
<cell id='1' cpus='2-3' memory='131072'><distances><sibling id='1' value='10'/></distances></cell>
<interconnects><latency initiator='0' target='0' type='access' value='5'/><latency initiator='0' target='1' type='access' value='9'/>
</interconnects></numa></cpu>
<numatune><memnode cellid='0' mode='preferred' nodeset='0'/><memnode cellid='1' mode='strict' nodeset='1'/></numatune>"""


def test_what_refers_to_a_cell_goes_with_it_and_the_rest_stays():
    after, _changed = apply(guest(CELLS), numa={"cells": [{"cpus": "0-3", "memory": "256MiB", "nodeset": "0"}]})
    assert texts(after, "cpu/numa/cell/distances/sibling") == ['<sibling id="0" value="10"/>']
    assert texts(after, "cpu/numa/interconnects/*") == ['<latency initiator="0" target="0" type="access" value="5"/>']
    assert texts(after, "numatune/memnode") == ['<memnode cellid="0" mode="preferred" nodeset="0"/>']


def test_the_mode_of_a_cell_stays_when_its_nodes_change():
    cells = [{"cpus": "0-1", "memory": "128MiB", "nodeset": "1"}, {"cpus": "2-3", "memory": "128MiB", "nodeset": "1"}]
    after, _changed = apply(guest(CELLS), numa={"cells": cells})
    assert [(node.get("mode"), node.get("nodeset")) for node in after.findall("numatune/memnode")] == [
        ("preferred", "1"),
        ("strict", "1"),
    ]


def test_a_tpm_of_version_1_2_has_no_banks():
    tpm = "<tpm model='tpm-tis'><backend type='emulator' version='2.0'><active_pcr_banks><sha256/></active_pcr_banks></backend></tpm>"
    after, _changed = apply(guest(devices=tpm), tpm={"version": "1.2"})
    assert texts(after, "devices/tpm/backend") == ['<backend type="emulator" version="1.2"/>']
    assert (
        apply(guest(devices=tpm), tpm={"persistent_state": True})[0].find("devices/tpm/backend/active_pcr_banks")
        is not None
    )
    with pytest.raises(KvmfleetError, match="tpm.version: '1.2' is not allowed; a tpm-crb is a TPM 2.0"):
        apply(guest(devices=tpm.replace("tpm-tis", "tpm-crb")), tpm={"version": "1.2"})


def test_a_balloon_keeps_its_model_and_driver():
    balloon = "<memballoon model='virtio-transitional'><driver iommu='on'/></memballoon>"
    after, _changed = apply(guest(devices=balloon), memory_balloon={"free_page_reporting": True})
    assert texts(after, "devices/memballoon") == [
        '<memballoon model="virtio-transitional" freePageReporting="on"><driver iommu="on"/></memballoon>'
    ]
    none = "<memballoon model='none'/>"
    after, _changed = apply(guest(devices=none), memory_balloon={"free_page_reporting": True})
    assert texts(after, "devices/memballoon") == ['<memballoon model="virtio" freePageReporting="on"/>']


def test_the_place_of_a_thread_goes_with_the_thread():
    threads = "<iothreads>3</iothreads><cputune><iothreadpin iothread='1' cpuset='0'/><iothreadpin iothread='3' cpuset='0'/></cputune>"
    after, _changed = apply(guest(threads), iothreads=2)
    assert texts(after, "cputune/iothreadpin") == ['<iothreadpin iothread="1" cpuset="0"/>']


SHORT_CELLS = "<cpu><numa><cell id='0' cpus='0-1' memory='131072'/></numa></cpu>"
UNSHARED = "<filesystem type='mount'><driver type='virtiofs'/><source dir='/srv'/><target dir='t'/></filesystem>"


@pytest.mark.parametrize("root", [guest(SHORT_CELLS), guest(devices=UNSHARED)])
def test_what_was_wrong_with_a_guest_is_not_judged_unless_the_task_is_about_it(root):
    assert apply(root, title="t", tags=["x"])[1] == ["title", "tags"]


def test_what_the_task_makes_wrong_is():
    with pytest.raises(KvmfleetError, match=r"^numa\.cells"):
        apply(guest(SHORT_CELLS), max_vcpus="6")


PAIR = "".join(
    f"<interface type='{kind}'><mac address='{MAC}'/><source {kind}='{name}'/><teaming type='{role}'/></interface>"
    for kind, name, role in (("network", "n", "persistent"), ("bridge", "br0", "transient"))
)


def test_of_two_interfaces_with_one_mac_the_one_that_has_what_the_item_says_is_meant():
    assert apply(guest(devices=PAIR), interfaces=[{"mac": MAC, "network": "n"}])[1] == []
    with pytest.raises(KvmfleetError, match="the guest has 2 devices with this identity"):
        apply(guest(devices=PAIR), interfaces=[{"mac": MAC, "network": "other"}])


def test_numbers_that_libvirt_takes_out_of_a_set_are_understood():
    tuned = "<numatune><memory mode='strict' nodeset='0-5,^4'/></numatune>"
    assert apply(guest(tuned), numa={"nodeset": "0-3,5"})[1] == []


def sizes(root):
    return [root.findtext(path) for path in ("currentMemory", "memory")] + [
        _xml.get(root, "vcpu/@current"),
        root.findtext("vcpu"),
    ]


def test_a_maximum_stays_when_less_is_asked_for():
    whole, _changed = apply(guest(), memory="256MiB", vcpus="4")
    after, changed = apply(whole, memory="64MiB", vcpus="1")
    assert changed == ["memory", "vcpus"] and sizes(after) == ["65536", "262144", "1", "4"]
    assert sizes(apply(after, memory="64MiB", max_memory="64MiB", max_vcpus="1")[0]) == ["65536", "65536", None, "1"]
    assert sizes(apply(after, memory="512MiB", vcpus="8")[0]) == ["524288", "524288", None, "8"]


def test_without_a_balloon_a_guest_has_no_more_memory_than_it_is_given():
    whole, _changed = apply(guest(devices="<memballoon model='none'/>"), memory="256MiB")
    assert sizes(apply(whole, memory="64MiB")[0])[:2] == ["65536", "65536"]
