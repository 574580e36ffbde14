# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What an image is made of: one stream of bytes, of a file of the managed host, an HTTP server, or Glance."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from dataclasses import dataclass, field

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors

CHUNK = 1024**2


class StartedAfresh(Exception):
    """What was read so far is void: the stream begins again, perhaps with other content."""


@dataclass
class Source:
    """An opened source. size: the bytes it says it has, None when it doesn't; needs: the bytes to store it takes.

    mtime_ns is a file's; etag and last_modified are a server's, for the next conditional request; the rest is Glance's,
    with the Digest that it says the content has.
    """

    stream: object = None
    size: int = None
    needs: int = 0
    mtime_ns: int = None
    etag: str = None
    last_modified: str = None
    digest: object = None
    glance_id: str = None
    properties: dict = field(default_factory=dict)


_PACKINGS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


def packing(stream):
    """Return what an open file is compressed with, None when with nothing that is known."""
    stream.seek(0)
    head = stream.read(6)
    stream.seek(0)
    return next((kind for magic, kind in _PACKINGS.items() if head.startswith(magic)), None)


@contextlib.contextmanager
def opened(spec):
    """Open the file that a spec names as a Source for the time of a `with` block. Raises InvalidInput."""
    try:
        stream = open(spec.source, "rb", opener=_open_without_waiting)  # noqa: SIM115 - closed below
    except OSError as exc:
        allowed = f"a readable file of the managed host is needed ({exc.strerror})"
        raise _errors.InvalidInput.of("src", spec.source, allowed) from exc
    with stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise _errors.InvalidInput.of("src", spec.source, "a regular file of the managed host is needed")
        # Holes of a sparse file stay holes.
        needs = min(status.st_size, status.st_blocks * 512)
        yield Source(stream, status.st_size, needs, status.st_mtime_ns)


def _open_without_waiting(path, flags):
    """A pipe would otherwise be opened only once somebody writes into it."""
    return os.open(path, flags | os.O_NONBLOCK)


def algorithms(spec, source):
    """Return the hash algorithms that a source is read with: SHA-256 for its name, and those of the checksums."""
    return {"sha256"} | {digest.algorithm for digest in (spec.checksum, source.digest) if digest}


def check_digest(spec, source, digests):
    """Compare {algorithm: hex digits} with the checksums that were asked for and promised.

    Raises InvalidInput, KvmfleetError.
    """
    if spec.checksum and digests[spec.checksum.algorithm] != spec.checksum.hex:
        actual = f"{spec.checksum.algorithm}:{digests[spec.checksum.algorithm]}"
        raise _errors.InvalidInput.of("checksum", str(spec.checksum), f"{spec.source} has {actual}")
    if source.digest and digests[source.digest.algorithm] != source.digest.hex:
        actual = f"{source.digest.algorithm}:{digests[source.digest.algorithm]}"
        raise _errors.KvmfleetError(
            f"{spec.option}: {spec.source!r} is damaged: what came has {actual}, and {source.digest} was promised"
        )


def read_all(spec, source, deadline, target=None, limit=lambda total: None):
    """Read a source to its end and return {algorithm: hex digits}; make it the content of `target`, a file, if given.

    limit(total): raises KvmfleetError when so many bytes are too many.
    Raises KvmfleetError when the source breaks off, TimedOut at the deadline (monotonic); OSError is the target's.
    """
    while True:
        try:
            return _read_once(spec, source, deadline, target, limit)
        except StartedAfresh:
            continue


def _read_once(spec, source, deadline, target, limit):
    if target is not None:
        target.seek(0)
        target.truncate()
    hashes = {algorithm: hashlib.new(algorithm) for algorithm in algorithms(spec, source)}
    total = 0
    while chunk := _read_chunk(spec, source):
        if time.monotonic() > deadline:
            raise _errors.TimedOut(
                f"{spec.option}: {spec.source!r} was not read in time; {total} bytes came before the timeout"
            )
        total += len(chunk)
        limit(total)
        for state in hashes.values():
            state.update(chunk)
        if target is not None:
            write_sparse(target, chunk)
    if source.size is not None and total != source.size:
        raise _errors.KvmfleetError(f"{spec.option}: {spec.source!r} broke off after {total} of {source.size} bytes")
    if target is not None:
        target.truncate(total)
    return {algorithm: state.hexdigest() for algorithm, state in hashes.items()}


def file_digest(path, algorithm):
    """Return the hex digits of a file's checksum. Raises OSError."""
    state = hashlib.new(algorithm)
    with open(path, "rb") as stream:
        for chunk in iter(lambda: stream.read(CHUNK), b""):
            state.update(chunk)
    return state.hexdigest()


def _read_chunk(spec, source):
    try:
        return source.stream.read1(CHUNK)
    except OSError as exc:
        raise _errors.KvmfleetError(
            f"{spec.option}: {spec.source!r} can't be read: {str(exc) or type(exc).__name__}"
        ) from exc


def write_sparse(target, chunk):
    """Write bytes into a file, or leave a hole where there are zeros alone."""
    if chunk.count(0) == len(chunk):
        target.seek(len(chunk), os.SEEK_CUR)
    else:
        target.write(chunk)
