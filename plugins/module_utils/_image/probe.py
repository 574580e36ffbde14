# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Tell what an image that nobody vouches for is, from its own bytes, and refuse what is dangerous or broken.

A qcow2 image can name other files of the host (a backing file, an external data file), which the guest would then read:
such images are refused, as are encrypted ones. QEMU itself is not asked, since it would open those files.

Source: QEMU's docs/interop/qcow2.txt.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors

SECTOR = 512
ALLOWED = "an image is a whole qcow2 or raw file"

# (offset, bytes, what it is) of what would otherwise be taken for raw. A negative offset counts from the end.
_OTHER_FORMATS = (
    (0, b"KDMV", "a VMDK image"),
    (0, b"COWD", "a VMDK image"),
    (0, b"# Disk DescriptorFile", "the description of a VMDK image"),
    (0, b"vhdxfile", "a VHDX image"),
    (0, b"conectix", "a VHD image"),
    (-SECTOR, b"conectix", "a VHD image"),
    (64, b"\x7f\x10\xda\xbe", "a VDI image"),
    (0, b"QED\0", "a QED image"),
    (0, b"WithoutFreeSpace", "a Parallels image"),
    (0, b"WithouFreSpacExt", "a Parallels image"),
    (-SECTOR, b"koly", "an Apple disk image"),
    (0, b"LUKS\xba\xbe", "encrypted (LUKS)"),
    (0, b"\x1f\x8b", "compressed (gzip)"),
    (0, b"BZh", "compressed (bzip2)"),
    (0, b"\xfd7zXZ\0", "compressed (xz)"),
    (0, b"\x28\xb5\x2f\xfd", "compressed (zstd)"),
    (0, b"PK\x03\x04", "a zip archive"),
    (257, b"ustar", "a tar archive"),
)
_MARKUP = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")

_QCOW2_MAGIC = b"QFI\xfb"
# Fields of the header in their order: version 2 has the first group alone.
_VERSION_2 = struct.Struct(">4sIQIIQIIQQIIQ")
_VERSION_3 = struct.Struct(">QQQII")
_DIRTY, _CORRUPT, _DATA_FILE, _COMPRESSION, _EXTENDED_L2 = (1 << bit for bit in range(5))
_CLUSTER_BITS = range(9, 22)
_OFFSET_MASK = 0x00FFFFFFFFFFFE00
_COMPRESSED_CLUSTER = 1 << 62
# QEMU's own limit (QCOW_MAX_L1_SIZE); it bounds what is read here.
_MAXIMUM_L1_BYTES = 32 * 1024**2


@dataclass(frozen=True)
class Probed:
    """What an image is: its format, and the bytes of the disk that a guest sees."""

    format: str
    virtual_size: int


def probe(stream, option, source, wanted="auto"):
    """Return the Probed of an open binary file.

    `option` and `source` say in errors where the image is from; `wanted` is the format it must have, or auto.
    Raises InvalidInput when the image is of another format, dangerous or broken.
    """

    def refuse(reason):
        raise _errors.InvalidInput.of(option, source, f"it is {reason}, and {ALLOWED}")

    size = stream.seek(0, os.SEEK_END)
    if not size:
        refuse("empty")
    head = _read(stream, 0, SECTOR)
    if head.startswith(_QCOW2_MAGIC):
        probed = Probed("qcow2", _qcow2_virtual_size(stream, size, head, refuse))
    else:
        probed = Probed("raw", _raw_size(stream, size, head, refuse))
    if wanted not in ("auto", probed.format):
        raise _errors.InvalidInput.of("format", wanted, f"the image {source} is {probed.format}")
    return probed


def _read(stream, offset, length):
    stream.seek(offset)
    return stream.read(length)


def _raw_size(stream, size, head, refuse):
    for offset, magic, what in _OTHER_FORMATS:
        if _read(stream, offset if offset >= 0 else max(0, size + offset), len(magic)) == magic:
            refuse(what)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_MARKUP):
        refuse("a web page")
    if size % SECTOR:
        refuse(f"neither qcow2 nor a whole number of sectors of {SECTOR} bytes: truncated, or no disk at all")
    return size


def _qcow2_virtual_size(stream, size, head, refuse):
    if len(head) < _VERSION_2.size + _VERSION_3.size:
        refuse("a truncated qcow2 image")
    (
        _magic,
        version,
        backing_offset,
        backing_size,
        cluster_bits,
        virtual_size,
        encryption,
        l1_entries,
        l1_offset,
        refcount_offset,
        refcount_clusters,
        _snapshots,
        _snapshots_offset,
    ) = _VERSION_2.unpack_from(head)
    if version not in (2, 3):
        refuse(f"a qcow2 image of the unknown version {version}")
    features = _VERSION_3.unpack_from(head, _VERSION_2.size)[0] if version == 3 else 0
    if backing_offset or backing_size:
        refuse("a qcow2 image with a backing file, which could be any file of the host")
    if features & _DATA_FILE:
        refuse("a qcow2 image with an external data file, which could be any file of the host")
    if encryption:
        refuse("an encrypted qcow2 image")
    if features & _CORRUPT:
        refuse("a qcow2 image that is marked as corrupt")
    if features & ~(_DIRTY | _COMPRESSION | _EXTENDED_L2):
        refuse("a qcow2 image with unknown features")
    if cluster_bits not in _CLUSTER_BITS or not virtual_size:
        refuse("a damaged qcow2 image")
    cluster = 1 << cluster_bits
    # An entry of the L1 table is for as many clusters as an L2 table, which fills one cluster, has entries.
    covered = l1_entries * cluster * (cluster // (16 if features & _EXTENDED_L2 else 8))
    if virtual_size > covered or l1_entries * 8 > _MAXIMUM_L1_BYTES:
        refuse("a damaged qcow2 image")
    if l1_offset + l1_entries * 8 > size or refcount_offset + refcount_clusters * cluster > size:
        refuse("a truncated qcow2 image")
    if _end_of_data(stream, cluster_bits, l1_offset, l1_entries, bool(features & _EXTENDED_L2)) > size:
        refuse("a truncated qcow2 image")
    return virtual_size


def _end_of_data(stream, cluster_bits, l1_offset, l1_entries, extended):
    """Return the least size in bytes that the file must have for all L2 tables, and for the data of the last of them.

    Tables lie among the data as it was written, so that a file that was cut off does not have this size; to read all
    tables would take long for large images.
    """
    cluster = 1 << cluster_bits
    tables = [entry & _OFFSET_MASK for entry in _numbers(_read(stream, l1_offset, l1_entries * 8))]
    last = max(tables, default=0)
    if not last:
        return 0
    entries = _numbers(_read(stream, last, cluster))[:: 2 if extended else 1]
    compressed_mask = (1 << (62 - (cluster_bits - 8))) - 1
    clusters = [entry & (compressed_mask if entry & _COMPRESSED_CLUSTER else _OFFSET_MASK) for entry in entries]
    # The last cluster with data need not be filled: one byte of it is all that is sure.
    return max(last + cluster, max(clusters, default=0) + 1)


def _numbers(data):
    """Return the 64-bit big-endian numbers of a table, as many as are whole."""
    count = len(data) // 8
    return struct.unpack(f">{count}Q", data[: count * 8])
