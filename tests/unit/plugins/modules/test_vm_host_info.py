# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_host_info, run as Ansible runs it."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._host.info import OPTIONS
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.returned import differences, documented

EVERYTHING = OPTIONS["gather"]["choices"]


def test_all_that_is_returned_is_documented_and_the_other_way_round(run_module, test_uri, embed_uri):
    """One hypervisor has storage and networks, the other one capabilities."""
    memory = run_module("vm_host_info", {"uri": test_uri, "gather": EVERYTHING})["host"]
    qemu = run_module("vm_host_info", {"uri": embed_uri, "gather": EVERYTHING})["host"]
    assert memory["pools"] and memory["networks"] and qemu["domain_capabilities"]
    for host in (memory, qemu):
        assert list(differences({"host": host}, documented("vm_host_info"))) == []


def test_check_mode_reads_the_same(run_module, shared_uri):
    params = {"uri": shared_uri, "gather": ["pools", "networks", "guests"]}
    real = run_module("vm_host_info", params)
    predicted = run_module("vm_host_info", params, check=True)
    for result in (real, predicted):
        del result["host"]["uptime"]
    assert predicted == real
    assert (real["changed"], real["failed"]) == (False, False)
    assert [pool["name"] for pool in real["host"]["pools"]] == ["default", "default-pool", "images"]


def test_refreshed_pools(run_module, test_uri):
    result = run_module("vm_host_info", {"uri": test_uri, "gather": ["pools"], "refresh_pools": True})
    assert {pool["state"] for pool in result["host"]["pools"]} == {"running"}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"gather": ["disks"]}, "gather[0]: 'disks' is not allowed; one of cpu, memory, guests, pools, networks, "),
        ({"uri": "test:///nowhere.xml"}, "uri: 'test:///nowhere.xml' can't be opened: "),
    ],
)
def test_bad_input_is_one_clear_sentence(run_module, test_uri, params, message):
    result = run_module("vm_host_info", dict({"uri": test_uri}, **params))
    assert result["failed"] is True
    assert result["msg"].startswith(message)
    assert "\n" not in result["msg"]
