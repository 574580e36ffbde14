# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Actions that give a guest a new root disk beside the old one."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.recorded import update_metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.actions import storage
from ansible_collections.kvmfleet.compute.plugins.module_utils._xml import to_text


def _record_volume(run, action):
    record = action.data
    update_metadata(run.domain(), lambda found: replace(found, volumes=(*found.volumes, record)))


def _image_disk(run, action):
    volume = action.data
    run.on_failure(lambda: _roll_back(run, volume))
    storage.make_volume(run.conn, volume)


def _roll_back(run, volume):
    """Give the guest its old disk back, unless it runs on the new one."""
    if storage.is_in_use(run.domain(), volume.path):
        return
    run.conn.defineXMLFlags(to_text(run.observed.inactive), 0)
    storage.delete_volume(run.conn, volume.pool, volume.name)


ACTIONS = {"record_volume": _record_volume, "image_disk": _image_disk}
