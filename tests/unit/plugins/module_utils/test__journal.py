# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _journal
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import KvmfleetError

URI = "qemu:///system"
# As the version that knew removals alone wrote it, under this name and with this content.
OLD_FILE = "removal-92c0b66d70747a0505487834ec32814e.json"
OLD_TEXT = (
    '{"uri": "qemu:///system", "name": "web01", "volumes": [{"pool": "default", "name": "web01-vda.qcow2", '
    '"path": "/var/lib/libvirt/images/web01-vda.qcow2"}]}'
)


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setattr(_journal, "DIRECTORY", str(tmp_path / "kvmfleet" / "state"))
    return tmp_path / "kvmfleet" / "state"


def test_an_entry_is_kept_until_it_is_forgotten(directory):
    assert _journal.read("swap", URI, "web01") is None
    _journal.record("swap", URI, "web01", {"target": "vda"})
    _journal.record("swap", URI, "web01", {"target": "vdb"})
    assert _journal.read("swap", URI, "web01") == {"uri": URI, "name": "web01", "target": "vdb"}
    assert _journal.read("swap", URI, "web01", lambda data: data["target"]) == "vdb"
    for other in (("removal", URI, "web01"), ("swap", "test:///default", "web01"), ("swap", URI, "web02")):
        assert _journal.read(*other) is None
    _journal.forget("swap", URI, "web01")
    _journal.forget("swap", URI, "web01")
    assert _journal.read("swap", URI, "web01") is None and list(directory.iterdir()) == []


def test_an_entry_is_for_root_alone(directory):
    before = os.umask(0)
    try:
        _journal.record("swap", URI, "web01", {})
    finally:
        os.umask(before)
    (file,) = directory.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600 and directory.stat().st_mode & 0o777 == 0o700


def test_an_entry_that_can_not_be_written_leaves_the_old_one(directory):
    _journal.record("swap", URI, "web01", {"target": "vda"})
    (file,) = directory.iterdir()
    (directory / f"{file.name}.new").mkdir()
    with pytest.raises(KvmfleetError, match=f"^the state file {file} can't be written "):
        _journal.record("swap", URI, "web01", {"target": "vdb"})
    assert _journal.read("swap", URI, "web01")["target"] == "vda"


def test_an_entry_that_can_not_be_put_in_place_leaves_nothing_beside(directory):
    _journal.record("swap", URI, "web01", {})
    (file,) = directory.iterdir()
    file.unlink()
    (file / "in the way").mkdir(parents=True)
    with pytest.raises(KvmfleetError, match="can't be written"):
        _journal.record("swap", URI, "web01", {})
    assert list(directory.iterdir()) == [file]


@pytest.mark.parametrize("text", ["", "[", "[]", "{}", '{"target": 1'])
def test_a_damaged_entry_is_told_with_its_file(directory, text):
    _journal.record("swap", URI, "web01", {})
    (file,) = directory.iterdir()
    file.write_text(text)
    with pytest.raises(KvmfleetError, match=rf"^the state file {file} can't be read \(.*\); mend or remove it$"):
        _journal.read("swap", URI, "web01", lambda data: data["target"])


def test_a_file_of_the_version_before_is_read_and_forgotten(directory):
    directory.mkdir(parents=True)
    (directory / OLD_FILE).write_text(OLD_TEXT)
    assert _journal.read(_journal.REMOVAL, URI, "web01")["volumes"] == [
        {"pool": "default", "name": "web01-vda.qcow2", "path": "/var/lib/libvirt/images/web01-vda.qcow2"}
    ]
    _journal.forget(_journal.REMOVAL, URI, "web01")
    assert list(directory.iterdir()) == []
