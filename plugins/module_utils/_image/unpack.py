# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Unpack an image that was compressed for its way: xz, gzip, bzip2 and zstd."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import shutil
import subprocess
import time
import zlib

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import source as image_source

# What a dictionary of xz may take. `xz -9` needs 65 MiB.
MEMORY = 512 * 1024**2


def unpack(spec, packed, kind, target, deadline, limit):
    """Write what a compressed file has into another file; both are open binary files. `kind` is what source.packing said.

    limit(total): raises KvmfleetError when so many bytes are too many. Raises KvmfleetError, TimedOut; OSError is the target's.
    """
    packed.seek(0)
    total = 0
    for chunk in _chunks(spec, packed, kind):
        if time.monotonic() > deadline:
            raise _errors.TimedOut(
                f"{spec.option}: {spec.source!r} was not unpacked in time; {total} bytes came before the timeout"
            )
        total += len(chunk)
        limit(total)
        image_source.write_sparse(target, chunk)
    target.truncate(total)


def _chunks(spec, packed, kind):
    try:
        yield from _READERS[kind](packed)
    except FileNotFoundError:
        raise _errors.KvmfleetError(
            f"{spec.option}: {spec.source!r} is compressed with zstd, and the managed host has no program zstd to unpack it; "
            "install the package zstd"
        ) from None
    except (EOFError, lzma.LZMAError, zlib.error, OSError) as exc:
        raise _errors.InvalidInput.of(
            spec.option, spec.source, f"it is compressed ({kind}), and can't be unpacked: {exc}"
        ) from exc


def _read(stream):
    return iter(lambda: stream.read(image_source.CHUNK), b"")


def _gzip(packed):
    with gzip.GzipFile(fileobj=packed) as stream:
        yield from _read(stream)


def _bzip2(packed):
    with bz2.BZ2File(packed) as stream:
        yield from _read(stream)


def _xz(packed):
    """Python's LZMAFile has no limit of the memory that it takes."""
    decompressor, data = lzma.LZMADecompressor(memlimit=MEMORY), b""
    while True:
        # pylint takes it for a constant of the class.
        if decompressor.eof:  # pylint: disable=using-constant-test
            # Another stream may follow, after zeros.
            data = decompressor.unused_data.lstrip(b"\0")
            while not data:
                more = packed.read(image_source.CHUNK)
                if not more:
                    return
                data = more.lstrip(b"\0")
            decompressor = lzma.LZMADecompressor(memlimit=MEMORY)
        elif decompressor.needs_input and not data:
            data = packed.read(image_source.CHUNK)
            if not data:
                raise EOFError("it is truncated")
        chunk = decompressor.decompress(data, image_source.CHUNK)
        data = b""
        if chunk:
            yield chunk


def _zstd(packed):
    """Python has zstd since 3.14 only."""
    program = shutil.which("zstd")
    if program is None:
        raise FileNotFoundError
    # The program does not know what Python has read ahead.
    os.lseek(packed.fileno(), 0, os.SEEK_SET)
    command = [program, "--decompress", "--stdout", "--quiet", f"--memory={MEMORY >> 20}MB"]
    with subprocess.Popen(command, stdin=packed, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield from _read(process.stdout)
            said = process.stderr.read(2000).decode(errors="replace").strip()
            if process.wait():
                raise EOFError(said or "zstd failed")
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()


_READERS = {"xz": _xz, "gzip": _gzip, "bzip2": _bzip2, "zstd": _zstd}
