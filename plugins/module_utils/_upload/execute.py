# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""execute: the one place that writes. An image gets its content as a whole, or is taken away again."""

from __future__ import annotations

import contextlib

from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import KvmfleetError
from ansible_collections.kvmfleet.compute.plugins.module_utils._upload.observe import mark
from ansible_collections.kvmfleet.compute.plugins.module_utils._upload.spec import UNFINISHED, has_digests


def execute(conn, spec, observed, plan):
    """Carry a plan out. An older image is deleted only once the new one is there. Raises KvmfleetError."""
    for action in plan.actions:
        if action.name == "upload":
            _upload(spec, observed)
        elif action.name == "update":
            observed.glance.update(*action.data)
        else:
            observed.glance.delete(action.data.id)


def _upload(spec, observed):
    glance = observed.glance
    image_id = glance.create(spec.name, observed.format, {UNFINISHED: mark(), **_without_visibility(spec)})
    try:
        observed.content.seek(0)
        written = glance.write(image_id, observed.content)
        if not has_digests(written, observed.digests):
            raise KvmfleetError(
                f"glance: {spec.name!r} has {written.hash_algorithm}:{written.hash_value} in Glance after the upload, "
                f"and what was sent has sha512:{observed.digests['sha512']}"
            )
        glance.finish(written, UNFINISHED, spec.attributes.get("visibility"))
    except BaseException:
        # Where Glance can't be reached any more, the next run does it.
        with contextlib.suppress(KvmfleetError):
            glance.delete(image_id)
        raise


def _without_visibility(spec):
    """Nobody else is to see an image that is not whole."""
    return {name: value for name, value in spec.attributes.items() if name != "visibility"}
