# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""execute: the one place that writes. An image gets its content as a whole, or is taken away again."""

from __future__ import annotations

import contextlib

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._execute import Run, carry_out
from ansible_collections.kvmfleet.compute.plugins.module_utils._upload.observe import mark
from ansible_collections.kvmfleet.compute.plugins.module_utils._upload.spec import UNFINISHED, has_digests


def execute(conn, spec, observed, plan):
    """Carry a plan out. An older image is deleted only once the new one is there. Raises KvmfleetError."""
    carry_out(plan, ACTIONS, Run(conn, spec, observed))


def _upload(run, action):
    spec, observed, glance = run.spec, run.observed, run.observed.glance
    image_id = glance.create(spec.name, observed.format, {UNFINISHED: mark(), **_without_visibility(spec)})
    try:
        observed.content.seek(0)
        written = glance.write(image_id, observed.content)
        if not has_digests(written, observed.digests):
            raise _errors.KvmfleetError(
                f"glance: {spec.name!r} has {written.hash_algorithm}:{written.hash_value} in Glance after the upload, "
                f"and what was sent has sha512:{observed.digests['sha512']}"
            )
        glance.finish(written, UNFINISHED, spec.attributes.get("visibility"))
    except BaseException:
        # Where Glance can't be reached any more, the next run does it.
        with contextlib.suppress(_errors.KvmfleetError):
            glance.delete(image_id)
        raise


def _without_visibility(spec):
    """Nobody else is to see an image that is not whole."""
    return {name: value for name, value in spec.attributes.items() if name != "visibility"}


def _update(run, action):
    run.observed.glance.update(*action.data)


def _delete(run, action):
    run.observed.glance.delete(action.data.id)


ACTIONS = {"delete_unfinished": _delete, "upload": _upload, "update": _update, "delete": _delete}
