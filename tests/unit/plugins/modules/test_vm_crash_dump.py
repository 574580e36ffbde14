# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_crash_dump as Ansible runs it, on the real QEMU driver and on libvirt's in-memory one."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.tests.unit.plugins.kill import chosen, count_points, kill_at
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.returned import differences, documented


@pytest.fixture
def dump(embed_uri, run_module, tmp_path):
    """A function that dumps a guest of the QEMU driver, which is removed afterwards."""
    guest = {"name": "dumped", "uri": embed_uri}
    assert not run_module("vm_instance", dict(guest, memory="32MiB", vcpus="1", vnc={"enabled": False}))["failed"]

    def run(check=False, **params):
        return run_module("vm_crash_dump", dict(guest, **params), check=check)

    run.path = str(tmp_path / "core")
    run.directory = tmp_path
    yield run
    assert not run_module("vm_instance", dict(guest, state="absent"))["failed"]


def test_a_dump_is_foreseen_written_once_and_then_left_alone(dump):
    foreseen = dump(check=True, path=dump.path)
    assert foreseen["changed"] and foreseen["dump"] is None and not list(dump.directory.iterdir())
    done = dump(path=dump.path)
    assert done["actions"] == foreseen["actions"] == [{"action": "dump", "subject": f"dumped to {dump.path}"}]
    file = dump.directory / "core"
    assert done["dump"] == {"path": dump.path, "size": file.stat().st_size}
    assert file.read_bytes()[:4] == b"\x7fELF" and file.stat().st_size > 32 * 1024 * 1024
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(dump.directory.iterdir()) == [file]
    again = dump(path=dump.path, nmi=True)
    assert not again["changed"] and again["dump"] == done["dump"]
    ignored = {"changed", "failed", "diff", "invocation"}
    assert not list(differences({k: v for k, v in done.items() if k not in ignored}, documented("vm_crash_dump")))


def test_a_dump_is_replaced_on_demand(dump):
    (dump.directory / "core").write_bytes(b"old")
    (dump.directory / "core.partial").write_bytes(b"of a run that was killed")
    done = dump(path=dump.path, force=True, nmi=True, mode="live", format="kdump-zlib")
    assert [action["action"] for action in done["actions"]] == ["inject_nmi", "dump"]
    assert (dump.directory / "core").read_bytes()[:8] == b"makedump"
    assert len(list(dump.directory.iterdir())) == 1


def test_a_dump_that_fails_leaves_no_file(dump):
    failed = dump(path=dump.path, format="win-dmp")  # there is no Windows in this guest
    assert failed["failed"] and failed["msg"].startswith("dump dumped to ") and failed["libvirt_error"]
    assert not list(dump.directory.iterdir())


def test_an_nmi_alone_is_sent_in_each_run(dump):
    for _run in range(2):
        sent = dump(nmi=True)
        assert sent["actions"] == [{"action": "inject_nmi", "subject": "dumped"}] and sent["dump"] is None


def test_a_guest_can_be_named_by_its_uuid(dump, run_module, embed_uri):
    uuid = run_module("vm_instance_info", {"uri": embed_uri, "names": ["dumped"]})["instances"][0]["uuid"]
    done = dump(name=uuid, path=dump.path)
    assert done["changed"] and (dump.directory / "core").stat().st_size == done["dump"]["size"]


@pytest.mark.parametrize(("mode", "state"), [("crash", "stopped"), ("reset", "running")])
def test_what_becomes_of_the_guest(dump, run_module, embed_uri, mode, state):
    assert not dump(path=dump.path, mode=mode)["failed"]
    found = run_module("vm_instance_info", {"uri": embed_uri, "names": ["dumped"]})
    assert found["instances"][0]["state"] == state
    assert not dump(path=dump.path, mode=mode)["changed"], "the dump is there, in whatever state the guest is"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "path: no value is given, and nmi is false; one of the two says what is to be done"),
        ({"path": "core"}, "path: 'core' is not allowed; the absolute path of a file on the host is needed"),
        ({"path": "/nowhere/core"}, "path: '/nowhere/core' is not allowed; its directory does not exist on the host"),
        ({"path": "/tmp"}, "path: '/tmp' is not allowed; it exists and is not a file"),
        ({"name": "none", "nmi": True}, "name: there is no guest 'none' on this host"),
        (
            {"path": "/tmp/x", "format": "kdump-zlib", "memory_only": False},
            "format: 'kdump-zlib' is not allowed; it is the memory alone; memory_only: false needs format: raw",
        ),
        (
            {"path": "/tmp/x", "uri": "qemu+ssh://host/system", "bypass_cache": True},
            "uri: 'qemu+ssh://host/system' is not allowed; a dump is a file of libvirt's host: run the task on that host",
        ),
    ],
)
def test_what_is_refused(run_module, shared_uri, params, message):
    result = run_module("vm_crash_dump", dict({"name": "test", "uri": shared_uri}, **params))
    assert result["failed"] and result["msg"] == message


def test_a_guest_that_is_off_has_nothing_to_dump(run_module, shared_uri, tmp_path):
    guest = {"name": "off", "uri": shared_uri}
    run_module("vm_instance", dict(guest, memory="16MiB", vcpus="1", state="stopped"))
    result = run_module("vm_crash_dump", dict(guest, path=str(tmp_path / "core")))
    assert result["msg"] == "name: the guest 'off' is stopped; only a guest that is on can be dumped"
    run_module("vm_instance", dict(guest, state="absent"))


@pytest.mark.parametrize("file", ["core", "core.partial"])
def test_a_disk_is_not_replaced_by_a_dump(dump, run_module, embed_uri, file):
    disk = dump.directory / file
    disk.write_bytes(b"data".ljust(1024**2))
    other = {"name": "other", "uri": embed_uri}
    options = {"memory": "32MiB", "vcpus": "1", "state": "present", "disks": [{"source": str(disk)}]}
    assert not run_module("vm_instance", dict(other, **options))["failed"]
    try:
        for check in (True, False):
            refused = dump(path=dump.path, force=True, nmi=True, check=check)
            assert refused["failed"] and refused["msg"] == (
                f"path: '{dump.path}' is not allowed; the file that it would replace is in use by the guest 'other'"
            )
        assert disk.read_bytes() == b"data".ljust(1024**2)
    finally:
        assert not run_module("vm_instance", dict(other, state="absent"))["failed"]
    assert not dump(path=dump.path, force=True)["failed"]


def test_a_dump_that_is_killed_is_made_by_the_next_run(dump, record_property):
    points = count_points(lambda: dump(path=dump.path, nmi=True))
    assert [name.partition(" ")[2] for name in points if name.startswith("before")] == ["inject_nmi", "dump"]
    numbers = chosen(range(1, len(points) + 1), [points.index("coreDumpWithFormat") + 1])
    record_property("kills", len(numbers))
    for number in numbers:
        for file in dump.directory.iterdir():
            file.unlink()
        where = kill_at(number, lambda: dump(path=dump.path, nmi=True))
        assert not dump(path=dump.path, nmi=True)["failed"], where
        assert [file.name for file in dump.directory.iterdir()] == ["core"], where
        assert not dump(path=dump.path, nmi=True)["changed"], where
