# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Tags, free metadata and delete protection, kept with the guest's definition; and what its launch recorded."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet, metadata

OPTIONS = {
    "tags": {"type": "list", "elements": "str"},
    "metadata": {"type": "dict"},
    "delete_protection": {"type": "bool"},
}
# Keys of wanted, and the fields of the metadata that hold them.
_FIELDS = {
    "tags": "tags",
    "metadata": "properties",
    "delete_protection": "delete_protection",
    "flavor_name": "flavor",
    "image_name": "image",
    "volumes": "volumes",
}
# `managed` is the metadata's being there at all.
INTERNAL = ("managed", "flavor_name", "image_name", "volumes")


def parse(params: facet.Values) -> facet.Values:
    wanted = facet.given_options(OPTIONS, params)
    if "" in wanted.get("tags", ()):
        raise _errors.InvalidInput.of("tags", wanted["tags"], "a tag has at least one character")
    if "tags" in wanted:
        wanted["tags"] = tuple(sorted(set(wanted["tags"])))
    if "metadata" in wanted:
        wanted["metadata"] = {str(key): str(value) for key, value in wanted["metadata"].items()}
    return wanted


def read(root: _xml.Element, wanted: facet.Values) -> facet.Values:
    recorded = metadata.read(root)
    found = recorded or metadata.InstanceMetadata()
    values = {key: getattr(found, name) for key, name in _FIELDS.items() if key in wanted}
    if "managed" in wanted:
        values["managed"] = recorded is not None
    if "tags" in values:
        values["tags"] = tuple(sorted(values["tags"]))
    if "metadata" in values:
        values["metadata"] = dict(values["metadata"])
    return values


def write(root: _xml.Element, wanted: facet.Values) -> None:
    if read(root, wanted) == wanted:
        return
    found = metadata.read(root) or metadata.InstanceMetadata()
    changed = {_FIELDS[key]: value for key, value in wanted.items() if key in _FIELDS}
    metadata.write(root, replace(found, **changed))


FACET = facet.Facet(options=OPTIONS, parse=parse, read=read, write=write, live=(*OPTIONS, *INTERNAL), internal=INTERNAL)
