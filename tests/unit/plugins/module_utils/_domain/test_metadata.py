# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What we keep with a guest: written and read, beside what others keep there, and edited by people."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.metadata import (
    InstanceMetadata,
    Volume,
    of_managed,
    read,
    to_element,
    with_volume_status,
    without_volume,
    write,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict
from hypothesis import given
from hypothesis import strategies as st

TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("Cc", "Cs")), min_size=1)
VOLUMES = st.builds(Volume, TEXTS, TEXTS, TEXTS, TEXTS, st.sampled_from(["planned", "ready"]))
METADATA = st.builds(
    InstanceMetadata,
    flavor=st.none() | TEXTS,
    image=st.none() | TEXTS,
    tags=st.lists(TEXTS, max_size=3).map(tuple),
    properties=st.dictionaries(TEXTS, TEXTS, max_size=3),
    delete_protection=st.booleans(),
    volumes=st.lists(VOLUMES, max_size=3).map(tuple),
)
FOREIGN = "<domain><metadata><other:app xmlns:other='urn:other'><other:id>7</other:id></other:app></metadata></domain>"


@given(METADATA)
def test_what_is_written_is_read_back(found):
    root = _xml.parse("<domain/>")
    write(root, found)
    assert read(_xml.parse(_xml.to_text(root))) == found


@given(METADATA, METADATA)
def test_writing_replaces_ours_and_keeps_what_others_have(first, second):
    root = _xml.parse(FOREIGN)
    write(root, first)
    write(root, second)
    assert read(root) == second
    assert root.findtext("metadata/{urn:other}app/{urn:other}id") == "7"
    assert len(root.find("metadata")) == 2


def test_a_guest_without_our_element_is_not_managed():
    assert read(_xml.parse(FOREIGN)) is None
    assert read(_xml.parse("<domain/>")) is None


def test_a_guest_that_lost_our_element_is_refused_where_it_is_needed():
    with pytest.raises(Conflict, match="the guest 'web01' is not managed any more"):
        of_managed(_xml.parse("<domain><name>web01</name></domain>"))


def test_the_element_alone_makes_a_guest_managed():
    root = _xml.parse("<domain/>")
    write(root, InstanceMetadata())
    assert read(root) == InstanceMetadata()


def test_an_edited_volume_is_read_as_far_as_it_goes():
    root = _xml.parse("<domain/>")
    write(root, InstanceMetadata(volumes=(Volume("vda", "default", "a.qcow2", "/srv/a.qcow2", "ready"),)))
    element = root.find(".//{urn:kvmfleet:compute:1}volume")
    del element.attrib["pool"]
    element.set("note", "by hand")
    assert read(root).volumes == (Volume("vda", "", "a.qcow2", "/srv/a.qcow2", "ready"),)


def test_the_status_of_one_volume():
    volumes = tuple(Volume(target, "default", target, f"/srv/{target}", "planned") for target in ("vda", "vdb"))
    found = with_volume_status(InstanceMetadata(volumes=volumes), volumes[1], "ready")
    assert [volume.status for volume in found.volumes] == ["planned", "ready"]
    assert without_volume(found, volumes[0]).volumes == found.volumes[1:]


def test_our_prefix_is_on_the_element():
    assert to_element(InstanceMetadata()).prefix == "kvmfleet"
