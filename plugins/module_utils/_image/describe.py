# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A version of an image as results show it."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _params
from ansible_collections.kvmfleet.compute.plugins.module_utils._openstack.properties import guest_values


def describe(name, pool, version):
    """Return what is known of a Version; what only a run of ours knows is None where none has put it there."""
    info = version.info
    return {
        "name": name,
        "volume": version.file,
        "path": version.path,
        "pool": pool,
        "format": version.format,
        "size": version.size,
        "virtual_size": info and info.virtual_size,
        "checksum": info and f"sha256:{info.sha256}",
        "source": info and _params.redact(info.source),
        "created": info and info.created,
        "properties": info.properties if info else {},
        "guest": guest_values(info.properties) if info else {},
    }
