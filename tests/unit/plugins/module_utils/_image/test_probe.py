# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""probe: images made by qemu-img are told apart, and dangerous, broken and foreign ones are refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import subprocess
import tarfile

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.probe import Probed, probe
from hypothesis import given
from hypothesis import strategies as st

MIB = 1024**2


def create(path, *arguments, image_format="qcow2", size="10M"):
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", image_format, *arguments, str(path), *([size] if size else [])], check=True
    )
    return path


def full(path, *arguments, image_format="qcow2", size=3 * MIB):
    """Make an image with data in all its clusters."""
    raw = path.with_suffix(".source")
    raw.write_bytes(os.urandom(size))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", image_format, *arguments, raw, path], check=True)
    return path


def overwrite(path, offset, field, value):
    """Write a number, as a format of struct, into a file."""
    with open(path, "r+b") as stream:
        stream.seek(offset)
        stream.write(struct.pack(field, value))


def probe_file(path, wanted="auto"):
    with open(path, "rb") as stream:
        return probe(stream, "src", str(path), wanted)


def refused(path, wanted="auto"):
    with pytest.raises(InvalidInput) as caught:
        probe_file(path, wanted)
    return caught.value.message


@pytest.mark.parametrize(
    "options",
    ["compat=1.1", "compat=0.10", "cluster_size=512", "cluster_size=2M", "extended_l2=on,cluster_size=128k"],
)
def test_qcow2(tmp_path, options):
    assert probe_file(create(tmp_path / "empty.qcow2", "-o", options)) == Probed("qcow2", 10 * MIB)
    assert probe_file(full(tmp_path / "full.qcow2", "-o", options)) == Probed("qcow2", 3 * MIB)


@pytest.mark.parametrize("arguments", [("-c",), ("-c", "-o", "compression_type=zstd"), ("-o", "preallocation=full")])
def test_compressed_and_preallocated_qcow2(tmp_path, arguments):
    assert probe_file(full(tmp_path / "a.qcow2", *arguments)) == Probed("qcow2", 3 * MIB)


def test_a_large_disk(tmp_path):
    assert probe_file(create(tmp_path / "a.qcow2", size="2T")) == Probed("qcow2", 2 * 1024**4)


def test_raw(tmp_path):
    assert probe_file(create(tmp_path / "zero.raw", image_format="raw")) == Probed("raw", 10 * MIB)
    assert probe_file(full(tmp_path / "full.raw", image_format="raw")) == Probed("raw", 3 * MIB)


def test_a_backing_file_is_refused(tmp_path):
    base = create(tmp_path / "base.qcow2")
    overlay = create(tmp_path / "overlay.qcow2", "-b", str(base), "-F", "qcow2")
    assert refused(overlay) == (
        f"src: {str(overlay)!r} is not allowed; it is a qcow2 image with a backing file, "
        "which could be any file of the host, and an image is a whole qcow2 or raw file"
    )


def test_a_data_file_is_refused(tmp_path):
    data = tmp_path / "data.raw"
    assert "external data file" in refused(create(tmp_path / "a.qcow2", "-o", f"data_file={data}"))


def test_encryption_is_refused(tmp_path):
    secret = ("--object", "secret,id=key,data=secret", "-o", "encrypt.format=aes,encrypt.key-secret=key")
    image = create(tmp_path / "a.qcow2", *secret)
    assert "an encrypted qcow2 image" in refused(image)
    overwrite(image, 32, ">I", 2)  # LUKS
    assert "an encrypted qcow2 image" in refused(image)


@pytest.mark.parametrize("image_format", ["vmdk", "vdi", "vhdx", "vpc", "qed", "parallels"])
def test_other_formats_are_refused(tmp_path, image_format):
    names = {"vpc": "VHD", "parallels": "Parallels"}
    image = create(tmp_path / "image", image_format=image_format)
    assert f"it is a {names.get(image_format, image_format.upper())} image, and" in refused(image)
    assert "image, and" in refused(image, wanted="raw")


def test_a_fixed_vhd_is_refused(tmp_path):
    image = create(tmp_path / "image", "-o", "subformat=fixed", image_format="vpc")
    assert "it is a VHD image" in refused(image)


def test_a_split_vmdk_is_refused(tmp_path):
    image = create(tmp_path / "image.vmdk", "-o", "subformat=monolithicFlat", image_format="vmdk")
    assert "it is the description of a VMDK image" in refused(image)


def test_luks_is_refused(tmp_path):
    image = tmp_path / "image"
    image.write_bytes(b"LUKS\xba\xbe\0\2".ljust(4096, b"\0"))
    assert "it is encrypted (LUKS)" in refused(image)


@pytest.mark.parametrize(("name", "module"), [("gzip", gzip), ("bzip2", bz2), ("xz", lzma)])
def test_compressed_files_are_refused(tmp_path, name, module):
    packed = tmp_path / "packed"
    packed.write_bytes(module.compress(create(tmp_path / "image", image_format="raw").read_bytes()))
    assert f"it is compressed ({name})" in refused(packed)


def test_an_archive_is_refused(tmp_path):
    image = create(tmp_path / "image", image_format="raw")
    with tarfile.open(tmp_path / "archive", "w") as archive:
        archive.add(image)
    assert "it is a tar archive" in refused(tmp_path / "archive")


@pytest.mark.parametrize("text", ["<!DOCTYPE html><p>not found", "\n\n <html>\n", '\ufeff<?xml version="1.0"?>'])
def test_a_web_page_is_refused(tmp_path, text):
    page = tmp_path / "page"
    page.write_bytes(text.encode().ljust(4096))
    assert "it is a web page" in refused(page)


def test_what_is_no_whole_disk_is_refused(tmp_path):
    empty, text = tmp_path / "empty", tmp_path / "text"
    empty.write_bytes(b"")
    text.write_bytes(b"not found\n")
    assert "it is empty" in refused(empty)
    assert "whole number of sectors" in refused(text)


@pytest.mark.parametrize("kept", [4, 50, 103, 512, 65536, 200000, 3 * MIB])
def test_a_truncated_qcow2_is_refused(tmp_path, kept):
    image = full(tmp_path / "a.qcow2", "-o", "cluster_size=4k")
    assert image.stat().st_size > kept
    os.truncate(image, kept)
    assert "it is a truncated qcow2 image" in refused(image)


@pytest.mark.parametrize(
    ("offset", "field", "value", "said"),
    [
        (4, ">I", 1, "unknown version 1"),
        (4, ">I", 4, "unknown version 4"),
        (20, ">I", 8, "damaged"),
        (20, ">I", 63, "damaged"),
        (24, ">Q", 0, "damaged"),
        (24, ">Q", 2**62, "damaged"),
        (36, ">I", 0xFFFFFFFF, "damaged"),
        (40, ">Q", 2**63, "truncated"),
        (48, ">Q", 2**63, "truncated"),
        (56, ">I", 0xFFFFFFFF, "truncated"),
        (72, ">Q", 2, "marked as corrupt"),
        (72, ">Q", 32, "unknown features"),
        (72, ">Q", 2**63, "unknown features"),
    ],
)
def test_a_damaged_header_is_refused(tmp_path, offset, field, value, said):
    image = create(tmp_path / "a.qcow2")
    overwrite(image, offset, field, value)
    assert said in refused(image)


def test_the_format_must_be_the_one_that_was_asked_for(tmp_path):
    qcow2, raw = create(tmp_path / "a.qcow2"), create(tmp_path / "a.raw", image_format="raw")
    assert probe_file(qcow2, "qcow2").format == "qcow2"
    assert probe_file(raw, "raw").format == "raw"
    assert refused(qcow2, "raw") == f"format: 'raw' is not allowed; the image {qcow2} is qcow2"
    assert refused(raw, "qcow2") == f"format: 'qcow2' is not allowed; the image {raw} is raw"


@given(st.binary(max_size=2048).map(lambda tail: b"QFI\xfb\0\0\0\3" + tail) | st.binary(max_size=2048))
def test_whatever_the_bytes_are_the_answer_is_a_format_or_a_sentence(content):
    try:
        assert probe(io.BytesIO(content), "src", "/image").virtual_size > 0
    except InvalidInput as refusal:
        assert refusal.message.startswith("src: '/image' is not allowed; it is ")
