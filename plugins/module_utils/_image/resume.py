# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A download that goes on where it broke off."""

from __future__ import annotations

import time

from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Unavailable

# How long to try, in seconds since the last byte came, and how often.
PATIENCE = 60
INTERVAL = 1


class ResumedStream:
    """The bytes of a source of a known size, which is opened again at the place where it broke off.

    `open_at(offset)` returns an iterator of bytes. What it raises at the beginning, and what will not pass, goes to the
    caller; after an OSError or Unavailable later on, and when there is less than `size`, it is called again.
    """

    def __init__(self, open_at, size, deadline):
        self._open_at = open_at
        self._size = size
        self._deadline = deadline
        self._position = 0
        self._heard = time.monotonic()
        self._chunks = open_at(0)

    def read1(self, _length):
        """Return the next bytes, none at the end. Raises OSError when the source is gone for too long."""
        while True:
            try:
                chunk = next(self._chunks, b"")
                if chunk or self._position >= self._size:
                    self._position += len(chunk)
                    self._heard = time.monotonic()
                    return chunk
                self._reopen("it ended too early")
            except OSError as exc:
                self._reopen(exc)

    def _reopen(self, broken):
        until = min(self._deadline, self._heard + PATIENCE)
        while time.monotonic() < until:
            time.sleep(INTERVAL)
            try:
                self._chunks = self._open_at(self._position)
                return
            except (OSError, Unavailable) as exc:
                broken = exc
        raise OSError(f"it broke off after {self._position} of {self._size} bytes, and can't be resumed: {broken}")
