# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""An image in Glance as a resource of the runner: the five verbs under one name."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _lock
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import lookup
from ansible_collections.kvmfleet.compute.plugins.module_utils._upload.execute import execute
from ansible_collections.kvmfleet.compute.plugins.module_utils._upload.observe import observe
from ansible_collections.kvmfleet.compute.plugins.module_utils._upload.plan import plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._upload.spec import has_content, parse

__all__ = ["execute", "locks", "observe", "parse", "plan", "report"]


def locks(conn, upload):
    """Return the Locks of a task: that of the guest whose disk is read."""
    return [_lock.guest(lookup.name_of(conn, upload.source), shared=True)] if upload.option == "instance" else []


def report(conn, upload, observed, executed):
    """Return the result's own key: the image as Glance has it now, None when it doesn't."""
    images = observed.glance.named(upload.name) if executed else observed.images
    return {"image": next((_describe(image) for image in images if has_content(image, observed.digests)), None)}


def _describe(image):
    return {
        "id": image.id,
        "name": image.name,
        "size": image.size,
        "format": image.disk_format,
        "checksum": f"{image.hash_algorithm}:{image.hash_value}",
        "visibility": image.visibility,
        "properties": image.properties,
    }
