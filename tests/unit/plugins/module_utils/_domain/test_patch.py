# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""xml_patch: what each verb does, that it does it once, and what it refuses."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import patch
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from lxml import etree

ROOT = _xml.parse(
    "<domain type='qemu'><name>a</name><on_crash>destroy</on_crash>"
    "<devices><disk><target dev='vda'/></disk><disk><target dev='vdb'/></disk>"
    "<sound model='ich9'><address slot='1'/></sound></devices></domain>"
)


def patched(*items):
    root = copy.deepcopy(ROOT)
    patches = patch.parse({"xml_patch": [dict({"set": None, "add": None, "remove": None}, **item) for item in items]})
    pending = patch.pending(root, patches)
    patch.apply(root, patches)
    assert patch.pending(root, patches) == [], "applied patches have nothing more to do"
    return root, pending


@pytest.mark.parametrize(
    ("item", "path", "value"),
    [
        ({"xpath": "on_crash", "set": "preserve"}, "on_crash", "preserve"),
        ({"xpath": "./os/bootmenu/@enable", "set": "yes"}, "os/bootmenu/@enable", "yes"),
        ({"xpath": "devices/disk[target/@dev='vdb']/target/@bus", "set": "x"}, None, None),
        ({"xpath": "@type", "set": "kvm"}, "@type", "kvm"),
    ],
)
def test_set(item, path, value):
    if path is None:
        with pytest.raises(InvalidInput, match="selects nothing"):
            patched(item)
        return
    root, pending = patched(item)
    assert _xml.get(root, path) == value
    assert pending == ["xml_patch[0]"]


def test_add_appends_once_and_sees_what_libvirt_has_made_of_it():
    fragment = "<sound model='ich9'/>"
    root, pending = patched({"xpath": "devices", "add": fragment})
    assert pending == [] and len(root.findall("devices/sound")) == 1
    root, pending = patched({"xpath": "devices", "add": "<sound model='ac97'/>"})
    assert pending == ["xml_patch[0]"] and len(root.findall("devices/sound")) == 2


def test_add_makes_the_parents():
    root, pending = patched({"xpath": "features/hyperv", "add": "<relaxed state='on'/>"})
    assert pending == ["xml_patch[0]"] and root.find("features/hyperv/relaxed") is not None


def test_remove_elements_and_attributes():
    root, pending = patched({"xpath": "devices/disk", "remove": True}, {"xpath": "//sound/@model", "remove": True})
    assert pending == ["xml_patch[0]", "xml_patch[1]"]
    assert root.find("devices/disk") is None and root.find("devices/sound").attrib == {}
    assert patched({"xpath": "devices/nothing", "remove": True})[1] == []
    assert patched({"xpath": "devices/disk", "remove": False})[1] == []


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"xpath": "devices[", "set": "x"}, r"xml_patch\[0\].xpath: 'devices\['"),
        ({"xpath": "count(devices)", "set": "x"}, "must select elements or attributes"),
        ({"xpath": "on_crash/text()", "set": "preserve"}, "must select elements or attributes"),
        ({"xpath": "on_crash/text()", "remove": True}, "must select elements or attributes"),
        ({"xpath": "devices/namespace::*", "set": "x"}, "must select elements or attributes"),
        ({"xpath": "devices/lease[1]", "add": "<a/>"}, "selects nothing, and only a plain path of names can be made"),
        ({"xpath": "devices/disk", "add": "<a/>"}, "exactly one element to add to, it selects 2"),
        ({"xpath": "devices", "add": "<a>"}, "not well-formed"),
        (
            {"xpath": "devices", "add": "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"},
            "document type",
        ),
        ({"xpath": "name", "set": "other"}, "name and UUID can't be patched"),
        ({"xpath": ".", "remove": True}, "whole definition"),
    ],
)
def test_refused(item, said):
    with pytest.raises(InvalidInput, match=said):
        patched(item)


def test_what_was_read_is_not_changed_by_looking():
    before = etree.tostring(ROOT)
    patch.pending(ROOT, patch.parse({"xml_patch": [{"xpath": "on_crash", "set": "x", "add": None, "remove": None}]}))
    assert etree.tostring(ROOT) == before
