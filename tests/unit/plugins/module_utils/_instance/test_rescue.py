# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rescue and back: the definition is what it was, and what can't be rescued is refused before anything is changed."""

from __future__ import annotations

import copy
import pathlib

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.describe import Facts
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, InvalidInput, NotFound
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import storage
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.observe import Observed
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.plan import plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import rescue
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.spec import parse
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.volumes import PoolFacts, VolumeFacts
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.specs import complete
from lxml import etree

HERE = pathlib.Path(__file__).parents[1] / "_domain"
DEFINITIONS = ["running-guest.xml", "foreign-guest.xml"]
IMAGE = VolumeFacts("images", "tiny.qcow2", "/images/tiny.qcow2", "qcow2", 1 << 30)
STORAGE = storage.StorageFacts(
    pools={"default": PoolFacts("default", "dir", "/pool")}, images={"tiny": IMAGE}, known_images=("tiny",)
)


def definition(name="running-guest.xml", managed=True):
    root = _xml.parse((HERE / name).read_text(encoding="utf-8"))
    found = metadata.read(root) or metadata.InstanceMetadata()
    if managed:
        metadata.write(root, found)
    elif metadata.find(root) is not None:
        metadata.find(root).getparent().remove(metadata.find(root))
    return root


def observed(root, state="running", facts=STORAGE, ours=frozenset()):
    known = Facts(root.findtext("name"), root.findtext("uuid"), 1, state, "booted", True, False)
    live = None if state == "stopped" else copy.deepcopy(root)
    return Observed(
        exists=True, facts=known, inactive=root, live=live, hotplug=True, storage=facts, procedures={"rescue": ours}
    )


def spec(root, **options):
    return parse(complete(dict({"name": root.findtext("name"), "state": "rescued"}, **options)))


def actions(found):
    return [action.name for action in found.actions]


def _ordered(root):
    """The definition as a text in which the order of a device's parts, which means nothing, is one."""
    for device in root.find("devices"):
        device[:] = sorted(device, key=etree.tostring)
    return etree.tostring(root, method="c14n")


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_guest_that_is_brought_back_is_the_one_that_was_rescued(name):
    root = definition(name)
    wanted = spec(root, rescue={"image": "tiny"})
    entered, volume = rescue.entered(wanted, observed(root), root)
    disks = entered.findall("devices/disk")
    assert [_xml.get(disk, "target/@dev") for disk in disks[:-1]] == [
        _xml.get(disk, "target/@dev") for disk in root.findall("devices/disk")
    ]
    assert _xml.get(disks[-1], "target/@dev") == volume.target
    assert [element.getparent().tag for element in entered.iter("boot")] == ["disk"]
    assert _xml.get(disks[-1], "boot/@order") == "1"
    back = rescue.left(entered)
    found = metadata.read(back)
    assert found.rescue is None
    assert [(item.name, item.status) for item in found.volumes if item.target == volume.target] == [
        (volume.name, "obsolete")
    ]
    for each in (root, back):
        each.find("metadata").remove(metadata.find(each))
    assert _ordered(back) == _ordered(root)


def test_the_steps_there_and_back():
    root = definition()
    there = plan(spec(root, rescue={"image": "tiny", "root_password": "geheim"}), observed(root))
    assert actions(there) == ["shutdown", "define", "create_volume", "start", "open_rescue"]
    assert "geheim" not in repr(there)
    rescued = there.actions[1].data
    assert actions(plan(spec(root, state="present"), observed(rescued))) == []
    back = plan(spec(root, state="stopped"), observed(rescued))
    assert actions(back) == ["shutdown", "define", "drop_volume"]
    assert actions(plan(spec(root, state="running"), observed(rescued, state="stopped"))) == [
        "define",
        "start",
        "drop_volume",
    ]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rescue": {"image": "nowhere"}}, NotFound, "rescue.image: 'nowhere' is not in the image store; it has tiny"),
        ({}, InvalidInput, "rescue.image: no value is given, and the guest .* was made without an image"),
        ({"pool": "elsewhere", "rescue": {"image": "tiny"}}, NotFound, "pool: 'elsewhere' is not an active pool"),
    ],
)
def test_what_can_not_be_rescued_is_refused(options, error, message):
    root = definition("foreign-guest.xml")
    with pytest.raises(error, match=message):
        plan(spec(root, **options), observed(root))


def test_a_guest_must_be_there_and_managed():
    with pytest.raises(InvalidInput, match="state: 'rescued' is not allowed; there is no guest 'web01' to rescue"):
        plan(parse(complete({"name": "web01", "state": "rescued"})), Observed(exists=False))
    root = definition(managed=False)
    with pytest.raises(Conflict, match="is not managed, so nothing would bring it back"):
        plan(spec(root, rescue={"image": "tiny"}), observed(root))


def test_the_rescue_disk_is_not_purged_and_not_somebody_elses():
    root = definition()
    rescued, volume = rescue.entered(spec(root, rescue={"image": "tiny"}), observed(root), root)
    with pytest.raises(Conflict, match="purge: the guest .* is rescued"):
        plan(spec(root, state="present", purge=["disks"]), observed(rescued))
    foreign = VolumeFacts("default", volume.name, volume.path, "qcow2", 1)
    facts = storage.StorageFacts(
        pools=STORAGE.pools, images=STORAGE.images, volumes={("default", volume.name): foreign}
    )
    with pytest.raises(Conflict, match="rescue: the volume '.*-rescue.qcow2' exists in pool 'default'"):
        plan(spec(root, rescue={"image": "tiny"}), observed(root, facts=facts))


def test_options_of_a_rescue_need_one():
    with pytest.raises(InvalidInput, match=r"rescue: \['image'.*\] is not allowed; it needs state: rescued"):
        parse(complete({"name": "a", "state": "running", "rescue": {"image": "tiny"}}))
