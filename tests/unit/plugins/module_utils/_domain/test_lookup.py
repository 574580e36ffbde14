# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import bulk, lookup
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import NotFound
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import capture


@pytest.mark.parametrize("many", [False, True])
def test_a_guest_is_found_by_its_name_and_by_its_uuid(test_uri, many):
    with connect(test_uri) as conn:
        domain = conn.lookupByName("test")
        known = bulk.Known(conn) if many else conn
        assert lookup.find(known, "test").UUID() == domain.UUID()
        assert lookup.find(known, domain.UUIDString()).name() == "test"
        for missing in ("web01", "", "8a53e7c5-6f0e-4b5a-9f53-0d8c8f2e2a10"):
            assert lookup.find(known, missing) is None


def test_a_name_goes_before_a_uuid(test_uri):
    with connect(test_uri) as conn:
        uuid = conn.lookupByName("test").UUIDString()
        conn.defineXML(
            f"<domain type='test'><name>{uuid}</name><memory>1024</memory><os><type>hvm</type></os></domain>"
        )
        assert lookup.find(conn, uuid).name() == uuid


def test_who_needs_a_guest_says_so(test_uri):
    with connect(test_uri) as conn:
        assert lookup.require(conn, "test").name() == "test"
        with pytest.raises(NotFound, match="^there is no guest with the name or the UUID 'web01' at test:"):
            lookup.require(conn, "web01")
        with pytest.raises(NotFound, match="^clone_from.name: there is no guest 'web01'$"):
            lookup.require(conn, "web01", "clone_from.name: there is no guest 'web01'")


WITH_A_DISK = """<domain type='test'><name>web01</name><memory>1024</memory><os><type>hvm</type></os><devices>
<disk type='file' device='disk'><source file='/web01.qcow2'/><target dev='vda'/></disk></devices></domain>"""


def test_the_guest_of_a_disk_is_called_by_its_name(test_uri):
    with connect(test_uri) as conn:
        uuid = conn.defineXML(WITH_A_DISK).UUIDString()
        disk = capture.find(conn, ("name", "disk"), uuid)
        assert disk == capture.find(conn, ("name", "disk"), "web01") and disk.guest == "web01"
