# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest whose definition libvirt takes, and its own schema does not, as other tools define it."""

from __future__ import annotations

import libvirt
import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect

DEFINITION = """\
<domain type='qemu'><name>odd01</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>{devices}</devices></domain>"""
ODD = "<disk type='file' device='disk'><source file='x.img'/><target dev='vda' bus='virtio'/></disk>"


@pytest.fixture
def guest(embed_uri, run_module):
    def define(devices):
        with connect(embed_uri) as conn:
            domain = conn.defineXML(DEFINITION.format(devices=devices))
            if "'x.img'" in devices:
                with pytest.raises(libvirt.libvirtError):
                    conn.defineXMLFlags(domain.XMLDesc(0), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)

    def run(**params):
        return run_module("vm_instance", dict({"name": "odd01", "uri": embed_uri, "state": "present"}, **params))

    run.define = define
    yield run
    assert not run(state="absent")["failed"]


def test_a_guest_that_was_not_valid_takes_a_tag(guest):
    guest.define(ODD)
    done, again = guest(tags=["one"], title="odd"), guest(tags=["one"], title="odd")
    assert not done["failed"], done["msg"]
    assert done["changed"] and not again["changed"]
    assert again["instance"]["tags"] == ["one"] and again["instance"]["title"] == "odd"


def test_a_guest_that_was_valid_stays_so(guest):
    guest.define(ODD.replace("x.img", "/srv/x.img"))
    refused = guest(xml_patch=[{"xpath": "devices/disk/source/@file", "set": "x.img"}])
    assert refused["failed"] and "it does not match libvirt's schema" in refused["msg"]
