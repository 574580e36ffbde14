# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The action that makes a guest's config drive."""

from __future__ import annotations

import os
import tempfile

from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.recorded import record_volume
from ansible_collections.kvmfleet.compute.plugins.module_utils._firstboot import drive
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.actions.storage import (
    delete_volume,
    undo_volume,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._xml import element_of, to_text


def _create(run, action):
    """Build the drive where nobody else can read it, and fill its volume through libvirt, which may be on another host.

    Source: virStorageVolCreateXML, virStorageVolUpload.
    """
    volume, domain = action.data, run.domain()
    run.on_failure(lambda: undo_volume(run, volume))
    files = volume.spec.files(domain.name(), domain.UUIDString())
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "drive")
        drive.build(files, volume.spec.label, volume.spec.format, path)
        # The plan has made sure that what is there is the unfinished work of an earlier run for this guest.
        delete_volume(run.conn, volume.pool, volume.name)
        created = run.conn.storagePoolLookupByName(volume.pool).createXML(_element(volume, os.path.getsize(path)), 0)
        with open(path, "rb") as content:
            _upload(run.conn, created, content)
    record_volume(domain, volume, "ready")


def _element(volume, size):
    """Source: libvirt storage volume XML."""
    root = element_of("volume")
    root.append(element_of("name", text=volume.name))
    root.append(element_of("capacity", {"unit": "bytes"}, str(size)))
    target = element_of("target")
    target.append(element_of("format", {"type": "raw"}))
    permissions = element_of("permissions")
    permissions.append(element_of("mode", text="0600"))
    target.append(permissions)
    root.append(target)
    return to_text(root)


def _upload(conn, volume, content):
    stream = conn.newStream(0)
    try:
        volume.upload(stream, 0, 0, 0)
        stream.sendAll(lambda _stream, size, source: source.read(size), content)
    except BaseException:
        stream.abort()
        raise
    stream.finish()


ACTIONS = {"create_config_drive": _create}
