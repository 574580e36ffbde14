# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""libvirt is asked about definitions without defining them, and nothing of it stays."""

from __future__ import annotations

import os
import tempfile

from ansible_collections.kvmfleet.compute.plugins.module_utils import _validation
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect

GOOD = '<domain type="qemu"><name>good</name><memory>65536</memory><os><type arch="x86_64" machine="q35">hvm</type></os></domain>'
BAD = GOOD.replace("q35", "microvm")


def test_each_definition_has_its_answer_and_nothing_stays(embed_uri, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with connect(embed_uri) as conn:
        before = sorted(domain.name() for domain in conn.listAllDomains())
        # What it knows of its QEMU is what the answer is made of.
        conn.getDomainCapabilities(None, "x86_64", None, "qemu")
        good, bad, again, nothing = _validation.refusals(conn, [GOOD, BAD, GOOD, "<domain/>"])
        assert good is None and again is None and bad and nothing
        assert sorted(domain.name() for domain in conn.listAllDomains()) == before
    assert os.listdir(tmp_path) == []


def test_what_a_guest_has_on_the_host_stays(embed_uri, tmp_path):
    variables, loader = tmp_path / "VARS.fd", tmp_path / "CODE.fd"
    for file in (variables, loader):
        file.write_text("kept")
    firmware = f'<loader readonly="yes" type="pflash">{loader}</loader><nvram>{variables}</nvram></os><features><acpi/></features>'
    with connect(embed_uri) as conn:
        conn.getDomainCapabilities(None, "x86_64", None, "qemu")
        assert _validation.refusals(conn, [GOOD.replace("</os>", firmware)]) == [None]
    assert variables.read_text() == "kept"


def test_where_libvirt_cant_be_asked_nothing_is_refused(embed_uri, shared_uri, tmp_path, monkeypatch):
    with connect(shared_uri) as conn:
        assert _validation.refusals(conn, [BAD]) == [None]
    monkeypatch.setattr(_validation, "_validation_process", os)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with connect(embed_uri) as conn:
        assert _validation.refusals(conn, [BAD]) == [None]
    assert os.listdir(tmp_path) == []
