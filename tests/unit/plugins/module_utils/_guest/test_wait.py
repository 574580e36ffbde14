# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting: what counts as a word of the guest as it runs now. What a guest answers itself is looked at in the lab."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import addresses
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import wait

MAC = "52:54:00:00:00:01"
LEASE = addresses.Lease(MAC, addresses.entry("192.0.2.57", 24, "lease"), 1000, "virbr0")
CONSOLE = "<domain><devices><serial><log file='/var/log/console' append='{}'/></serial></devices></domain>"


@pytest.mark.parametrize(
    ("before", "counts"),
    [
        pytest.param({(MAC, "192.0.2.57"): 1000}, False, id="as it was before the boot"),
        pytest.param({(MAC, "192.0.2.57"): 400}, True, id="renewed since"),
        pytest.param({(MAC, "192.0.2.58"): 1000}, True, id="new"),
        pytest.param(None, True, id="the guest ran already and can't be asked"),
    ],
)
def test_a_lease_of_an_earlier_boot_does_not_count(before, counts):
    # The in-memory host has no interfaces that could be asked.
    with connect("test:///default") as conn:
        assert wait._is_current(conn, LEASE, before) is counts


def test_a_console_that_is_appended_to_is_refused():
    with pytest.raises(_errors.InvalidInput, match=r"wait_for.console: 'login' is not allowed; .*\(append='on'\)"):
        wait._console_probe(_xml.parse(CONSOLE.format("on")), "login", "wait_for")
    assert wait._console_probe(_xml.parse(CONSOLE.format("off")), "login", "wait_for")() == (False, "nothing")
