# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A disk's source as one value: read, written, told, and recognised."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import source
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.source import Authentication, DiskSource
from ansible_collections.kvmfleet.compute.tests.unit import foreign

LUN = """<disk type='network' device='lun'><driver name='qemu' type='raw'/>
<source protocol='iscsi' name='iqn.2026-11.example:store/1'><host name='san' port='3260'/>
<auth username='web01'><secret type='iscsi' usage='chap-web01'/></auth></source><target dev='sda'/></disk>"""
SOURCES = (
    (DiskSource("file", path="/data/x.qcow2"), "/data/x.qcow2"),
    (DiskSource("block", path="/dev/vg/x"), "/dev/vg/x"),
    (DiskSource("volume", pool="default", volume="x.qcow2"), "default/x.qcow2"),
    (
        DiskSource(
            "network",
            protocol="iscsi",
            name="iqn.2026-11.example:store/1",
            hosts=((("name", "san"), ("port", "3260")),),
            authentication=Authentication("web01", "iscsi", {"usage": "chap-web01"}),
        ),
        "iscsi:iqn.2026-11.example:store/1",
    ),
)


@pytest.mark.parametrize(("value", "text"), SOURCES)
def test_what_is_written_is_read_and_told(value, text):
    disk = _xml.parse(
        "<disk type='file'><source file='/old'/><backingStore type='file'><source file='/base'/></backingStore></disk>"
    )
    source.write(disk, value)
    assert source.read(disk) == value and source.of_element(disk.find("source")) == value
    assert str(value) == value.text == text
    assert disk.find("backingStore") is None, "what another disk was based on says nothing of this one"


def test_an_empty_drive_has_no_source():
    disk = _xml.parse("<disk type='file' device='cdrom'><source startupPolicy='optional'/></disk>")
    assert source.read(disk) is None
    source.write(disk, None)
    assert disk.find("source") is None and source.read(disk) is None


def test_authentication_is_part_of_the_value():
    disk = _xml.parse(LUN)
    other = copy.deepcopy(disk)
    other.find("source/auth").set("username", "db01")
    assert source.read(disk) == SOURCES[-1][0] != source.read(other)


def test_a_volume_is_recognised_by_its_path_or_its_pool_and_name():
    volume = SimpleNamespace(pool="default", name="x.qcow2", path="/images/x.qcow2")
    assert DiskSource("file", path="/images/x.qcow2").is_volume(volume)
    assert DiskSource("volume", pool="default", volume="x.qcow2").is_volume(volume)
    assert not DiskSource("volume", pool="other", volume="x.qcow2").is_volume(volume)
    assert not DiskSource("network", protocol="rbd", name="x.qcow2").is_volume(volume)


def test_the_sources_of_other_tools_are_read_and_written_back():
    kinds = set()
    for root in foreign.read().definitions.values():
        for disk in root.iterfind("devices/disk"):
            value = source.read(disk)
            if value is None or value.text is None:
                continue
            again = copy.deepcopy(disk)
            source.write(again, value)
            assert source.read(again) == value
            kinds.add(value.type)
    assert {"file", "block", "volume", "network"} <= kinds
