# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an earlier version has kept with guests is read. The texts are as libvirt returned them after runs of that version.

They are not to be brought in line with the code: a guest of a host may have such a record for years.
"""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import applied, metadata, recorded
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.metadata import (
    InstanceMetadata,
    Rescue,
    Resize,
    Volume,
)

DIRECTORY = "/var/lib/libvirt/images"
PRINT = "6935e540b3437bd08fd6d90c0d0c28d464ba0c85e8ced85d81417c1957a407b7"
READY = Volume("vda", "default", "web01-vda.qcow2", f"{DIRECTORY}/web01-vda.qcow2", "ready")

# By what had happened: the element, and what it says.
RECORDS = {
    "a launch that was killed": (
        """<kvmfleet:instance xmlns:kvmfleet="urn:kvmfleet:compute:1">
  <kvmfleet:image xmlns:kvmfleet="urn:kvmfleet:compute:1">tiny</kvmfleet:image>
  <kvmfleet:applied xmlns:kvmfleet="urn:kvmfleet:compute:1">6935e540b3437bd08fd6d90c0d0c28d464ba0c85e8ced85d81417c1957a407b7</kvmfleet:applied>
  <kvmfleet:tag xmlns:kvmfleet="urn:kvmfleet:compute:1">web</kvmfleet:tag>
  <kvmfleet:volume xmlns:kvmfleet="urn:kvmfleet:compute:1" target="vda" pool="default" name="web01-vda.qcow2" path="/var/lib/libvirt/images/web01-vda.qcow2" status="ready"/>
  <kvmfleet:volume xmlns:kvmfleet="urn:kvmfleet:compute:1" target="vdb" pool="default" name="web01-vdb.qcow2" path="/var/lib/libvirt/images/web01-vdb.qcow2" status="planned"/>
</kvmfleet:instance>""",  # noqa: E501 - as libvirt returned it
        InstanceMetadata(
            image="tiny",
            applied=PRINT,
            tags=("web",),
            volumes=(READY, Volume("vdb", "default", "web01-vdb.qcow2", f"{DIRECTORY}/web01-vdb.qcow2", "planned")),
        ),
    ),
    "a rebuild that was killed before the new disk was the guest's": (
        """<kvmfleet:instance xmlns:kvmfleet="urn:kvmfleet:compute:1">
  <kvmfleet:image xmlns:kvmfleet="urn:kvmfleet:compute:1">tiny</kvmfleet:image>
  <kvmfleet:volume xmlns:kvmfleet="urn:kvmfleet:compute:1" target="vda" pool="default" name="web01-vda.qcow2" path="/var/lib/libvirt/images/web01-vda.qcow2" status="ready"/>
  <kvmfleet:volume xmlns:kvmfleet="urn:kvmfleet:compute:1" target="vda" pool="default" name="web01-vda.1.qcow2" path="/var/lib/libvirt/images/web01-vda.1.qcow2" status="next"/>
</kvmfleet:instance>""",  # noqa: E501 - as libvirt returned it
        InstanceMetadata(
            image="tiny",
            volumes=(READY, Volume("vda", "default", "web01-vda.1.qcow2", f"{DIRECTORY}/web01-vda.1.qcow2", "next")),
        ),
    ),
    "a rebuild that was killed before the old disk was deleted": (
        """<kvmfleet:instance xmlns:kvmfleet="urn:kvmfleet:compute:1">
  <kvmfleet:image xmlns:kvmfleet="urn:kvmfleet:compute:1">other</kvmfleet:image>
  <kvmfleet:volume xmlns:kvmfleet="urn:kvmfleet:compute:1" target="vda" pool="default" name="web01-vda.1.qcow2" path="/var/lib/libvirt/images/web01-vda.1.qcow2" status="ready"/>
  <kvmfleet:volume xmlns:kvmfleet="urn:kvmfleet:compute:1" target="vda" pool="default" name="web01-vda.qcow2" path="/var/lib/libvirt/images/web01-vda.qcow2" status="obsolete"/>
</kvmfleet:instance>""",  # noqa: E501 - as libvirt returned it
        InstanceMetadata(
            image="other",
            volumes=(
                Volume("vda", "default", "web01-vda.1.qcow2", f"{DIRECTORY}/web01-vda.1.qcow2", "ready"),
                Volume("vda", "default", "web01-vda.qcow2", f"{DIRECTORY}/web01-vda.qcow2", "obsolete"),
            ),
        ),
    ),
    "a resize that waits to be confirmed": (
        """<kvmfleet:instance xmlns:kvmfleet="urn:kvmfleet:compute:1">
      <kvmfleet:flavor xmlns:kvmfleet="urn:kvmfleet:compute:1">m1.large</kvmfleet:flavor>
      <kvmfleet:volume xmlns:kvmfleet="urn:kvmfleet:compute:1" target="vda" pool="default" name="web01-vda.qcow2" path="/var/lib/libvirt/images/web01-vda.qcow2" status="ready"/>
      <kvmfleet:volume xmlns:kvmfleet="urn:kvmfleet:compute:1" target="vda.resize" pool="default" name="web01-vda.resize.qcow2" path="/var/lib/libvirt/images/web01-vda.resize.qcow2" status="planned"/>
      <kvmfleet:resize xmlns:kvmfleet="urn:kvmfleet:compute:1" status="pending" boot="2" vcpus="2" max_vcpus="2" memory="65536" max_memory="65536" flavor="m1.small" target="vda" type="file" path="/var/lib/libvirt/images/web01-vda.qcow2" format="qcow2" size="3221225472"/>
    </kvmfleet:instance>""",  # noqa: E501 - as libvirt returned it
        InstanceMetadata(
            flavor="m1.large",
            volumes=(
                READY,
                Volume(
                    "vda.resize", "default", "web01-vda.resize.qcow2", f"{DIRECTORY}/web01-vda.resize.qcow2", "planned"
                ),
            ),
            resize=Resize(
                status="pending",
                boot="2",
                vcpus="2",
                max_vcpus="2",
                memory="65536",
                max_memory="65536",
                flavor="m1.small",
                target="vda",
                type="file",
                path=f"{DIRECTORY}/web01-vda.qcow2",
                format="qcow2",
                size="3221225472",
            ),
        ),
    ),
    "a resize without a disk, of a guest that was off, whose confirmation was killed": (
        """<kvmfleet:instance xmlns:kvmfleet="urn:kvmfleet:compute:1">
      <kvmfleet:resize xmlns:kvmfleet="urn:kvmfleet:compute:1" status="confirming" vcpus="2" max_vcpus="2" memory="65536" max_memory="65536"/>
    </kvmfleet:instance>""",  # noqa: E501 - as libvirt returned it
        InstanceMetadata(
            resize=Resize(status="confirming", vcpus="2", max_vcpus="2", memory="65536", max_memory="65536")
        ),
    ),
    "a rescue": (
        """<kvmfleet:instance xmlns:kvmfleet="urn:kvmfleet:compute:1">
      <kvmfleet:volume xmlns:kvmfleet="urn:kvmfleet:compute:1" target="vdd" pool="default" name="web01-rescue.qcow2" path="/var/lib/libvirt/images/web01-rescue.qcow2" status="ready"/>
      <kvmfleet:rescue xmlns:kvmfleet="urn:kvmfleet:compute:1" target="vdd">
        <kvmfleet:boot dev="hd"/>
        <kvmfleet:order device="disk vdb" place="2"/>
      </kvmfleet:rescue>
    </kvmfleet:instance>""",  # noqa: E501 - as libvirt returned it
        InstanceMetadata(
            volumes=(Volume("vdd", "default", "web01-rescue.qcow2", f"{DIRECTORY}/web01-rescue.qcow2", "ready"),),
            rescue=Rescue(target="vdd", boot=("hd",), orders=(("disk vdb", "2"),)),
        ),
    ),
    "a linked clone that was made of it": (
        """<kvmfleet:instance xmlns:kvmfleet="urn:kvmfleet:compute:1">
  <kvmfleet:property xmlns:kvmfleet="urn:kvmfleet:compute:1" name="owner">ops</kvmfleet:property>
  <kvmfleet:delete_protection xmlns:kvmfleet="urn:kvmfleet:compute:1"/>
  <kvmfleet:has_clones xmlns:kvmfleet="urn:kvmfleet:compute:1"/>
</kvmfleet:instance>""",  # noqa: E501 - as libvirt returned it
        InstanceMetadata(properties={"owner": "ops"}, delete_protection=True, has_clones=True),
    ),
}

# A guest, and the fingerprint that was recorded when it was defined.
GUEST = """<domain type='test'>
  <name>web01</name>
  <uuid>960acf08-2179-46f6-bce2-c537ac1e4398</uuid>
  <metadata>{}</metadata>
  <memory unit='KiB'>65536</memory>
  <os><type arch='i686'>hvm</type></os>
</domain>"""
FINGERPRINT = "9590846cc0ac39787821d7a4c3274823f5e263660dc661cd4948060a3148b4cc"


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_read(name):
    text, expected = RECORDS[name]
    assert metadata.read(_xml.parse(GUEST.format(text))) == expected


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_read_by_itself(test_uri, name):
    text, expected = RECORDS[name]
    with connect(test_uri) as conn:
        assert recorded.of_domain(conn.defineXML(GUEST.format(text))) == expected


def test_what_a_killed_run_has_left_to_do_is_known():
    found = {name: metadata.read(_xml.parse(GUEST.format(text))) for name, (text, _expected) in RECORDS.items()}
    assert metadata.planned(found["a launch that was killed"]) == {"vdb"}
    assert metadata.unmade_overlay(found["a resize that waits to be confirmed"]) == "vda"
    assert not any(record.resize.settled for record in found.values() if record.resize)


def test_a_fingerprint_is_the_one_that_was_recorded():
    """Else every guest would seem to have been changed by somebody else."""
    assert applied.fingerprint(_xml.parse(GUEST.format(RECORDS["a rescue"][0]))) == FINGERPRINT
