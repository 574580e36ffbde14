# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A file of checksums on a web server, such as SHA256SUMS, as the checksum of an image."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote, urlsplit

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import download
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.spec import Digest

# Far more than the checksums of all images of a distribution take.
LARGEST = 1024**2
_ALGORITHMS = {64: "sha256", 128: "sha512"}
# Those of coreutils (`HEX  name`, `HEX *name`), the same without a name, and those of BSD (`SHA256 (name) = HEX`).
_LINE = re.compile(r"\\?([0-9A-Fa-f]{64}|[0-9A-Fa-f]{128})(?:\s+\*?(.+?))?\s*")
_BSD_LINE = re.compile(r"SHA(?:256|512) ?\((.+)\) ?= ?([0-9A-Fa-f]{64}|[0-9A-Fa-f]{128})\s*")


def fetch(spec, deadline):
    """Return the Digest that the file of checksums at a spec's `checksums` has of its source. Raises KvmfleetError."""
    text = download.read_text(spec, spec.checksums, LARGEST, deadline)
    name = posixpath.basename(unquote(urlsplit(spec.source).path) if spec.option == "url" else spec.source)
    return find(text, name, spec.checksums)


def find(text, name, url):
    """Return the Digest of the file `name` in a text of checksums, the longest one. Raises InvalidInput."""
    found, nameless = set(), set()
    for line in text.splitlines():
        match, bsd = _LINE.fullmatch(line.strip()), _BSD_LINE.fullmatch(line.strip())
        digits, of = (match.groups() if match else (bsd.group(2), bsd.group(1))) if match or bsd else (None, None)
        if digits is None:
            continue
        digest = Digest(_ALGORITHMS[len(digits)], digits.lower())
        if of is None:
            nameless.add(digest)
        elif posixpath.basename(of) == name:
            found.add(digest)
    # A file beside one image, such as image.qcow2.sha256, needs no name.
    found = found or (nameless if len(nameless) == 1 else set())
    longest = [digest for digest in found if len(digest.hex) == max(len(other.hex) for other in found)]
    if len(longest) != 1:
        what = (
            f"more than one SHA-256 or SHA-512 checksum of {name!r}"
            if longest
            else f"no SHA-256 or SHA-512 checksum of {name!r}"
        )
        raise _errors.InvalidInput.of("checksum", url, f"the file there has {what}")
    return longest[0]
