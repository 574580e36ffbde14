# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Make the image of a config drive of its files: ISO 9660 with Joliet and Rock Ridge, or VFAT. Same files, same bytes."""

from __future__ import annotations

import os
import subprocess
import tempfile

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors

# FAT has no earlier time. All files have it, and all tools take it for now.
EPOCH = 315532800
ENVIRONMENT = {"SOURCE_DATE_EPOCH": str(EPOCH), "TZ": "UTC", "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1"}
PACKAGES = {"xorriso": "xorriso", "mkfs.vfat": "dosfstools", "mcopy": "mtools"}
ISO9660 = "iso9660"
VFAT = "vfat"
FORMATS = (ISO9660, VFAT)
MIB = 1024 * 1024


def build(files, label, image_format, path):
    """Write the image of {path: bytes} to a file that only its owner may read; an existing one is replaced at once.

    Raises Unsupported when the host lacks a tool, KvmfleetError when one fails.
    """
    # Beside the target, so that the rename is one; and files in it, so that no content is ever in a command line.
    with tempfile.TemporaryDirectory(prefix=".kvmfleet-", dir=os.path.dirname(path)) as directory:
        tree, image = os.path.join(directory, "tree"), os.path.join(directory, "image")
        _write_tree(tree, files)
        descriptor = os.open(image, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.close(descriptor)
        if image_format == ISO9660:
            _iso9660(tree, label, image)
        else:
            _vfat(tree, label, image, files)
        _sync(image)
        os.replace(image, path)


def _write_tree(tree, files):
    for name in sorted(files):
        target = os.path.join(tree, name)
        os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(files[name])
    for directory, _directories, names in os.walk(tree, topdown=False):
        for name in names:
            os.utime(os.path.join(directory, name), (EPOCH, EPOCH))
        os.utime(directory, (EPOCH, EPOCH))


def _iso9660(tree, label, image):
    # Without xorriso's own configuration files, padding, and its version in the image.
    options = ["-quiet", "-no-pad", "-joliet", "-rational-rock", "-volid", label, "-preparer", "KVMFLEET"]
    _run("xorriso", "-no_rc", "-as", "mkisofs", *options, "-output", image, tree)


def _vfat(tree, label, image, files):
    # Each file and directory takes a cluster of 4 KiB at most more than its content, the tables far less than 1 MiB.
    size = sum(len(content) + 16384 for content in files.values())
    with open(image, "r+b") as stream:
        stream.truncate((size // MIB + 2) * MIB)
    _run("mkfs.vfat", "--invariant", "-n", label, image)
    _run("mcopy", "-s", "-m", "-i", image, *sorted(os.path.join(tree, name) for name in os.listdir(tree)), "::/")


def _run(program, *arguments):
    command = [program, *arguments]
    try:
        run = subprocess.run(
            command,
            env=dict(os.environ, **ENVIRONMENT),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except FileNotFoundError as exc:
        raise _errors.Unsupported(
            f"{program} is missing on the host, which makes config drives; install the package {PACKAGES[program]} there"
        ) from exc
    if run.returncode:
        said = " ".join(run.stdout.decode(errors="replace").split())
        raise _errors.KvmfleetError(f"the config drive can't be made: {program} failed: {said}")


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
