# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Images of Glance: find one, read its content, put one there.

Source: the OpenStack Image API, version 2.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._openstack.cloud import cloud_errors, connect

# Of what Glance may hash with, what is good enough to trust an image by.
STRONG_HASHES = ("sha256", "sha384", "sha512")
CHUNK = 64 * 1024

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PARTIAL = 206
# What an image has besides its properties.
ATTRIBUTES = frozenset(
    "id name status visibility protected checksum owner size virtual_size container_format disk_format created_at updated_at "
    "tags self file schema os_hash_algo os_hash_value os_hidden locations direct_url stores".split()
)


@dataclass(frozen=True)
class GlanceImage:
    """An image of Glance; size in bytes, hash_value None without a strong hash, owner the ID of its project.

    Among its properties are min_disk (GiB) and min_ram (MiB), where it has them.
    """

    id: str
    name: str
    status: str
    size: int
    disk_format: str
    hash_algorithm: str = None
    hash_value: str = None
    owner: str = None
    visibility: str = None
    protected: bool = False
    properties: dict = field(default_factory=dict)


class Glance:
    """The image service of a Cloud. Each method raises KvmfleetError."""

    def __init__(self, cloud):
        self.cloud = cloud
        connection = connect(cloud)
        with cloud_errors(cloud):
            self._api = connection.image
            self.project = connection.current_project_id

    def find(self, wanted):
        """Return the GlanceImage of an ID or a name. Raises NotFound; InvalidInput when several have the name."""
        if _UUID.fullmatch(wanted):
            response = self._request("get", f"/images/{wanted.lower()}", allowed=(404,))
            if response.status_code != 404:
                return _image(response.json())
        named = self.named(wanted)
        if not named:
            raise _errors.NotFound(
                f"{self.cloud.option}.image: {wanted!r} is no image of {self.cloud.label} that its user sees (404)"
            )
        if len(named) > 1:
            ids = ", ".join(sorted(image.id for image in named))
            raise _errors.InvalidInput.of(
                f"{self.cloud.option}.image",
                wanted,
                f"{len(named)} images of {self.cloud.label} have this name; the ID of one is needed: {ids}",
            )
        return named[0]

    def named(self, name):
        """Return the images that have a name."""
        path, params, found = "/images", {"name": name}, []
        while path:
            page = self._request("get", path, params=params).json()
            found += [_image(entry) for entry in page["images"] if entry["name"] == name]
            # The link begins with the version, which the path is relative to.
            path, params = re.sub("^/v2", "", page.get("next", "")), None
        return found

    def read(self, image, offset=0):
        """Begin to read an image's content, from an offset in bytes, and return an iterator of bytes.

        That raises OSError when the transfer breaks off. A server that knows no ranges sends all of the content; what
        comes before the offset is passed over.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        response = self._request("get", f"/images/{image.id}/file", stream=True, headers=headers)
        return _content(response, 0 if response.status_code == _PARTIAL else offset)

    def create(self, name, disk_format, attributes):
        """Make an image without content, which nobody can use yet, and return its ID."""
        entry = dict(attributes, name=name, disk_format=disk_format, container_format="bare")
        return self._request("post", "/images", json=entry).json()["id"]

    def write(self, image_id, stream):
        """Give a new image its content, all of an open binary file, and return the GlanceImage that it has become."""
        headers = {"Content-Type": "application/octet-stream"}
        self._request("put", f"/images/{image_id}/file", data=stream, headers=headers)
        return _image(self._request("get", f"/images/{image_id}").json())

    def update(self, image, attributes):
        """Give an image properties and attributes, by their names."""
        present = {*image.properties, *ATTRIBUTES, "min_disk", "min_ram"}
        changes = [
            {"op": "replace" if name in present else "add", "path": f"/{name}", "value": value}
            for name, value in attributes.items()
        ]
        self._patch(image, changes)

    def _patch(self, image, changes):
        headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        self._request("patch", f"/images/{image.id}", data=json.dumps(changes), headers=headers)

    def finish(self, image, mark, visibility):
        """Take the property away that an image was marked by, and let others see it as they may."""
        changes = [{"op": "remove", "path": f"/{mark}"}]
        if visibility is not None:
            changes.append({"op": "replace", "path": "/visibility", "value": visibility})
        self._patch(image, changes)

    def delete(self, image_id):
        """Delete an image; one that is gone already is no error."""
        self._request("delete", f"/images/{image_id}", allowed=(404,))

    def _request(self, method, path, allowed=(), **arguments):
        """Ask Glance. A status above 399 that is not allowed is an error, Unavailable where it may pass."""
        with cloud_errors(self.cloud):
            response = getattr(self._api, method)(path, **arguments)
        status = response.status_code
        if status < 400 or status in allowed:
            return response
        error = _errors.Unavailable if status >= 500 else _errors.KvmfleetError
        raise error(f"{self.cloud.option}: Glance of {self.cloud.label} answers {status} {response.reason}")


def _content(response, surplus):
    """Yield the bytes of an answer but the first ones."""
    with response:
        for chunk in response.iter_content(CHUNK):
            wanted, surplus = chunk[surplus:], max(0, surplus - len(chunk))
            if wanted:
                yield wanted


def _image(entry):
    algorithm = entry.get("os_hash_algo")
    strong = algorithm in STRONG_HASHES and entry.get("os_hash_value")
    return GlanceImage(
        id=entry["id"],
        name=entry["name"],
        status=entry["status"],
        size=entry["size"],
        disk_format=entry["disk_format"],
        hash_algorithm=algorithm if strong else None,
        hash_value=entry["os_hash_value"].lower() if strong else None,
        owner=entry.get("owner"),
        visibility=entry.get("visibility"),
        protected=bool(entry.get("protected")),
        properties={key: value for key, value in sorted(entry.items()) if key not in ATTRIBUTES and value},
    )
