# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""MAC addresses as options have them."""

from __future__ import annotations

import re
import secrets

from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def parse_mac(option, value):
    """Return the MAC address of one device, as libvirt writes it. Raises InvalidInput."""
    mac = value.lower().replace("-", ":")
    if not _MAC.fullmatch(mac) or int(mac[:2], 16) & 1:
        raise InvalidInput.of(option, value, "a MAC address of one device is needed, such as 52:54:00:12:34:56")
    return mac


def random_mac(taken):
    """Return a new MAC address of the range that libvirt takes for QEMU's guests, none of those that are taken."""
    while True:
        mac = "52:54:00:" + secrets.token_bytes(3).hex(":")
        if mac not in taken:
            return mac
