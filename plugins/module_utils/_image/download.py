# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A URL as a source of vm_image: a download that goes on where it broke off."""

from __future__ import annotations

import contextlib
import http.client
import re
import time
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urljoin, urlsplit

from ansible.module_utils.urls import ConnectionError as AnsibleConnectionError
from ansible.module_utils.urls import open_url
from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _units
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.source import CHUNK, Source, StartedAfresh

# How long to try, in seconds since the download got any further, and how often.
PATIENCE = 60
INTERVAL = 1
# A server that is silent for so long, in seconds, is taken for dead.
SILENCE = 60
PARTIAL = 206
NOT_MODIFIED = 304
RANGE_NOT_SATISFIABLE = 416
TOO_MANY_REQUESTS = 429
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 10
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


@dataclass(frozen=True)
class Part:
    """A content from an offset to its end; size, in bytes, is that of the whole, None when it is not known.

    `chunks` is a generator of bytes, which raises OSError when the transfer breaks off.
    """

    chunks: object
    offset: int
    size: int = None


class ResumedStream:
    """The bytes of a source, which is opened again at the place where it broke off.

    `open_at(offset)` returns the Part from there, or from 0 where the source can't go on with the same content. What it
    raises at the beginning, and what will not pass, goes to the caller; after an OSError or Unavailable later on, and
    when there is less than the size, it is called again.
    """

    def __init__(self, open_at, deadline):
        self._open_at = open_at
        self._deadline = deadline
        self._furthest = 0
        self._heard = time.monotonic()
        self._begin(open_at(0))

    def read1(self, _length):
        """Return the next bytes, none at the end.

        Raises StartedAfresh, and OSError when the source has got no further for too long.
        """
        while True:
            try:
                chunk = next(self._part.chunks, b"")
                if not chunk and self._position < (self._part.size or 0):
                    raise OSError("it ended too early")
            except OSError as exc:
                self._resume(exc)
                continue
            self._position += len(chunk)
            if self._position > self._furthest:
                self._furthest, self._heard = self._position, time.monotonic()
            return chunk

    def close(self):
        """Drop the connection."""
        self._part.chunks.close()

    def _begin(self, part):
        self._part = part
        self._position = part.offset

    def _resume(self, broken):
        """Open the source again, as soon as that is possible."""
        until = min(self._deadline, self._heard + PATIENCE)
        while time.monotonic() < until:
            time.sleep(INTERVAL)
            try:
                part = self._open_at(self._position)
            except (OSError, _errors.Unavailable) as exc:
                broken = exc
                continue
            self._begin(part)
            if part.offset == 0:
                raise StartedAfresh
            return
        of = "" if self._part.size is None else f" of {self._part.size}"
        raise OSError(f"it broke off after {self._position}{of} bytes, and can't be resumed: {broken}")


class Download(Source):
    """The content of a spec's URL. Raises KvmfleetError when it can't be had.

    What is known of the content is renewed when the stream starts afresh.
    """

    def __init__(self, spec, deadline):
        super().__init__()
        self._spec = spec
        self._deadline = deadline
        self.stream = ResumedStream(self._open_at, deadline)

    def _open_at(self, offset):
        """Return the Part from an offset if the server has it of the same content, else from 0.

        Source: RFC 9110, sections 13.1.5 (If-Range) and 14 (range requests).
        """
        headers = self._range(offset)
        with _url_errors(self._spec):
            try:
                response = _request(self._spec, self._deadline, headers)
            except HTTPError as exc:
                if headers and exc.code == RANGE_NOT_SATISFIABLE:
                    return self._open_at(0)
                raise
        if headers and response.status == PARTIAL:
            if self._is_rest(response, offset):
                return Part(_chunks(response), offset, self.size)
            response.close()
            return self._open_at(0)
        length = response.headers.get("Content-Length")
        self.size = int(length) if length and length.isdigit() else None
        self.needs = self.size or 0
        self.etag = response.headers.get("ETag")
        self.last_modified = response.headers.get("Last-Modified")
        return Part(_chunks(response), 0, self.size)

    def _range(self, offset):
        """Return the headers that ask for the rest; none where nothing would tell that it is of the same content."""
        strong = self.etag and not self.etag.startswith("W/")
        if not offset or not (strong or self._spec.checksum):
            return {}
        return {"Range": f"bytes={offset}-", **({"If-Range": self.etag} if strong else {})}

    def _is_rest(self, response, offset):
        """Tell whether a partial answer begins at the offset, and is of the same content as far as that can be seen."""
        part = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if part is None or int(part.group(1)) != offset or response.headers.get("ETag") != self.etag:
            return False
        if self.size is None:
            self.size = int(part.group(2))
        return self.size == int(part.group(2))


@contextlib.contextmanager
def opened(spec, deadline):
    """Open a spec's URL as a Source for the time of a `with` block. Raises KvmfleetError."""
    source = Download(spec, deadline)
    with contextlib.closing(source.stream):
        yield source


def is_unmodified(spec, info, deadline):
    """Ask the server whether the URL's content is still what an Info says was downloaded from it."""
    if not info.etag and not info.last_modified:
        return False
    headers = {"If-None-Match": info.etag, "If-Modified-Since": info.last_modified}
    headers = {name: value for name, value in headers.items() if value}
    with _url_errors(spec):
        try:
            with _request(spec, deadline, headers) as response:
                # A server that answers conditional requests as any other says at least what it has.
                return bool(info.etag) and response.headers.get("ETag") == info.etag
        except HTTPError as exc:
            if exc.code == NOT_MODIFIED:
                return True
            raise


def read_text(spec, url, largest, deadline):
    """Return the text at another URL than a spec's own, which the option checksum names. Raises KvmfleetError."""
    spec = replace(spec, option="checksum", source=url, **spec.login(url))
    with _url_errors(spec), _request(spec, deadline, {}) as response:
        content = response.read(largest + 1)
    if len(content) > largest:
        raise _errors.InvalidInput.of("checksum", url, f"a file of checksums has {_units.format_size(largest)} at most")
    return content.decode(errors="replace")


def _request(spec, deadline, headers):
    """Ask for a spec's URL, wherever the server says that it is now, and again when it says that it is asked too often."""
    url = spec.source
    redirects = 0
    while True:
        try:
            return open_url(
                url,
                headers=headers,
                timeout=max(1, min(SILENCE, deadline - time.monotonic())),
                **{f"url_{name}": value for name, value in spec.login(url).items()},
                validate_certs=spec.validate_certs,
                ca_path=spec.ca_path,
                # What is checked and stored are the bytes as the server has them.
                decompress=False,
                follow_redirects="none",
            )
        except HTTPError as exc:
            if exc.code == TOO_MANY_REQUESTS:
                _wait(exc, deadline)
                continue
            location = exc.headers.get("Location") if exc.code in REDIRECTS else None
            if location is None or redirects == MOST_REDIRECTS:
                raise
            redirects += 1
            # A server may write what a URL can't have.
            url = urljoin(url, quote(location, safe="%/:=&?~#+!$,;'@()*[]"))
            if urlsplit(url).scheme not in ("http", "https"):
                raise _errors.KvmfleetError(
                    f"{spec.option}: {spec.source!r} can't be downloaded: the server says that it is at {url}; only http and https URLs "
                    "are followed"
                ) from exc


def _wait(answer, deadline):
    """Wait as long as a server asks for. Raises the answer where that is after the deadline. Source: RFC 9110, section 10.2.3."""
    wanted = (answer.headers.get("Retry-After") or "").strip()
    try:
        date = None if wanted.isdigit() else parsedate_to_datetime(wanted)
    except (TypeError, ValueError):
        date = None
    seconds = int(wanted[:18]) if wanted.isdigit() else date.timestamp() - time.time() if date else 10 * INTERVAL
    if time.monotonic() + seconds > deadline:
        answer.msg += f", try again in {int(seconds)} seconds, which is after the timeout"
        raise answer
    time.sleep(max(seconds, INTERVAL))


def _chunks(response):
    """Yield the bytes of an answer as they come: a server that sends a few now and then must not outlast the deadline."""
    with response:
        try:
            while chunk := response.read1(CHUNK):
                yield chunk
        except http.client.HTTPException as exc:
            raise OSError(str(exc) or type(exc).__name__) from exc


@contextlib.contextmanager
def _url_errors(spec):
    """Say which URL it was when the network or the server failed: raises KvmfleetError, Unavailable where it may pass."""
    failure = f"{spec.option}: {spec.source!r} can't be downloaded"
    try:
        yield
    except HTTPError as exc:
        error = _errors.Unavailable if exc.code >= 500 else _errors.KvmfleetError
        raise error(f"{failure}: the server says {exc.code} {exc.reason}") from exc
    except URLError as exc:
        raise _errors.Unavailable(f"{failure}: {exc.reason}") from exc
    except (OSError, AnsibleConnectionError, http.client.HTTPException) as exc:
        raise _errors.Unavailable(f"{failure}: {str(exc) or type(exc).__name__}") from exc
