# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_image_info: what a store holds, and who uses it; real files, libvirt's in-memory driver."""

from __future__ import annotations

import os
import subprocess
import time

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.uses import backing_file
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.returned import differences, documented
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.test_vm_image import checksum, version_of


@pytest.fixture
def info(host, run_module):
    def run(**params):
        return run_module("vm_image_info", dict({"uri": host.uri}, **params))

    return run


def overlay(base, path):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "qcow2", str(path)], check=True)
    return str(path)


def test_each_version_newest_first(host, info, make_image):
    old, new = make_image("old.qcow2"), make_image("new.qcow2")
    host.run(src=str(old))
    os.utime(host.store / version_of(old), (time.time() - 1000, time.time() - 1000))
    host.run(src=str(new))
    host.run(name="another", src=str(new))
    (host.store / "notes.txt").write_text("no image")
    result = info()
    assert not result["changed"]
    found = [(entry["name"], entry["volume"], entry["current"]) for entry in result["images"]]
    assert found == [
        ("another", version_of(new, "another"), True),
        ("debian", version_of(new), True),
        ("debian", version_of(old), False),
    ]
    assert 1000 <= result["images"][2]["age"] < 2000 and result["images"][0]["age"] < 1000
    assert result["images"][2]["checksum"] == checksum(old)
    assert [entry["name"] for entry in info(name="debian")["images"]] == ["debian", "debian"]
    assert info(name="nowhere")["images"] == []


def test_the_result_is_what_the_documentation_says(host, info, make_image):
    host.run(src=str(make_image()))
    result = info()
    assert list(differences({"images": result["images"]}, documented("vm_image_info"))) == []


def test_who_uses_a_version(host, info, make_image, tmp_path):
    image = make_image()
    host.run(src=str(image))
    base = host.store / version_of(image)
    # The first in a guest's definition alone, the second on the first, the third in a pool that libvirt has not refreshed.
    first = overlay(base, tmp_path / "first.qcow2")
    second = overlay(first, tmp_path / "second.qcow2")
    third = overlay(base, host.store / "third.qcow2")
    host.disks = {"near": first, "far": second}
    assert info()["images"][0]["used_by"] == {"guests": ["far", "near"], "overlays": sorted([first, third])}


def test_what_nobody_uses(host, info, make_image):
    host.run(src=str(make_image()))
    assert info()["images"][0]["used_by"] == {"guests": [], "overlays": []}


def test_bad_input(info):
    assert "name: 'a/b' is not allowed" in info(name="a/b")["msg"]
    assert "pool: 'nowhere' is not an active storage pool" in info(pool="nowhere")["msg"]


def test_the_base_of_a_file(make_image, tmp_path):
    image = make_image()
    near = tmp_path / "near.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image.name, "-F", "qcow2", near], check=True)
    assert backing_file(str(near)) == str(image)
    assert backing_file(str(image)) is None
    assert backing_file("/etc/passwd") is None
    assert backing_file("/dev/null") is None
    assert backing_file("/no/such/file") is None
