# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File systems that are held still, on libvirt's in-memory driver, whose guests have two; and what a killed run leaves of that."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _journal
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import freeze
from ansible_collections.kvmfleet.compute.tests.unit.plugins.kill import Killed


@pytest.fixture
def journal(tmp_path, monkeypatch):
    monkeypatch.setattr(_journal, "DIRECTORY", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def domain(shared_uri, journal):
    with connect(shared_uri) as conn:
        domain = conn.lookupByName("test")
        if not domain.isActive():
            domain.create()
        yield domain
        domain.fsThaw(None, 0)


@pytest.fixture
def killed(domain):
    """A run that was killed while the file systems were held still."""
    run = freeze.frozen(domain, "always")
    run.__enter__()
    yield run
    # It must live on until here: a generator that goes is ended as in a run that is not killed.
    run.__exit__(None, None, None)


def frozen(domain):
    """The number of file systems that are frozen; it thaws them."""
    return domain.fsThaw(None, 0)


def test_they_are_thawed_whatever_happens(domain, journal):
    with freeze.frozen(domain, "always"):
        assert len(list(journal.iterdir())) == 1
    assert list(journal.iterdir()) == [] and frozen(domain) == 0
    with pytest.raises(Killed), freeze.frozen(domain, "always"):
        raise Killed
    assert list(journal.iterdir()) == [] and frozen(domain) == 0


def test_the_next_run_thaws_what_a_killed_one_has_left(domain, journal, killed):
    assert freeze.is_left(domain)
    freeze.thaw_left(domain)
    assert not freeze.is_left(domain) and frozen(domain) == 0 and list(journal.iterdir()) == []


def test_a_guest_that_has_booted_since_is_left_alone(domain, journal, killed):
    domain.destroy()
    domain.create()
    domain.fsFreeze(None, 0)
    freeze.thaw_left(domain)
    assert frozen(domain) == 2 and list(journal.iterdir()) == []


def test_a_guest_that_is_paused_waits_for_a_run_that_finds_it_running(domain, run_module, killed):
    task = {"name": "test", "uri": "test:///default", "state": "present"}
    domain.suspend()
    freeze.thaw_left(domain)
    assert freeze.is_left(domain) and not run_module("vm_instance", task)["changed"]
    domain.resume()
    assert run_module("vm_instance", task)["changed"] and not freeze.is_left(domain)


@pytest.mark.parametrize("state", ["running", "present"])
def test_any_task_on_the_guest_thaws_it(domain, run_module, killed, state):
    task = {"name": "test", "uri": "test:///default", "state": state}
    done = run_module("vm_instance", task)
    assert done["actions"] == [{"action": "thaw", "subject": "test"}] and frozen(domain) == 0
    assert not run_module("vm_instance", task)["changed"]
