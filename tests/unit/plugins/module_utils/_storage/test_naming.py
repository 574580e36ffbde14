# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""naming: which file is which version of which image."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import (
    InvalidInput,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import naming
from hypothesis import given
from hypothesis import strategies as st

A, B, C = "a" * 12, "b" * 12, "c" * 12


@given(
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}", fullmatch=True),
    digest=st.text("0123456789abcdef", min_size=64, max_size=64),
    image_format=st.sampled_from(naming.FORMATS),
)
def test_a_file_name_tells_what_it_was_made_of(name, digest, image_format):
    file = naming.file_name(name, digest, image_format)
    assert naming.parse_file_name(file) == (name, digest[:12], image_format)


@pytest.mark.parametrize(
    "file",
    [
        "debian.qcow2",
        f"debian.{A}.vmdk",
        f"debian.{A}",
        f"debian.{A[1:]}.raw",
        f"debian.{A.upper()}.raw",
        f".debian.{A}.raw",
        f"debian.{A}.raw\n",
    ],
)
def test_other_files_are_no_versions(file):
    assert naming.parse_file_name(file) is None


def test_a_name_means_its_newest_version():
    files = {
        f"debian.{A}.qcow2": 1.0,
        f"debian.{B}.raw": 3.0,
        f"debian.{C}.qcow2": 2.0,
        f"debian-13.{A}.qcow2": 9.0,
    }
    assert naming.newest(files, "debian") == f"debian.{B}.raw"
    assert naming.newest(files, "debian-13") == f"debian-13.{A}.qcow2"


def test_a_name_with_digits_means_that_version():
    files = {f"debian.{A}.qcow2": 1.0, f"debian.{B}.qcow2": 3.0}
    assert naming.newest(files, f"debian.{A}") == f"debian.{A}.qcow2"
    assert naming.newest(files, f"debian.{C}") is None


def test_of_the_same_time_the_last_by_name_is_the_newest():
    files = {f"debian.{B}.qcow2": 1.0, f"debian.{A}.qcow2": 1.0}
    assert naming.newest(files, "debian") == f"debian.{B}.qcow2"


def test_what_is_no_version_is_never_the_newest():
    assert naming.newest({"debian.qcow2": 1.0, f".debian.{A}.qcow2.partial-1": 2.0}, "debian") is None
    assert naming.newest({}, "debian") is None


@pytest.mark.parametrize("name", ["debian", "debian-13", "Debian_13.2", "9", "x" * 200])
def test_good_names(name):
    assert naming.check_name("name", name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".debian", "-debian", "../debian", "de bian", "debian/13", "d\n", "x" * 201],
)
def test_bad_names(name):
    with pytest.raises(
        InvalidInput,
        match="name: .* is not allowed; an image's name has letters, digits",
    ):
        naming.check_name("name", name)


@pytest.mark.parametrize("name", [f"debian.{A}", f"debian.{A}.raw"])
def test_the_name_of_one_version_is_no_name_of_an_image(name):
    with pytest.raises(InvalidInput, match="means one version"):
        naming.check_name("name", name)
