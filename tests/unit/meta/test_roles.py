# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A role's variables: what it does without them is what its documentation says."""

from __future__ import annotations

import re

import pytest
from ansible_collections.kvmfleet.compute.tests.unit.meta import collection


def _options(role):
    return collection.read(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]


@pytest.mark.parametrize("role", collection.ROLES)
def test_the_defaults_are_those_of_the_argument_specs(role):
    documented = {name: entry["default"] for name, entry in _options(role).items() if "default" in entry}
    assert collection.read(f"roles/{role}/defaults/main.yml") == documented


@pytest.mark.parametrize("role", collection.ROLES)
def test_an_option_without_a_default_is_required_or_says_what_its_absence_means(role):
    for name, entry in _options(role).items():
        assert "default" in entry or entry.get("required") or "not given" in str(entry["description"]), name


@pytest.mark.parametrize("role", collection.ROLES)
def test_the_readme_has_every_variable_and_no_other(role):
    rows = re.findall(
        rf"^\| `({role}_\w+)` \|", (collection.ROOT / f"roles/{role}/README.md").read_text(), re.MULTILINE
    )
    assert sorted(rows) == sorted(_options(role))


@pytest.mark.parametrize("role", collection.ROLES)
def test_every_variable_is_used(role):
    tasks = "\n".join(path.read_text() for path in (collection.ROOT / "roles" / role).glob("t*/*"))
    unused = [name for name in _options(role) if not re.search(rf"\b{name}\b", tasks)]
    assert not unused
