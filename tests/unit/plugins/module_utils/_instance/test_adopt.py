# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests of other tools come under management, while they run and when they are off, and lose nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata

FOREIGN = """<domain type='test'><name>foreign</name><memory>65536</memory><os><type>hvm</type></os>
<metadata><o:tool xmlns:o='urn:other'>kept</o:tool></metadata>
<devices><disk type='file'><source file='/data/foreign.img'/><target dev='vda'/></disk></devices></domain>"""


@pytest.fixture
def foreign(shared_uri, run_module):
    with connect(shared_uri) as conn:
        domain = conn.defineXML(FOREIGN)

        def run(check=False, **params):
            return run_module("vm_instance", dict({"name": "foreign", "uri": shared_uri}, **params), check=check)

        run.domain = domain
        yield run
        run(state="absent")


def recorded(domain, flags):
    found = metadata.read(_xml.parse(domain.XMLDesc(flags)))
    return found and replace(found, applied=None)


@pytest.mark.parametrize("running", [False, True])
def test_a_foreign_guest_is_adopted_in_both_definitions(foreign, running):
    if running:
        foreign.domain.create()
    number = foreign.domain.ID()
    foreseen = foreign(check=True, adopt=True, state="present")
    assert not foreseen["instance"]["managed"] and recorded(foreign.domain, 2) is None
    done = foreign(adopt=True, state="present")
    assert done["actions"] == foreseen["actions"]
    assert [action["action"] for action in done["actions"]] == ["define", *(["update_live"] if running else [])]
    assert done["instance"]["managed"] and foreign.domain.ID() == number
    assert recorded(foreign.domain, 0) == recorded(foreign.domain, 2) == metadata.InstanceMetadata()
    assert "kept</o:tool>" in foreign.domain.XMLDesc(2)
    assert not foreign(adopt=True, state="present")["changed"]
    assert not foreign(state="present")["changed"], "nobody says adopt: false to a guest that is managed"


def test_a_foreign_guest_is_changed_without_being_adopted(foreign):
    assert not foreign(state="stopped", title="Known")["instance"]["managed"]
    assert foreign(state="stopped", tags=["web"])["instance"]["managed"], "tags are kept in what makes it managed"


def test_a_new_guest_is_launched_all_the_same(run_module, shared_uri):
    params = {"name": "fresh", "uri": shared_uri, "adopt": True, "memory": "16MiB", "vcpus": "1"}
    assert run_module("vm_instance", params)["instance"]["managed"]
    assert not run_module("vm_instance", dict(params, state="absent"))["failed"]
