# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Properties that every facet must have, on definitions of ours and of other tools."""

from __future__ import annotations

import copy
import pathlib

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import definition
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import storage, targets
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.spec import parse
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.specs import PARAMETERS, complete
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

NEW = definition.NewGuest(name="web01", virt_type="qemu", arch="x86_64", machine="q35", system=True)
FOREIGN = _xml.parse((pathlib.Path(__file__).parent / "foreign-guest.xml").read_text(encoding="utf-8"))
SCHEMA = "/usr/share/libvirt/schemas/domain.rng"
BASES = st.sampled_from([definition.skeleton(NEW), FOREIGN])


def wanted_of(params, root):
    """Return the wanted values of a task on a guest with this definition, as plan makes them."""
    spec = parse(complete(dict(params, name=root.findtext("name"))))
    pairs = targets.assign_targets(spec.disks, root)
    items, _new = storage.resolve(spec.name, pairs, root, set(), storage.StorageFacts())
    wanted = dict(spec.wanted)
    if spec.disks:
        wanted["disks"] = items
    return wanted


def read(root, wanted):
    found = {}
    for facet in definition.FACETS:
        found.update(facet.read(root, facet.given(wanted)))
    return found


@given(BASES, PARAMETERS)
def test_what_is_written_is_read_back(base, params):
    wanted = wanted_of(params, base)
    after, _changes = definition.overlay(base, wanted)
    assert read(after, wanted) == {key: value for key, value in wanted.items() if key in read(after, wanted)}


@given(BASES, PARAMETERS)
def test_applying_twice_changes_nothing(base, params):
    wanted = wanted_of(params, base)
    once, _changes = definition.overlay(base, wanted)
    twice, changes = definition.overlay(once, wanted)
    assert changes == ()
    assert etree.tostring(twice) == etree.tostring(once)


@given(BASES, PARAMETERS, PARAMETERS)
def test_a_second_spec_keeps_what_only_the_first_said(base, first, second):
    after_first, _changes = definition.overlay(base, wanted_of(first, base))
    after_both, _changes = definition.overlay(after_first, wanted_of(second, after_first))
    assert read(after_both, wanted_of(second, after_first)) == read(
        definition.overlay(after_both, wanted_of(second, after_first))[0], wanted_of(second, after_first)
    )
    wanted_second = wanted_of(second, after_first)
    # Devices are found again by their place, Secure Boot goes with the firmware, and a maximum grows with what it is for.
    others = {"disks", "interfaces", "secure_boot", "max_memory", "max_vcpus"}
    only_first = {
        key: value for key, value in wanted_of(first, base).items() if key not in wanted_second and key not in others
    }
    assert read(after_both, only_first) == only_first


@given(PARAMETERS)
def test_what_nobody_manages_survives(params):
    after, _changes = definition.overlay(FOREIGN, wanted_of(params, FOREIGN))
    for option, path in (
        (None, "features/vmport"),
        (None, "clock/timer[@name='pit']"),
        (None, "on_crash"),
        (None, "pm"),
        (None, "devices/emulator"),
        ("iothreads", "iothreads"),
        ("sound", "devices/sound"),
        ("watchdog", "devices/watchdog"),
        ("memory_balloon", "devices/memballoon"),
    ):
        if option in params:
            continue
        assert etree.tostring(after.find(path)) == etree.tostring(FOREIGN.find(path)), path
    assert etree.tostring(after.find("metadata")[0]) == etree.tostring(FOREIGN.find("metadata")[0])
    commandline = "{http://libvirt.org/schemas/domain/qemu/1.0}commandline"
    assert etree.tostring(after.find(commandline)) == etree.tostring(FOREIGN.find(commandline))
    for kind in ("disk", "interface"):
        for element in FOREIGN.findall(f"devices/{kind}"):
            address = etree.tostring(element.find("address"))
            assert any(
                etree.tostring(found.find("address")) == address
                for found in after.findall(f"devices/{kind}")
                if found.find("address") is not None
            )


@given(PARAMETERS)
def test_a_new_guest_is_valid_by_the_schema_of_libvirt(params):
    wanted = wanted_of(dict({"memory": "64MiB", "vcpus": "1"}, **params), definition.skeleton(NEW))
    after, _changes = definition.overlay(definition.skeleton(NEW), definition.with_launch_defaults(wanted, NEW))
    schema = etree.RelaxNG(file=SCHEMA)
    # libvirt moves elements into their places by itself; the schema interleaves them but for the text form checked here.
    assert schema.validate(etree.fromstring(_xml.to_text(after))), schema.error_log


@given(BASES, PARAMETERS)
def test_the_given_definition_is_not_touched(base, params):
    before = etree.tostring(base)
    definition.overlay(base, wanted_of(params, base))
    assert etree.tostring(base) == before


def test_changes_are_named_by_option_and_device():
    root = copy.deepcopy(FOREIGN)
    wanted = wanted_of({"memory": "64MiB", "disks": [{"target": "vda", "cache": "unsafe"}], "title": "t"}, root)
    _after, changes = definition.overlay(root, wanted)
    assert {(change.option, change.applies) for change in changes} == {
        ("memory", "next_boot"),
        ("disks[vda].cache", "next_boot"),
        ("title", "live"),
    }


def test_a_password_is_in_no_change():
    wanted = wanted_of({"vnc": {"password": "geheim"}}, definition.skeleton(NEW))
    after, changes = definition.overlay(FOREIGN, wanted)
    assert "geheim" not in repr(changes)
    assert "geheim" not in _xml.redacted_text(after)
    assert "geheim" in _xml.to_text(after)


@pytest.mark.parametrize("option", ["disks", "interfaces"])
def test_purge_removes_the_devices_that_are_not_listed(option):
    kind = definition.KINDS[option]
    after, changes = definition.overlay(FOREIGN, {}, purge=(option,))
    assert kind.elements(FOREIGN) and not kind.elements(after)
    assert [change.option for change in changes] == [kind.subject(element) for element in kind.elements(FOREIGN)]


def test_a_device_that_is_to_be_absent_goes_and_the_others_stay():
    target = FOREIGN.findall("devices/disk/target")[-1].get("dev")
    spec = parse(complete({"name": "foreign", "disks": [{"target": target, "state": "absent"}]}))
    after, changes = definition.overlay(FOREIGN, spec.wanted, removals=spec.removals)
    assert [change.option for change in changes] == [f"disks[{target}]"]
    assert len(after.findall("devices/disk")) == len(FOREIGN.findall("devices/disk")) - 1
    assert definition.overlay(after, spec.wanted, removals=spec.removals)[1] == ()


def test_a_text_for_people_declares_a_namespace_once():
    text = '<domain><metadata><k:a xmlns:k="urn:k"><k:b xmlns:k="urn:k"/></k:a></metadata></domain>'
    assert _xml.redacted_text(_xml.parse(text)).count("xmlns:k") == 1
