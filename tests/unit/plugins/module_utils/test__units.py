# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sizes, times and counts."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _units
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(min_value=1, max_value=2**60))
def test_a_size_that_was_written_is_read_back(size):
    assert _units.parse_size("size", _units.format_size(size)) == size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1B", 1),
        ("2KiB", 2048),
        ("2 GiB", 2 * 1024**3),
        ("1.5GiB", 1536 * 1024**2),
        ("1GB", 10**9),
        ("3TiB", 3 * 1024**4),
    ],
)
def test_sizes(text, size):
    assert _units.parse_size("size", text) == size


@pytest.mark.parametrize("text", ["", "GiB", "1", "1 gig", "-1GiB", "1e3MiB", "0B", "0.3B", None, "1GiB2"])
def test_no_sizes(text):
    with pytest.raises(InvalidInput, match="size: "):
        _units.parse_size("size", text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("2m", 120), ("1.5h", 5400), ("250ms", 0.25), (30, 30), ("7", 7)]
)
def test_durations(text, seconds):
    assert _units.parse_duration("timeout", text) == seconds


@pytest.mark.parametrize("text", ["", "s", "1 week", "-1s", "1s1"])
def test_no_durations(text):
    with pytest.raises(InvalidInput, match="timeout: "):
        _units.parse_duration("timeout", text)


@pytest.mark.parametrize("value", [1, "1", " 12 "])
def test_counts(value):
    assert _units.parse_count("vcpus", value, "CPUs") == int(value)


@pytest.mark.parametrize("value", [0, -1, 10.5, "10.5", "many", "", None, True])
def test_no_counts(value):
    with pytest.raises(InvalidInput, match="vcpus: "):
        _units.parse_count("vcpus", value, "CPUs")
