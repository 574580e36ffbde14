# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""An image in Glance as a source of vm_image."""

from __future__ import annotations

import contextlib

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.download import Part, ResumedStream
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.source import Source
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.spec import Digest
from ansible_collections.kvmfleet.compute.plugins.module_utils._openstack.glance import STRONG_HASHES, Glance
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.naming import FORMATS

# An ISO image is a disk without a format.
_DISK_FORMATS = (*FORMATS, "iso")


class Remote:
    """The image that a spec names, found in Glance. Raises KvmfleetError when it can't be had, or not be verified."""

    def __init__(self, spec):
        self._glance = Glance(spec.cloud)
        self.image = image = self._glance.find(spec.image)
        self.digest = Digest(image.hash_algorithm, image.hash_value) if image.hash_value else None
        if image.status != "active":
            raise _errors.Conflict(
                f"glance.image: {spec.source!r} is {image.status} in Glance; only an active image has its content"
            )
        if image.disk_format not in _DISK_FORMATS:
            allowed = f"in Glance it is {image.disk_format}, and an image is a whole qcow2 or raw file"
            raise _errors.InvalidInput.of("glance.image", spec.image, allowed)
        if (
            self.digest
            and spec.checksum
            and self.digest.algorithm == spec.checksum.algorithm
            and self.digest != spec.checksum
        ):
            raise _errors.InvalidInput.of("checksum", str(spec.checksum), f"in Glance {spec.source} has {self.digest}")
        if not (self.digest or spec.checksum or spec.allow_unverified):
            raise _errors.InvalidInput.of(
                "glance.image",
                spec.image,
                f"Glance has none of the hashes {', '.join(STRONG_HASHES)} of it; a checksum is needed, or "
                "allow_unverified: true to trust the cloud and the way to it",
            )

    def is_content_of(self, info):
        """Tell whether a version, by its Info, was made of this very image: the content of one never changes."""
        return info is not None and info.glance_id == self.image.id

    def is_news(self, info):
        """Tell whether something that is kept about the image with a version has changed."""
        return (info.glance_id, info.properties) != (self.image.id, self.image.properties)

    @contextlib.contextmanager
    def opened(self, deadline):
        """Open the content as a Source for the time of a `with` block."""
        image = self.image

        def open_at(offset):
            return Part(self._glance.read(image, offset), offset, image.size)

        with contextlib.closing(ResumedStream(open_at, deadline)) as stream:
            yield Source(
                stream, image.size, image.size, digest=self.digest, glance_id=image.id, properties=image.properties
            )
