# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only some hosts have is no error where it is missing."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._optional import if_available


def test_what_is_there_is_returned():
    with connect("test:///default") as conn:
        assert if_available(conn.listNetworks) == ["default"]


def test_a_driver_that_is_not_part_of_the_hypervisor(embed_uri):
    with connect(embed_uri) as conn:
        assert if_available(conn.listNetworks) is None


def test_a_daemon_that_is_not_there(tmp_path):
    """With a daemon for each driver, asking for networks opens a connection like this one."""
    uri = f"network+unix:///system?socket={tmp_path}/virtnetworkd-sock"
    assert if_available(lambda: libvirt.open(uri)) is None


def test_any_other_failure_is_one():
    with connect("test:///default") as conn, pytest.raises(libvirt.libvirtError, match="[Nn]etwork not found"):
        if_available(lambda: conn.networkLookupByName("nothing"))
