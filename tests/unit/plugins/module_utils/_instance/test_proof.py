# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file that we have not made is neither written to nor deleted; on real files, in pools of directories."""

from __future__ import annotations

import contextlib
import os
import subprocess

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _journal, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.recorded import set_metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, KvmfleetError
from ansible_collections.kvmfleet.compute.plugins.module_utils._firstboot import drive
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import resource
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import proof
from ansible_collections.kvmfleet.compute.tests.unit.plugins.kill import Killed, killing
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.test_runs import World, actions

STRANGER = b"the only copy of somebody's data"
GUEST = {"name": "web9", "memory": "64MiB", "vcpus": "1", "virt_type": "qemu", "state": "stopped"}
SOURCE = dict(GUEST, name="source", disks=[{"target": "vda", "size": "1MiB"}])
LAUNCHED = dict(GUEST, image="tiny")
ABSENT = {"name": "web9", "state": "absent"}

# By the kind of file: the tasks that come before, the task that makes the file, and its name.
FILES = {
    "an empty disk": ([], dict(GUEST, disks=[{"target": "vda", "size": "1MiB"}]), "web9-vda.qcow2"),
    "an empty raw disk": ([], dict(GUEST, disks=[{"target": "vda", "size": "1MiB", "format": "raw"}]), "web9-vda.raw"),
    "an overlay on an image": ([], dict(LAUNCHED, root_disk="4MiB"), "web9-vda.qcow2"),
    "a copy of an image": ([], dict(LAUNCHED, image_mode="copy", root_disk="4MiB"), "web9-vda.qcow2"),
    "a further disk": ([LAUNCHED], dict(LAUNCHED, disks=[{"target": "vdb", "size": "1MiB"}]), "web9-vdb.qcow2"),
    "a clone": ([SOURCE], dict(GUEST, clone_from={"name": "source"}), "web9-vda.qcow2"),
    "a linked clone": ([SOURCE], dict(GUEST, clone_from={"name": "source", "mode": "linked"}), "web9-vda.qcow2"),
    "a config drive": ([], dict(GUEST, config_drive={"hostname": "web9"}), None),
    "a rescue disk": ([LAUNCHED], {"name": "web9", "state": "rescued"}, "web9-rescue.qcow2"),
    "the overlay of a resize": (
        [LAUNCHED],
        dict(LAUNCHED, state="running", root_disk="8MiB", resize={"confirm": "manual"}),
        "web9-vda.resize.qcow2",
    ),
}


@pytest.fixture
def world(files_host, tmp_path, monkeypatch):
    """A host with an image in its store, whose volumes are files."""
    conn, uri, directory = files_host
    monkeypatch.setattr(_journal, "DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setattr(drive, "DIRECTORY", str(tmp_path / "scratch"), raising=False)
    image = directory / "images/tiny.0123456789ab.qcow2"
    for command in (f"create -q -f qcow2 {image} 2M", f"bench -q -w -c 1 -f qcow2 {image}"):
        subprocess.run(["qemu-img", *command.split()], check=True, stdout=subprocess.DEVNULL)
    image.chmod(0o644)
    found = World(conn, uri)
    found.directory = directory / "default"
    refresh(found)
    return found


def refresh(world):
    for pool in world.conn.listAllStoragePools():
        pool.refresh(0)


def prepared(world, kind):
    """Do what comes before; return (the task that makes the file, the file)."""
    before, task, name = FILES[kind]
    for params in before:
        world.run(params)
    if name is None:
        (subject,) = [a.subject for a in world.plan(task).actions if a.name == "create_config_drive"]
        name = subject.partition("/")[2]
    return task, world.directory / name


def refused(world, task, file):
    """Assert that a task is refused before anything has changed."""
    guests = world.show()[0]
    with pytest.raises(Conflict, match=f"the volume '{file.name}' exists in pool 'default' and "):
        world.plan(task)
    assert world.show()[0] == guests


def removed(world):
    """Remove the guest, with each extent of what is removed, as far as it can be."""
    for mode in ("owned", "all"):
        with contextlib.suppress(Conflict):
            world.run(dict(ABSENT, remove_storage=mode))


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_the_pool_does_not_know_stays_as_it_is(world, kind):
    task, file = prepared(world, kind)
    file.write_bytes(STRANGER)
    for _run in range(2):
        refused(world, task, file)
        refresh(world)
    removed(world)
    assert file.read_bytes() == STRANGER


@pytest.mark.parametrize("kind", FILES)
def test_what_was_only_planned_is_not_taken_for_made(world, kind):
    """The run died before it made the file, and somebody else has made one since."""
    task, file = prepared(world, kind)
    count = next(n for n, action in enumerate(world.plan(task).actions, 1) if action.name.startswith("create_"))
    with pytest.raises(Killed), killing("before", count):
        world.run(task)
    file.write_bytes(STRANGER)
    for _run in range(2):
        refused(world, task, file)
        refresh(world)
    removed(world)
    assert file.read_bytes() == STRANGER and world.plan(ABSENT).actions == ()


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_put_there_after_the_plan_was_made_stays_as_it_is(world, kind):
    task, file = prepared(world, kind)
    spec = world.spec(task)
    observed = resource.observe(world.conn, spec)
    plan = resource.plan(spec, observed)
    file.write_bytes(STRANGER)
    with pytest.raises(KvmfleetError, match="was not made for this guest"):
        resource.execute(world.conn, spec, observed, plan)
    assert file.read_bytes() == STRANGER
    refused(world, task, file)
    removed(world)
    assert file.read_bytes() == STRANGER


@pytest.mark.parametrize("kind", FILES)
def test_a_run_that_was_killed_before_it_could_record_the_file_is_completed(world, kind, monkeypatch):
    task, file = prepared(world, kind)

    def killed(*_arguments):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(proof, "identity", killed)
        world.run(task)
    made = file.stat().st_ino
    world.run(task)
    assert file.stat().st_ino == made, "it was gone on with"
    assert world.plan(task).actions == ()
    world.run(ABSENT)
    assert not file.exists()


def test_an_unrecorded_file_with_data_is_not_gone_on_with(world, monkeypatch):
    """What a run was to make is empty; a file with something in it is another one."""
    task, file = prepared(world, "an empty disk")
    with pytest.raises(Killed), killing("before", 2):
        world.run(task)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", file, "1M"], check=True)
    subprocess.run(["qemu-img", "bench", "-w", "-c", "1", "-f", "qcow2", file], check=True, stdout=subprocess.DEVNULL)
    content = file.read_bytes()
    refused(world, task, file)
    removed(world)
    assert file.read_bytes() == content


def replace(file):
    """Have another file in the place of one, as when a backup is put back; it may get the inode of the first."""
    os.unlink(file)
    file.write_bytes(STRANGER)


def test_a_file_that_has_taken_the_place_of_ours_is_not_removed(world):
    task, file = prepared(world, "an overlay on an image")
    world.run(task)
    replace(file)
    refresh(world)
    before = world.show()
    with pytest.raises(
        Conflict, match="'web9-vda.qcow2' is not the one that was made for this guest; remove_storage: none"
    ):
        world.run(ABSENT)
    assert world.show() == before
    everything = world.plan(dict(ABSENT, remove_storage="all"))
    assert "delete_volume" in actions(everything), "it is a disk of the guest, as a backup that was put back is"
    world.run(dict(ABSENT, remove_storage="none"))
    assert file.read_bytes() == STRANGER


def test_a_file_that_has_taken_the_place_of_an_old_disk_is_not_dropped(world):
    task, file = prepared(world, "an overlay on an image")
    world.run(task)
    again = dict(task, rebuild="always")
    spec = world.spec(again)
    observed = resource.observe(world.conn, spec)
    plan = resource.plan(spec, observed)
    replace(file)
    done = resource.execute(world.conn, spec, observed, plan)
    assert "can't be deleted; it is not the one that was made for this guest" in done["warnings"][0]
    assert file.read_bytes() == STRANGER
    world.run(ABSENT)
    assert [entry.name for entry in world.directory.iterdir()] == [file.name]


def test_a_file_that_has_taken_the_name_of_a_removed_disk_stays(world):
    """The removal died after it had deleted the file, and before that was known."""
    task, file = prepared(world, "an overlay on an image")
    world.run(task)
    count = actions(world.plan(ABSENT)).index("delete_volume") + 1
    with pytest.raises(Killed), killing("after", count):
        world.run(ABSENT)
    assert not file.exists()
    file.write_bytes(STRANGER)
    refresh(world)
    world.run(ABSENT)
    assert file.read_bytes() == STRANGER and world.plan(ABSENT).actions == ()


def test_a_rebuild_takes_no_name_that_a_file_has(world):
    world.run(LAUNCHED)
    file = world.directory / "web9-vda.1.qcow2"
    file.write_bytes(STRANGER)
    rebuild = dict(LAUNCHED, rebuild="always")
    world.run(rebuild)
    count = actions(world.plan(rebuild)).index("image_disk") + 1
    with pytest.raises(Killed), killing("before", count):
        world.run(rebuild)
    begun = world.directory / "web9-vda.3.qcow2"
    begun.write_bytes(STRANGER)
    world.run(rebuild)
    world.run(ABSENT)
    assert sorted(entry.name for entry in world.directory.iterdir()) == [file.name, begun.name]
    assert file.read_bytes() == begun.read_bytes() == STRANGER


def test_a_rebuild_that_was_killed_before_it_could_record_the_disk_leaves_nothing(world, monkeypatch):
    world.run(LAUNCHED)

    def killed(*_arguments):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(proof, "identity", killed)
        world.run(dict(LAUNCHED, rebuild="always"))
    world.run(dict(LAUNCHED, rebuild="always"))
    assert [entry.name for entry in world.directory.iterdir()] == ["web9-vda.1.qcow2"]


@pytest.mark.parametrize(("status", "left"), [("planned", True), ("next", True), ("ready", False), ("obsolete", False)])
def test_the_records_of_an_earlier_version_are_proof_of_what_was_complete_alone(world, status, left):
    task, file = prepared(world, "an overlay on an image")
    world.run(task)
    domain = world.conn.lookupByName("web9")
    found = metadata.of_managed(_xml.parse(domain.XMLDesc(2)))
    (volume,) = found.volumes
    old = metadata.Volume(volume.target, volume.pool, volume.name, volume.path, status, volume.place)
    set_metadata(domain, metadata.InstanceMetadata(image=found.image, volumes=(old,)), 2)
    done = world.run(ABSENT)
    assert file.exists() == left
    assert len(done.warnings) == left


def test_what_is_recorded_tells_a_file_from_the_next_one_of_its_name(world):
    task, file = prepared(world, "an overlay on an image")
    world.run(task)
    (volume,) = metadata.of_managed(_xml.parse(world.conn.lookupByName("web9").XMLDesc(2))).volumes
    inode, born = volume.proof.split()
    assert inode == str(file.stat().st_ino) and float(born) > 0
