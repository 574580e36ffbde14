# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Read and write a guest's files through its agent, in pieces, and see by a checksum that they arrived whole.

Source: guest-file-open, guest-file-read, guest-file-write, guest-file-seek, guest-file-close.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import posixpath
import secrets

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import execution
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.errors import AgentError

# Bytes of a piece. A call that asks has to be short (agent.REQUEST_LIMIT), an answer may be longer.
WRITTEN = 64 * 1024
READ = 256 * 1024

# The path comes through a redirection, so that no program takes it for an option.
_CHECKSUM = 'head -c "$2" < "$1" | sha256sum'
_CREATE = 'umask 077 && set -C && : > "$1"'
_RENAME = '[ ! -d "$2" ] && mv -f -- "$1" "$2"'
_REMOVE = 'rm -f -- "$1"'


class Damaged(_errors.KvmfleetError):
    """A file did not arrive as it was sent."""


def chunks(stream, size=WRITTEN):
    """Yield what a binary stream has, in pieces of at most `size` bytes."""
    while True:
        piece = stream.read(size)
        if not piece:
            return
        yield piece


def read(agent, path):
    """Return the content of a guest's file. Raises AgentError and Damaged."""
    stream = io.BytesIO()
    fetch(agent, path, stream)
    return stream.getvalue()


def write(agent, path, content):
    """Make a guest's file of this content; see store(). Raises AgentError and Damaged."""
    store(agent, path, io.BytesIO(content))


def fetch(agent, path, stream):
    """Copy a guest's file into a binary stream.

    It is compared by its checksum; by its size where the agent may not run programs. Raises AgentError and Damaged.
    """
    digest, size = hashlib.sha256(), 0
    with _opened(agent, path, "r") as handle:
        for piece in _pieces(agent, handle):
            stream.write(piece)
            digest.update(piece)
            size += len(piece)
        if not agent.allows(*execution.COMMANDS):
            there = agent.call("guest-file-seek", handle=handle, offset=0, whence=2)["position"]
            if there != size:
                raise Damaged(f"{path}: {size} bytes were read of {there} in the guest {agent.guest!r}; read it again")
            return
    if _checksum(agent, path, size) != digest.hexdigest():
        raise Damaged(
            f"{path}: what was read differs from the file in the guest {agent.guest!r}; it changed meanwhile, read it again"
        )


def store(agent, path, stream):
    """Copy a binary stream to a guest's file.

    It is written beside, compared by its checksum and then renamed, and belongs to root alone (0600). That needs programs in
    the guest: the agent itself lets everybody write to a file that it makes (0666), and can't rename it.
    Raises AgentError and Damaged.
    """
    beside = posixpath.join(posixpath.dirname(path), f".kvmfleet-{secrets.token_hex(8)}")
    _shell(agent, path, _CREATE, beside)
    try:
        digest, size = _fill(agent, beside, stream)
        if _checksum(agent, beside, size) != digest:
            raise Damaged(
                f"{path}: what was written differs from the file in the guest {agent.guest!r}; write it again"
            )
        _shell(agent, path, _RENAME, beside, path)
    except BaseException:
        with contextlib.suppress(_errors.KvmfleetError):
            _shell(agent, path, _REMOVE, beside)
        raise


@contextlib.contextmanager
def _opened(agent, path, mode):
    handle = agent.call("guest-file-open", path=path, mode=mode)
    try:
        yield handle
    except BaseException:
        with contextlib.suppress(AgentError):
            agent.call("guest-file-close", handle=handle)
        raise
    # What was written is on the disk, or an error tells that it is not.
    agent.call("guest-file-close", handle=handle)


def _pieces(agent, handle):
    while True:
        answer = agent.call("guest-file-read", handle=handle, count=READ)
        yield base64.b64decode(answer["buf-b64"])
        if answer["eof"]:
            return


def _fill(agent, path, stream):
    """Write a stream to an empty file of the guest; return the checksum and the size of what was sent."""
    digest, size = hashlib.sha256(), 0
    # This mode never makes a file.
    with _opened(agent, path, "r+") as handle:
        for piece in chunks(stream):
            digest.update(piece)
            size += len(piece)
            while piece:
                answer = agent.call("guest-file-write", handle=handle, buf_b64=base64.b64encode(piece).decode())
                piece = piece[answer["count"] :]
    return digest.hexdigest(), size


def _checksum(agent, path, size):
    """Return the SHA-256 of the first `size` bytes of a guest's file: a log may have grown since it was read."""
    return _shell(agent, path, _CHECKSUM, path, str(size)).split()[0].decode()


def _shell(agent, path, script, *words):
    result = execution.run(agent, ["/bin/sh", "-c", script, "sh", *words])
    if result.rc:
        said = result.stderr.decode(errors="replace").strip() or f"exit code {result.rc}"
        raise AgentError(f"{path}: the guest {agent.guest!r} can't take or give the file: {said}", "refused")
    return result.stdout
