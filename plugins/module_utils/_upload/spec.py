# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""spec: what a task asks to be in Glance, checked as far as that needs no host. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._openstack.glance import ATTRIBUTES
from ansible_collections.kvmfleet.compute.plugins.module_utils._openstack.options import (
    CLOUD_OPTIONS,
    CLOUD_RULES,
    Cloud,
    cloud,
)

SOURCES = ("image", "src", "instance")
VISIBILITIES = ("private", "shared", "community", "public")
# The property that an image has until it is whole; its value is the host and the process that are busy with it.
UNFINISHED = "kvmfleet_unfinished"

OPTIONS = {
    "glance": {
        "type": "dict",
        "required": True,
        "options": {"image": {"type": "str", "required": True}, **CLOUD_OPTIONS},
        **CLOUD_RULES,
    },
    "image": {"type": "str"},
    "src": {"type": "path"},
    "instance": {"type": "str"},
    "disk": {"type": "str", "default": "vda"},
    "pool": {"type": "str", "default": "images"},
    "properties": {"type": "dict", "default": {}},
    "visibility": {"type": "str", "choices": list(VISIBILITIES)},
    "replace": {"type": "bool", "default": False},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
}
RULES = {"mutually_exclusive": [SOURCES], "required_one_of": [SOURCES]}

# Of the attributes of Glance, which are whole numbers and not text.
_NUMBERS = ("min_disk", "min_ram")


@dataclass(frozen=True)
class UploadSpec:
    """An image as Glance is to have it: `option` is one of SOURCES and `source` its value.

    attributes: the properties, and the visibility if one is given, as Glance shows them.
    """

    name: str
    cloud: Cloud
    option: str
    source: str
    disk: str
    pool: str
    attributes: dict
    replace: bool


def parse(params):
    """Return the UploadSpec of a task's parameters. Raises InvalidInput."""
    option = next(option for option in SOURCES if params[option] is not None)
    attributes = {name: _value(name, value) for name, value in sorted(params["properties"].items())}
    if params["visibility"] is not None:
        attributes["visibility"] = params["visibility"]
    return UploadSpec(
        name=params["glance"]["image"],
        cloud=cloud("glance", params["glance"], params["validate_certs"], params["ca_path"]),
        option=option,
        source=params[option],
        disk=params["disk"],
        pool=params["pool"],
        attributes=attributes,
        replace=params["replace"],
    )


def _value(name, value):
    option = f"properties.{name}"
    if name in ATTRIBUTES or not re.fullmatch(r"[A-Za-z0-9_.:-]+", name):
        allowed = "a property has letters, digits and _ . : -, and is none of an image's own attributes, such as name"
        raise _errors.InvalidInput.of(option, value, allowed)
    if isinstance(value, bool):
        value = str(value).lower()
    if not isinstance(value, (str, int, float)) or value == "":
        raise _errors.InvalidInput.of(option, value, "a property is a text or a number, and not empty")
    if name not in _NUMBERS:
        return str(value)
    if not str(value).isdigit():
        raise _errors.InvalidInput.of(option, value, "it is a whole number, of GiB for min_disk and of MiB for min_ram")
    return int(value)


def has_digests(image, digests):
    """Tell whether Glance has a hash of an image that is one of these digests."""
    return image.hash_value is not None and digests.get(image.hash_algorithm) == image.hash_value


def has_content(image, digests):
    """Tell whether an image of Glance is finished and has the content of these digests."""
    return image.status == "active" and UNFINISHED not in image.properties and has_digests(image, digests)
