# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_image_prune: what goes and what stays; real files, libvirt's in-memory driver."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.returned import differences, documented
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.test_vm_image import version_of
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.test_vm_image_info import overlay

DAY = 24 * 3600


@pytest.fixture
def prune(host, run_module):
    """A function that runs the module, in check mode before, which says the same."""

    def run(**params):
        arguments = dict({"uri": host.uri, "older_than": "0s"}, **params)
        before = host.state()
        foreseen = run_module("vm_image_prune", arguments, check=True)
        assert host.state() == before
        done = run_module("vm_image_prune", arguments)
        assert {**foreseen, "invocation": None} == {**done, "invocation": None}
        return done

    return run


@pytest.fixture
def versions(host, make_image):
    """The paths of three versions of debian in the store, put there three, two and one days ago."""
    paths = []
    for days in (3, 2, 1):
        image = make_image(f"{days}.qcow2")
        host.run(src=str(image))
        paths.append(host.store / version_of(image))
    for days, path in zip((3, 2, 1), paths):
        os.utime(path, (time.time() - days * DAY - 60,) * 2)
    return paths


def test_all_but_the_newest(host, prune, versions):
    done = prune()
    assert [action["action"] for action in done["actions"]] == ["delete", "delete", "refresh_pool"]
    assert [entry["volume"] for entry in done["pruned"]] == [versions[1].name, versions[0].name]
    assert host.files() == [versions[2].name] and host.info_files() == [f"{versions[2].name}.json"]
    assert list(differences({"pruned": done["pruned"]}, {"pruned": documented("vm_image_prune")["pruned"]})) == []
    assert not prune()["changed"]


@pytest.mark.parametrize(
    ("older_than", "stay"), [("12h", [2]), ("36h", [2]), ("2d", [2]), ("60h", [1, 2]), ("4d", [0, 1, 2])]
)
def test_by_age(host, prune, versions, older_than, stay):
    prune(older_than=older_than)
    assert host.files() == sorted(versions[number].name for number in stay)


@pytest.mark.parametrize(("keep", "stay"), [(0, []), (1, [2]), (2, [1, 2]), (5, [0, 1, 2])])
def test_by_number(host, prune, versions, keep, stay):
    prune(keep=keep)
    assert host.files() == sorted(versions[number].name for number in stay)


def test_what_is_needed_stays(host, prune, versions, tmp_path):
    # A guest's disk itself; the base of a disk that is in no pool; the base of a volume that libvirt tells of.
    host.disks = {"one": str(versions[0]), "two": overlay(versions[1], tmp_path / "two.qcow2")}
    host.overlays = {"three.qcow2": str(versions[2])}
    assert not prune(keep=0)["changed"]
    host.disks = {}
    assert [entry["volume"] for entry in prune(keep=0)["pruned"]] == [versions[1].name, versions[0].name]
    assert host.files() == [versions[2].name]


def test_a_file_that_only_has_the_name_of_a_version_stays(host, prune, versions):
    file = host.store / "debian.0123456789ab.qcow2"
    file.write_bytes(b"the only copy of somebody's data")
    os.utime(file, (1, 1))
    prune(keep=0)
    assert host.files() == [file.name]
    assert f"its version {file.name} is no image that was stored here" in host.fail(state="absent")
    assert file.read_bytes() == b"the only copy of somebody's data"


def test_a_version_whose_deletion_was_interrupted_is_known_by_its_content(host, prune, versions):
    (host.store.parent / "image-info" / f"{versions[0].name}.json").unlink()
    assert [entry["volume"] for entry in prune()["pruned"]] == [versions[1].name, versions[0].name]


def test_only_one_image(host, prune, versions, make_image):
    host.run(name="another", src=str(make_image()))
    prune(name="another", keep=0)
    assert host.files() == sorted(path.name for path in versions)


def test_an_image_whose_base_is_in_no_pool_is_not_removed_either(host, versions, tmp_path):
    host.disks = {"two": overlay(versions[1], tmp_path / "two.qcow2")}
    assert "is the base of" in host.fail(state="absent")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"older_than": "soon"}, "older_than: 'soon' is not allowed; a time is a number and one of"),
        ({"keep": -1}, "keep: -1 is not allowed; it is a number of versions, 0 or more"),
        ({"name": "a/b"}, "name: 'a/b' is not allowed"),
        ({"timeout": "long"}, "timeout: 'long' is not allowed"),
        ({"pool": "nowhere"}, "pool: 'nowhere' is not an active storage pool"),
    ],
)
def test_bad_input(host, run_module, params, said):
    result = run_module("vm_image_prune", dict({"uri": host.uri, "older_than": "0s"}, **params))
    assert result["failed"] and said in result["msg"]
