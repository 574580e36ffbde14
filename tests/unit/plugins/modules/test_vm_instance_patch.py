# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""xml_patch on real QEMU: what has the same meaning for libvirt is no change; the example of the documentation works."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.tests.unit.meta import collection

DEFINITION = """\
<domain type="qemu"><name>patched</name><memory unit="MiB">64</memory>
<os><type arch="x86_64" machine="q35">hvm</type></os><devices>
<interface type="user"><mac address="52:54:00:ab:cd:ef"/>
<address type="pci" domain="0" bus="0" slot="0x09" function="0"/></interface>
<graphics type="vnc" passwd="geheim"/>
</devices></domain>"""


@pytest.fixture
def guest(embed_uri, run_module):
    """A function that gives a guest without <features> an xml_patch."""
    with connect(embed_uri) as conn:
        domain = conn.defineXML(DEFINITION)

    def run(*patches, **params):
        task = {"name": "patched", "uri": embed_uri, "state": "present", "xml_patch": list(patches)}
        result = run_module("vm_instance", dict(task, **params))
        assert not result["failed"], result["msg"]
        return result

    yield run
    if domain.isActive():
        domain.destroy()
    domain.undefine()


SAME = {
    "case of a MAC address": [{"xpath": "devices/interface/mac/@address", "set": "52:54:00:AB:CD:EF"}],
    "no hexadecimal": [{"xpath": "devices/interface/address/@slot", "set": "9"}],
    "a leading zero": [{"xpath": "vcpu", "set": "01"}],
    "memory in another unit": [{"xpath": "memory", "set": "64"}, {"xpath": "memory/@unit", "set": "MiB"}],
}


def read(uri):
    with connect(uri) as conn:
        return conn.lookupByName("patched").XMLDesc(3)


@pytest.mark.parametrize("running", [False, True])
def test_what_means_the_same_is_no_change(guest, embed_uri, running):
    if running:
        guest(state="running")
    before = read(embed_uri)
    for name, patches in SAME.items():
        found = guest(*patches)
        assert not found["changed"] and found["restart_required"] == [], (name, found["diff"])
        assert read(embed_uri) == before
    # Hidden values are compared, too.
    assert guest({"xpath": "devices/graphics/@passwd", "set": "other"})["changed"]
    assert "other" in read(embed_uri)
    found = guest({"xpath": "devices/interface/mac/@address", "set": "52:54:00:AB:CD:00"}, title="new")
    assert [action["action"] for action in found["actions"]][0] == "define"
    assert "52:54:00:ab:cd:00" in read(embed_uri)


def test_the_documented_example_works(guest, embed_uri):
    examples = collection.tasks(collection.load(collection.module("vm_instance").EXAMPLES))
    patches = [task["kvmfleet.compute.vm_instance"].get("xml_patch") for task in examples]
    for patch in filter(None, patches):
        assert guest(*patch)["changed"] and not guest(*patch)["changed"]
    assert "<vmcoreinfo state='on'/>" in read(embed_uri)
