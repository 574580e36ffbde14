# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What can go wrong, as a few named errors that all become one clear sentence in the module's result."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

_LONG_WORD = re.compile(r"\S{1000,}")


class KvmfleetError(Exception):
    """Base of every error that a user is meant to read.

    The message is one sentence. `details` are further keys of the module's failed result.
    """

    def __init__(self, message: str, **details: object) -> None:
        # What somebody gave in place of a name can be of any length.
        message = _LONG_WORD.sub(lambda match: shorten(match.group()), message)
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidInput(KvmfleetError):
    """An option has a value that is not allowed; nothing was changed."""

    @classmethod
    def of(cls, option: str, value: object, allowed: str) -> InvalidInput:
        """Say which option has which value, and what is allowed."""
        return cls(f"{option}: {shorten(repr(value))} is not allowed; {allowed}")


def shorten(text: str, length: int = 200) -> str:
    """Return the beginning of a text that is too long to be shown, and its length."""
    return text if len(text) <= length else f"{text[: length - 40]}... ({len(text)} characters)"


class MissingLibrary(KvmfleetError):
    """The managed host's Python lacks a library."""


class ConnectionFailed(KvmfleetError):
    """libvirt can't be reached at the URI."""


class NotFound(KvmfleetError):
    """Something that an option names does not exist; nothing was changed."""


class Conflict(KvmfleetError):
    """What was asked for clashes with what exists; nothing was changed."""


class Unsupported(KvmfleetError):
    """This libvirt or hypervisor can't do what was asked for."""


class Unavailable(KvmfleetError):
    """A service of the network does not answer as it should; it may do so later."""


class TimedOut(KvmfleetError):
    """Something did not happen in the time allowed."""


class LibvirtFailed(KvmfleetError):
    """libvirt refused or failed; carries its code and name."""


@contextlib.contextmanager
def file_errors(what: str) -> Iterator[None]:
    """Say what was being done when the file system refused: raises KvmfleetError."""
    try:
        yield
    except PermissionError as exc:
        raise KvmfleetError(f"{what} failed: {exc}; root's rights are needed: use become") from exc
    except OSError as exc:
        raise KvmfleetError(f"{what} failed: {exc}") from exc
