# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drift: changes of others are seen, our own and those of power and metadata are none."""

from __future__ import annotations

import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import applied, describe, metadata

GUEST = {"name": "web01", "memory": "64MiB", "vcpus": 1}


def drift(conn, name="web01"):
    domain = conn.lookupByName(name)
    return applied.has_drifted(domain, describe.read_facts(domain), _xml.parse(domain.XMLDesc(0)))


def test_what_others_change_is_drift_and_what_we_do_is_none(shared_uri, run_module):
    conn = libvirt.open(shared_uri)
    try:

        def run(**params):
            run_module("vm_instance", dict(GUEST, uri=shared_uri, **params))

        run()
        assert drift(conn) is False
        run(title="changed", tags=["a"], state="restarted")
        assert drift(conn) is False
        run(state="stopped")
        assert drift(conn) is False
        domain = conn.lookupByName("web01")
        domain.setMemoryFlags(32768, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
        assert drift(conn) is True
        run()
        assert drift(conn) is False, "what was asked for is applied again"
        assert drift(conn, "test") is None
        run(state="absent")
    finally:
        conn.close()


def test_our_own_metadata_does_not_count():
    root = _xml.parse("<domain><name>a</name><metadata><other xmlns='urn:o'/></metadata></domain>")
    before = applied.fingerprint(root)
    metadata.write(root, metadata.InstanceMetadata(tags=("a",), applied=before))
    assert applied.fingerprint(root) == before
    root.find("name").text = "b"
    assert applied.fingerprint(root) != before
