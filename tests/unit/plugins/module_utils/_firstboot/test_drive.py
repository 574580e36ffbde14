# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of config drives: read by other tools than made them, the same bytes for the same files, for their owner alone."""

from __future__ import annotations

import os
import signal
import stat
import subprocess

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _temporary
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import KvmfleetError, Unsupported
from ansible_collections.kvmfleet.compute.plugins.module_utils._firstboot import description, drive, layout
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._firstboot.descriptions import UUID, WHOLE

BOTH = [(label, image_format) for label in ("config-2", "cidata") for image_format in drive.FORMATS]


def files(label):
    return layout.files(label, description.parse(WHOLE), "web1", UUID)


def build(path, label="cidata", image_format="iso9660", content=None):
    drive.build(files(label) if content is None else content, label, image_format, str(path))
    return path.read_bytes()


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60).stdout


def label_of(image):
    return output("/sbin/blkid", "--probe", "--match-tag", "LABEL", "--output", "value", image).decode().strip()


def read_rock_ridge(image):
    names = output("isoinfo", "-R", "-f", "-i", image).decode().split()
    found = {name[1:]: output("isoinfo", "-R", "-x", name, "-i", image) for name in names}
    return {name: content for name, content in found.items() if content or f"/{name}/" not in " ".join(names)}


def read_joliet(image):
    names = output("isoinfo", "-J", "-f", "-i", image).decode().split()
    return {name[1:] for name in names}


def read_vfat(image, directory):
    output("mcopy", "-s", "-n", "-i", image, "::/", directory)
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("label", ["config-2", "cidata"])
def test_an_iso_9660_image_has_the_files_under_both_kinds_of_names(tmp_path, label):
    image = tmp_path / "drive.iso"
    build(image, label)
    assert read_rock_ridge(image) == files(label)
    assert set(files(label)) <= read_joliet(image)
    assert label_of(image) == label


@pytest.mark.parametrize("label", ["config-2", "cidata"])
def test_a_vfat_image_has_the_files(tmp_path, label):
    image = tmp_path / "drive.img"
    build(image, label, "vfat")
    (tmp_path / "out").mkdir()
    assert read_vfat(image, tmp_path / "out") == files(label)
    assert label_of(image) == label


@pytest.mark.parametrize(("label", "image_format"), BOTH)
def test_the_same_files_have_the_same_bytes(tmp_path, monkeypatch, label, image_format):
    first = build(tmp_path / "first", label, image_format)
    # Elsewhere, at another time, by another user's settings, in another order.
    (tmp_path / "deeper").mkdir()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    monkeypatch.setenv("HOME", str(tmp_path / "deeper"))
    monkeypatch.chdir(tmp_path / "deeper")
    (tmp_path / "deeper/.xorrisorc").write_text("-preparer_id somebody\n")
    (tmp_path / "deeper/.mtoolsrc").write_text("mtools_lower_case=1\n")
    old = os.umask(0)
    try:
        os.utime(tmp_path / "first", (0, 0))
        second = build(tmp_path / "deeper/second", label, image_format, dict(reversed(files(label).items())))
    finally:
        os.umask(old)
    assert first == second


@pytest.mark.parametrize(("label", "image_format"), BOTH)
def test_other_files_have_other_bytes(tmp_path, label, image_format):
    changed = {path: content + b" " for path, content in files(label).items()}
    assert build(tmp_path / "a", label, image_format) != build(tmp_path / "b", label, image_format, changed)


@pytest.mark.parametrize("image_format", drive.FORMATS)
def test_an_image_is_for_its_owner_alone_and_nothing_else_is_left(tmp_path, image_format):
    old = os.umask(0)
    try:
        image = tmp_path / "drive"
        image.write_bytes(b"what was there before")
        build(image, image_format=image_format)
    finally:
        os.umask(old)
    assert stat.S_IMODE(image.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [image]


@pytest.mark.parametrize("image_format", drive.FORMATS)
def test_an_empty_file_and_a_big_one(tmp_path, image_format):
    content = {"meta-data": b"", "user-data": b"x" * (5 * 1024 * 1024 + 1)}
    image = tmp_path / "drive"
    build(image, image_format=image_format, content=content)
    if image_format == "vfat":
        (tmp_path / "out").mkdir()
        assert read_vfat(image, tmp_path / "out") == content
    else:
        assert read_rock_ridge(image) == content


@pytest.mark.parametrize(
    ("image_format", "program", "package"), [("iso9660", "xorriso", "xorriso"), ("vfat", "mkfs.vfat", "dosfstools")]
)
def test_a_host_without_the_tool_says_what_to_install(tmp_path, monkeypatch, image_format, program, package):
    image = tmp_path / "drive"
    image.write_bytes(b"what was there before")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unsupported) as missing:
        build(image, image_format=image_format)
    assert str(missing.value) == (
        f"{program} is missing on the host, which makes config drives; install the package {package} there"
    )
    assert image.read_bytes() == b"what was there before"
    assert list(tmp_path.iterdir()) == [image]


def test_a_tool_that_fails_leaves_what_was_there(tmp_path):
    image = tmp_path / "drive"
    image.write_bytes(b"what was there before")
    with pytest.raises(KvmfleetError, match="the config drive can't be made: xorriso failed: .*FAILURE"):
        build(image, label="x" * 40, content={"user-data": b"secret"})
    assert image.read_bytes() == b"what was there before"
    assert list(tmp_path.iterdir()) == [image]


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The directory that private ones are made in."""
    monkeypatch.setattr(_temporary, "DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ("run" if os.geteuid() == 0 else ".local/state/kvmfleet/temporary")


def killed_with_a_secret():
    """Have a process write a secret into a private directory, and be killed."""
    child = os.fork()
    if not child:
        with _temporary.directory() as directory:
            with open(f"{directory}/secret", "w") as stream:
                stream.write("secret")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_what_a_killed_run_left_is_removed_by_the_next(scratch):
    killed_with_a_secret()
    (left,) = scratch.glob("*/secret")
    for directory in (scratch, left.parent):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    _temporary.tidy()
    with _temporary.directory() as directory:
        assert [str(path) for path in scratch.iterdir()] == [directory]
    assert list(scratch.iterdir()) == []


def test_what_a_living_run_has_stays(scratch):
    with _temporary.directory() as first, _temporary.directory() as second:
        _temporary.tidy()
        assert sorted(map(str, scratch.iterdir())) == sorted([first, second])
