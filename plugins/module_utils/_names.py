# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Names of guests and networks, as libvirt allows them."""

from __future__ import annotations

import re


def may_exist(name: str) -> bool:
    """Tell whether libvirt can have something of this name.

    It keeps the definition in a file NAME.xml, and refuses a slash and a line break. XML has no other control characters.
    """
    return bool(re.fullmatch(r"[^/\x00-\x1f\x7f]+", name)) and not name.isspace() and len(name.encode()) <= 251
