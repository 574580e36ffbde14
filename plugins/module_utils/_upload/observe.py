# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""observe: read what is to be in Glance, and what Glance has of that name."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.observe import find_pool, pool_directory
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.probe import probe
from ansible_collections.kvmfleet.compute.plugins.module_utils._openstack.glance import Glance
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.naming import newest
from ansible_collections.kvmfleet.compute.plugins.module_utils._upload.disk import flattened
from ansible_collections.kvmfleet.compute.plugins.module_utils._upload.spec import UNFINISHED

CHUNK = 1024**2


@dataclass(frozen=True)
class Observed:
    """content: an open file, format its format, digests by algorithm.

    images: what the project has of the name; leftovers: what a dead run has left of it.
    """

    glance: Glance
    content: object
    format: str
    digests: dict
    images: tuple
    leftovers: tuple


def observe(conn, spec):
    """Return the Observed for a spec. Raises KvmfleetError."""
    glance = Glance(spec.cloud)
    images = tuple(image for image in glance.named(spec.name) if image.owner == glance.project)
    with _errors.file_errors(f"reading {spec.source}"):
        content = _opened(conn, spec)
        found = probe(content, spec.option, spec.source)
        algorithms = {"sha512", *(image.hash_algorithm for image in images if image.hash_algorithm)}
        leftovers = tuple(image for image in images if is_left_by_dead_run(image))
        images = tuple(image for image in images if image not in leftovers)
        return Observed(glance, content, found.format, _digests(content, algorithms), images, leftovers)


def mark():
    """Return the value of UNFINISHED for this process."""
    return f"{socket.gethostname()} {os.getpid()}"


def is_left_by_dead_run(image):
    """Tell whether an image was begun by a process of this host that is no more."""
    host, _space, process = image.properties.get(UNFINISHED, "").rpartition(" ")
    return host == socket.gethostname() and not os.path.exists(f"/proc/{process}")


def _opened(conn, spec):
    """Open the content for reading; the file ends with the process, by itself."""
    if spec.option == "src":
        if not os.path.isfile(spec.source):
            raise _errors.InvalidInput.of("src", spec.source, "a regular file of the managed host is needed")
        try:
            return open(spec.source, "rb")  # noqa: SIM115 - see above
        except OSError as exc:
            raise _errors.InvalidInput.of("src", spec.source, f"a readable file is needed ({exc.strerror})") from exc
    with _connection.doing(f"reading the storage pool {spec.pool}"):
        directory = pool_directory(find_pool(conn, spec.pool), spec.pool)
    if spec.option == "instance":
        return flattened(conn, spec, directory)
    file = newest({entry.name: entry.stat().st_mtime_ns for entry in os.scandir(directory)}, spec.source)
    if file is None:
        raise _errors.NotFound(f"image: the image store {spec.pool} has no image {spec.source!r}")
    return open(os.path.join(directory, file), "rb")  # noqa: SIM115 - see above


def _digests(stream, algorithms):
    states = {algorithm: hashlib.new(algorithm) for algorithm in algorithms}
    stream.seek(0)
    for chunk in iter(lambda: stream.read(CHUNK), b""):
        for state in states.values():
            state.update(chunk)
    return {algorithm: state.hexdigest() for algorithm, state in states.items()}
