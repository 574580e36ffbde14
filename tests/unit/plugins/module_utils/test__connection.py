# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A libvirt that says nothing is given up, before and after it was opened."""

from __future__ import annotations

import gc
import time

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import ConnectionFailed, LibvirtFailed


def test_a_daemon_that_accepts_and_says_nothing_is_given_up(silent_uri, run_module, monkeypatch):
    monkeypatch.setattr(_connection, "OPEN_TIMEOUT", 0.5)
    with pytest.raises(ConnectionFailed, match="no answer within 0.5 seconds"), _connection.connect(silent_uri):
        pass
    result = run_module("vm_instance_info", {"uri": silent_uri})
    assert result["failed"] and f"uri: {silent_uri!r} can't be opened: no answer" in result["msg"]


def test_a_daemon_that_stops_answering_ends_the_connection(daemon, monkeypatch):
    monkeypatch.setattr(_connection, "KEEP_ALIVE", (1, 1))
    with _connection.connect(daemon.uri()) as conn:
        assert [domain.name() for domain in conn.listAllDomains(0)] == ["test"]
        daemon.freeze()
        begun = time.monotonic()
        with pytest.raises(LibvirtFailed, match="reading failed"), _connection.doing("reading"):
            conn.listAllDomains(0)
    assert time.monotonic() - begun < 20


def test_two_hosts_are_open_at_once(test_uri, tmp_path):
    # A migration asks both ends; the garbage collector stays away from libvirt's objects until the outer one is closed.
    other, enabled = tmp_path / "other.xml", gc.isenabled()
    other.write_text((tmp_path / "host.xml").read_text().replace("<name>test</name>", "<name>elsewhere</name>", 1))
    with _connection.connect(test_uri) as source:
        with _connection.connect(f"test://{other}") as destination:
            assert [domain.name() for domain in source.listAllDomains(0)] == ["test"]
            assert [domain.name() for domain in destination.listAllDomains(0)] == ["elsewhere"]
        assert not gc.isenabled() and source.isAlive()
    assert gc.isenabled() == enabled
