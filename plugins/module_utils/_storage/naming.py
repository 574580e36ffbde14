# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""How the versions of an image are named in the image store. Pure.

A version is the file NAME.<first 12 hex digits of its SHA-256>.<qcow2|raw>. A newer version never takes the place of an
older one, on which overlays may be based; the newest by modification time is the current one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors

FORMATS = ("qcow2", "raw")
# The types of libvirt's storage pools whose volumes are files of a directory.
FILE_POOLS = ("dir", "fs", "netfs")
DIGITS = 12
# Beside the store, so that libvirt does not take it for volumes.
INFO_DIRECTORY = "image-info"

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_VERSION = rf"({_NAME})\.([0-9a-f]{{{DIGITS}}})"
_FILE = re.compile(rf"{_VERSION}\.({'|'.join(FORMATS)})")
# With the digits, the format and the prefix and suffix of a partial file it stays below the 255 bytes of a file name.
_LONGEST = 200


def check_name(option: str, name: str) -> str:
    """Return the name of an image. Raises InvalidInput."""
    if not re.fullmatch(_NAME, name) or len(name) > _LONGEST:
        raise _errors.InvalidInput.of(
            option,
            name,
            "an image's name has letters, digits and . _ -, begins with a letter or digit, "
            f"and has {_LONGEST} characters at most",
        )
    if re.fullmatch(_VERSION, name) or _FILE.fullmatch(name):
        raise _errors.InvalidInput.of(
            option,
            name,
            f"a name that ends in a dot and {DIGITS} hex digits means one version",
        )
    return name


def file_name(name: str, sha256_hex: str, image_format: str) -> str:
    """Return the file name of a version of an image."""
    return f"{name}.{sha256_hex[:DIGITS]}.{image_format}"


def parse_file_name(file: str) -> tuple[str, ...] | None:
    """Return (name, first 12 hex digits, format) of a version's file name, None when it isn't one."""
    match = _FILE.fullmatch(file)
    return match.groups() if match else None


def newest(mtimes: Mapping[str, float], wanted: str) -> str | None:
    """Return the file that a name means, None when there is none.

    `mtimes` maps file names to modification times. `wanted` is NAME for the current version, or NAME.<12 hex digits>
    for that one. Of files with the same time, the last by name counts.
    """
    versions = []
    for file, mtime in mtimes.items():
        parsed = parse_file_name(file)
        if parsed and wanted in (parsed[0], f"{parsed[0]}.{parsed[1]}"):
            versions.append((mtime, file))
    return max(versions)[1] if versions else None


def info_directory(store: str) -> str:
    """Return the directory where what is known of the images of a store is kept."""
    return os.path.join(os.path.dirname(os.path.abspath(store)), INFO_DIRECTORY)


def info_path(store: str, file: str) -> str:
    """Return the path of the file with what is known of a version."""
    return os.path.join(info_directory(store), f"{file}.json")
