# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A download that goes on where it broke off."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Unavailable

# How long to try, in seconds since the download got any further, and how often.
PATIENCE = 60
INTERVAL = 1


class StartedAfresh(Exception):
    """What was read so far is void: the stream begins again, perhaps with other content."""


@dataclass(frozen=True)
class Part:
    """A content from an offset to its end; size, in bytes, is that of the whole, None when it is not known.

    `chunks` is a generator of bytes, which raises OSError when the transfer breaks off.
    """

    chunks: object
    offset: int
    size: int = None


class ResumedStream:
    """The bytes of a source, which is opened again at the place where it broke off.

    `open_at(offset)` returns the Part from there, or from 0 where the source can't go on with the same content. What it
    raises at the beginning, and what will not pass, goes to the caller; after an OSError or Unavailable later on, and
    when there is less than the size, it is called again.
    """

    def __init__(self, open_at, deadline):
        self._open_at = open_at
        self._deadline = deadline
        self._furthest = 0
        self._heard = time.monotonic()
        self._begin(open_at(0))

    def read1(self, _length):
        """Return the next bytes, none at the end.

        Raises StartedAfresh, and OSError when the source has got no further for too long.
        """
        while True:
            try:
                chunk = next(self._part.chunks, b"")
                if not chunk and self._position < (self._part.size or 0):
                    raise OSError("it ended too early")
            except OSError as exc:
                self._resume(exc)
                continue
            self._position += len(chunk)
            if self._position > self._furthest:
                self._furthest, self._heard = self._position, time.monotonic()
            return chunk

    def close(self):
        """Drop the connection."""
        self._part.chunks.close()

    def _begin(self, part):
        self._part = part
        self._position = part.offset

    def _resume(self, broken):
        """Open the source again, as soon as that is possible."""
        until = min(self._deadline, self._heard + PATIENCE)
        while time.monotonic() < until:
            time.sleep(INTERVAL)
            try:
                part = self._open_at(self._position)
            except (OSError, Unavailable) as exc:
                broken = exc
                continue
            self._begin(part)
            if part.offset == 0:
                raise StartedAfresh
            return
        of = "" if self._part.size is None else f" of {self._part.size}"
        raise OSError(f"it broke off after {self._position}{of} bytes, and can't be resumed: {broken}")
