# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""plan: from what is wanted and what Glance has to every action of the run. Pure."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._upload.spec import UNFINISHED, has_content


def plan(spec, observed):
    """Return the Plan that brings Glance to what is wanted. Raises Conflict."""
    images = observed.images
    for image in images:
        if UNFINISHED in image.properties:
            host = image.properties[UNFINISHED].rpartition(" ")[0]
            raise _errors.Conflict(
                f"glance.image: the host {host} is uploading {spec.name!r} to {spec.cloud.label} ({image.id}); "
                "if its task is dead, that image is to be deleted"
            )
    actions = [_plan.Action("delete_unfinished", image.id, image) for image in observed.leftovers]
    there = next((image for image in images if has_content(image, observed.digests)), None)
    others = [image for image in images if image is not there]
    if there is None:
        if others and not spec.replace:
            raise _errors.Conflict(
                f"glance.image: {spec.cloud.label} has the image {spec.name!r} with other content ({others[0].id}); "
                "another name is needed, or replace: true to upload the new content and then delete that image"
            )
        actions.append(_plan.Action("upload", f"{spec.name} to {spec.cloud.label} from {spec.source}"))
    else:
        news = changed_attributes(spec, there)
        if news:
            actions.append(_plan.Action("update", f"{there.id}: {', '.join(news)}", (there, news)))
    if spec.replace:
        _check_deletable(spec, others)
        actions += [_plan.Action("delete", image.id, image) for image in others]
    before = images[0] if images and there is None else there
    return _plan.Plan(
        actions=tuple(actions),
        before=""
        if before is None
        else _text(spec, before.hash_algorithm, before.hash_value, _attributes(spec, before)),
        after=_text(
            spec,
            "sha512",
            observed.digests["sha512"],
            {**(_attributes(spec, before) if there else {}), **spec.attributes},
        ),
    )


def changed_attributes(spec, image):
    """Return the wanted attributes that an image has otherwise."""
    present = _attributes(spec, image)
    return {name: value for name, value in spec.attributes.items() if present.get(name) != value}


def _attributes(spec, image):
    """Only what the task mentions is looked at."""
    present = dict(image.properties, visibility=image.visibility)
    return {name: present[name] for name in spec.attributes if name in present}


def _text(spec, algorithm, value, attributes):
    lines = [
        f"image: {spec.name}",
        f"content: {algorithm}:{value}",
        *(f"{key}: {attributes[key]}" for key in sorted(attributes)),
    ]
    return "\n".join(lines) + "\n"


def _check_deletable(spec, images):
    for image in images:
        if image.protected:
            raise _errors.Conflict(
                f"replace: the image {image.id} of {spec.cloud.label} is protected from being deleted"
            )
