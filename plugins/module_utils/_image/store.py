# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The image store's files: which versions there are, what is known about them, and who may change them just now.

What is known about a version is in a root-only file of the same name beside the store. It is there before the version
is, so that a version without it was not made by a finished run, or is not ours: its content counts as unknown.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import dataclass, field

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.naming import (
    info_directory,
    info_path,
    newest,
    parse_file_name,
)


@dataclass(frozen=True)
class Info:
    """What is known about a version: sizes in bytes, time in ISO 8601, what tells whether the source is unchanged.

    source_sha256 and source_sha512 are those of what was downloaded, where it was compressed.
    glance_id and properties are those of the image of Glance that it was found to be.
    """

    sha256: str
    size: int
    virtual_size: int
    source: str
    created: str
    sha512: str = None
    source_sha256: str = None
    source_sha512: str = None
    source_size: int = None
    source_mtime_ns: int = None
    etag: str = None
    last_modified: str = None
    glance_id: str = None
    properties: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Version:
    """A version of an image in the store. `info` is None where its content is not what a finished run has put there."""

    file: str
    path: str
    format: str
    size: int
    mtime_ns: int
    info: Info = None


@dataclass(frozen=True)
class Store:
    """The versions of one image by file name, its current one, and the paths of what dead runs left behind."""

    name: str
    directory: str
    versions: dict = field(default_factory=dict)
    leftovers: tuple = ()

    @property
    def current(self):
        """The Version that the image's name means, None when there is none."""
        return self.versions.get(newest({file: version.mtime_ns for file, version in self.versions.items()}, self.name))


def partial_path(store, name):
    """Return the path of the file that this process writes before it becomes a version."""
    return os.path.join(store, f".{name}.partial-{os.getpid()}")


def read(directory, name):
    """Return the Store of one image. Raises KvmfleetError when the directories can't be read."""
    versions, leftovers = {}, []
    with _errors.file_errors(f"reading the image store {directory}"):
        with os.scandir(directory) as entries:
            for entry in entries:
                parsed = parse_file_name(entry.name)
                if parsed and parsed[0] == name and entry.is_file(follow_symlinks=False):
                    versions[entry.name] = _version(directory, entry, parsed[2])
                elif is_left_by_dead_run(entry.name, name):
                    leftovers.append(entry.path)
        leftovers += _infos_without_version(directory, name, versions)
    return Store(name, directory, versions, tuple(sorted(leftovers)))


def names(directory):
    """Return the names of all images in the store. Raises KvmfleetError."""
    with _errors.file_errors(f"reading the image store {directory}"):
        return sorted({parsed[0] for parsed in map(parse_file_name, os.listdir(directory)) if parsed})


def is_left_by_dead_run(path, name=None):
    """Tell whether a file is one that a run has begun to write for an image, of this name if it is given, and that run is dead."""
    of_image = ".+" if name is None else re.escape(name)
    match = re.fullmatch(rf"\.{of_image}\.partial-(\d+)(?:\.unpacked)?", os.path.basename(path))
    return bool(match) and not os.path.exists(f"/proc/{match.group(1)}")


def _infos_without_version(directory, name, versions):
    """What is known is written before the version is there: a run that died between has left it."""
    infos = info_directory(directory)
    found = []
    for file in os.listdir(infos) if os.path.isdir(infos) else ():
        version, _dot, kind = file.partition(".json")
        parsed = parse_file_name(version)
        if parsed and parsed[0] == name and (version not in versions or kind == ".new"):
            found.append(os.path.join(infos, file))
    return found


def _version(directory, entry, image_format):
    status = entry.stat(follow_symlinks=False)
    info = _read_info(info_path(directory, entry.name))
    return Version(
        file=entry.name,
        path=entry.path,
        format=image_format,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        info=info if info is not None and info.size == status.st_size else None,
    )


def _read_info(path):
    try:
        with open(path, encoding="utf-8") as stream:
            return Info(**json.load(stream))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def write_info(directory, file, info):
    """Write down what is known about a version; written beside and renamed, so that it is never half there."""
    path = info_path(directory, file)
    os.makedirs(info_directory(directory), mode=0o700, exist_ok=True)
    descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "w", encoding="utf-8") as stream:
        json.dump({key: value for key, value in vars(info).items() if value is not None}, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(path + ".new", path)


def forget_info(directory, file):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(info_path(directory, file))
