# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What a qcow2 file is based on, from its header. QEMU is not asked: it could hold a lock, or be held up by one.

Source: QEMU's docs/interop/qcow2.txt.
"""

from __future__ import annotations

import os
import stat
import struct

_MAGIC = b"QFI\xfb"
# The magic, the version, the place of the backing file's name, its length.
_HEADER = struct.Struct(">4sIQI")
_LONGEST = 1023


def backing_file(path):
    """Return the path of the file that a qcow2 file is based on, None when it is on none, or is no file of this host."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return None
            head = stream.read(_HEADER.size)
            if len(head) < _HEADER.size or not head.startswith(_MAGIC):
                return None
            _magic, _version, offset, length = _HEADER.unpack(head)
            if not offset or not 0 < length <= _LONGEST:
                return None
            stream.seek(offset)
            name = os.fsdecode(stream.read(length))
    except OSError:
        return None
    # It is relative to where the overlay is.
    return os.path.join(os.path.dirname(path), name)
