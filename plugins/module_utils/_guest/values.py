# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Check values that name something of the system in a guest. Pure; all raise InvalidInput."""

from __future__ import annotations

import posixpath
import re

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors

_ACCOUNT = re.compile(r"[^:\s/]+")
_CRYPT = re.compile(r"\$[0-9a-z]+\$[^:\s]+")
_KEY = re.compile(r"(?:.* )?(?:ssh|ecdsa|sk)-[a-z0-9@.-]+ AAAA[A-Za-z0-9+/]+=*(?: .*)?")
# hostname(7): labels of at most 63 characters, 64 in all, which is what Linux takes.
_HOSTNAME = re.compile(
    r"(?=.{1,64}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_MODE = re.compile(r"0?[0-7]{3,4}")


def account(option, text):
    """Return the name of a user or a group."""
    if not _ACCOUNT.fullmatch(text):
        raise _errors.InvalidInput.of(option, text, "the name of an account in the guest is needed, such as root")
    return text


def hostname(option, text):
    """Return the name of a system."""
    if not _HOSTNAME.fullmatch(text):
        raise _errors.InvalidInput.of(option, text, "letters, digits and - between dots are needed, at most 64 in all")
    return text


def is_plain_path(path):
    """Tell whether a path is absolute, names no root directory, and has nothing to resolve by its text."""
    return (
        path.startswith("/")
        and posixpath.normpath(path) == path
        and not path.startswith("//")
        and "\0" not in path
        and path != "/"
    )


def file_path(option, path):
    """Return the absolute path of a file in the guest."""
    if not is_plain_path(path):
        raise _errors.InvalidInput.of(
            option, path, "an absolute path in the guest is needed, such as /etc/motd, without . and .."
        )
    return path


def mode(option, text):
    """Return the number that a file's mode is."""
    if not _MODE.fullmatch(text):
        raise _errors.InvalidInput.of(option, text, "an octal number is needed, such as '0644', in quotes")
    return int(text, 8)


def crypt_hash(option, text):
    """Return the hash of a password. It is never shown."""
    if not _CRYPT.fullmatch(text):
        raise _errors.InvalidInput(
            f"{option}: it is no hash of crypt(3), which begins like $6$ or $y$; the value is not shown"
        )
    return text


def public_keys(option, texts):
    """Return the lines of authorized_keys, each once."""
    keys = [text.strip() for text in texts]
    for key in keys:
        if not _KEY.fullmatch(key):
            raise _errors.InvalidInput.of(
                option, key, "a line of authorized_keys is needed, such as ssh-ed25519 AAAA... me"
            )
    return tuple(dict.fromkeys(keys))
