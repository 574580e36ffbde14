# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""An image as a resource of the runner: the five verbs under one name."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _lock
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import lookup
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import store as image_store
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.describe import describe
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.execute import execute
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.observe import find_pool, observe, pool_directory
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.plan import plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.spec import parse

__all__ = ["execute", "locks", "observe", "parse", "plan", "report"]


def locks(conn, image_spec):
    """Return the Locks of a task: the guest's that is copied, whose file systems are held still. execute locks the image."""
    if image_spec.instance is None:
        return []
    return [_lock.guest(lookup.name_of(conn, image_spec.instance.name))]


def report(conn, image_spec, observed, executed):
    """Return the result's own key: the current version of the image as it is now, None when there is none."""
    with _connection.doing(f"reading the storage pool {image_spec.pool}"):
        directory = pool_directory(find_pool(conn, image_spec.pool), image_spec.pool)
    current = image_store.read(directory, image_spec.name).current
    return {"image": None if current is None else describe(image_spec.name, image_spec.pool, current)}
