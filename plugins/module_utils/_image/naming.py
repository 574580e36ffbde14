# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Names of files in the image store: NAME.<first 12 hex digits of the SHA-256>.<format>.

A newer image never takes the place of the file that overlays are based on: it has another name.
"""

from __future__ import annotations

import re

FORMATS = ("qcow2", "raw")
_FILE_NAME = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\.(?P<digest>[0-9a-f]{12})\.(?P<format>qcow2|raw)")


def file_name(name, sha256, image_format):
    """Return the file name of an image, of its name, its SHA-256 in hex, and its format."""
    return f"{name}.{sha256[:12]}.{image_format}"


def parse_file_name(text):
    """Return (name, 12 hex digits, format) of a file name in the store, None for another file's."""
    match = _FILE_NAME.fullmatch(text)
    return match.groups() if match else None


def newest(mtimes, wanted):
    """Return the file that an image's name means: the newest of its versions, or the one that NAME.<12 hex> pins.

    `mtimes` maps file names to times of modification. None when there is no such image.
    """
    versions = []
    for text, mtime in mtimes.items():
        parsed = parse_file_name(text)
        if parsed and wanted in (parsed[0], f"{parsed[0]}.{parsed[1]}"):
            versions.append((mtime, text))
    return max(versions)[1] if versions else None
