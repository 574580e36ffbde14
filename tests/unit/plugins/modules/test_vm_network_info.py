# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_network_info as Ansible runs it, on libvirt's in-memory driver; the scenario instances has guests with leases."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.returned import differences, documented
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.test_vm_network import GUEST, LAB


@pytest.fixture
def conn(shared_uri):
    with connect(shared_uri) as conn:
        yield conn


@pytest.fixture
def make(shared_uri, run_module):
    """A function that makes the network `lab` and returns its description."""

    def run(**params):
        result = run_module("vm_network", dict({"name": "lab", "uri": shared_uri}, **params))
        assert not result["failed"], result
        return result["network"]

    return run


@pytest.fixture
def info(shared_uri, run_module):
    """A function that returns what the module finds."""

    def run(**params):
        result = run_module("vm_network_info", dict({"uri": shared_uri}, **params))
        assert not result["failed"] and not result["changed"], result
        return result["networks"]

    return run


def test_who_is_on_each_network(conn, make, info):
    made = make(**LAB)
    conn.createXML(GUEST.format(name="web", network="lab"), 0)
    conn.defineXML(GUEST.format(name="db", network="lab"))
    default, lab = info()
    assert default["name"] == "default" and "web" not in default["guests"]
    assert {key: lab[key] for key in made} == made
    assert (lab["guests"], lab["running_guests"], lab["leases"], lab["persistent"]) == (
        ["db", "web"],
        ["web"],
        [],
        True,
    )
    assert info(name="lab") == [lab] and info(name="nowhere") == []


def test_what_is_returned_is_documented(make, info):
    make(**LAB)
    assert list(differences({"networks": info()}, documented("vm_network_info"))) == []


def test_a_network_that_is_not_active_or_has_no_definition(conn, make, info):
    make(state="inactive", mode="isolated")
    conn.networkCreateXML(
        "<network><name>passing</name><bridge name='passing0'/><ip address='198.51.100.1'/></network>"
    )
    _default, lab, passing = info()
    assert (lab["active"], lab["persistent"], lab["restart_required"]) == (False, True, [])
    assert (passing["active"], passing["persistent"], passing["autostart"]) == (True, False, False)
