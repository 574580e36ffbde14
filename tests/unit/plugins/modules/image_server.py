# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A web server on the loopback interface that serves images as well, and as badly, as servers do."""

from __future__ import annotations

import base64
import contextlib
import re
import threading
import time
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """What is at a path.

    sent: how many bytes come before the connection is dropped. hold: what the server waits for half-way.
    pause: how long it waits after each byte, in seconds. ranges: whether parts of the content can be asked for,
    if_range: and only of the content that the client has begun with.
    breaks: how often the connection is dropped, after which all is sent. on_request: called before an answer.
    """

    content: bytes = b""
    etag: str = None
    status: int = 200
    headers: dict = field(default_factory=dict)
    announce_length: bool = True
    sent: int = None
    hold: threading.Event = None
    login: str = None
    pause: float = 0
    ranges: bool = False
    if_range: bool = True
    breaks: int = None
    on_request: object = None


class ImageServer:
    """pages: by path. requests: [(path, status)] in their order, headers: what each of them had.

    half_way: set once half of a held page was sent.
    """

    def __init__(self, ssl_context=None, port=0):
        self.pages = {}
        self.requests = []
        self.headers = []
        self.half_way = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler_of(self))
        self._scheme = "http"
        if ssl_context is not None:
            self._server.socket = ssl_context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exception):
        for page in self.pages.values():
            if page.hold:
                page.hold.set()
        self.stop()
        self._thread.join()

    def stop(self):
        """Listen no longer; what was asked for before is still answered."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self):
        return self._server.server_port

    @property
    def url(self):
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def put(self, path, content=b"", **properties):
        """Serve a page from now on and return its URL."""
        self.pages[path] = Page(content, **properties)
        return f"{self.url}{path}"


def _rest(page, offset):
    size = len(page.content)
    if offset >= size:
        return replace(page, content=b"", status=416, headers={"Content-Range": f"bytes */{size}"})
    headers = dict(page.headers, **{"Content-Range": f"bytes {offset}-{size - 1}/{size}"})
    return replace(page, content=page.content[offset:], status=206, headers=headers)


def _handler_of(server):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            page = server.pages.get(self.path, Page(b"not here", status=404))
            expected = page.login and "Basic " + base64.b64encode(page.login.encode()).decode()
            if expected and self.headers.get("Authorization") != expected:
                page = Page(b"who are you", status=401, headers={"WWW-Authenticate": 'Basic realm="images"'})
            elif page.etag and self.headers.get("If-None-Match") == page.etag:
                page = Page(status=304, announce_length=False)
            elif page.ranges and "Range" in self.headers and self._begun_with(page):
                page = _rest(page, int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"]).group(1)))
            server.requests.append((self.path, page.status))
            server.headers.append(dict(self.headers))
            if page.on_request:
                page.on_request()
            self._answer(page)

        def _begun_with(self, page):
            return not page.if_range or self.headers.get("If-Range", page.etag) == page.etag

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.do_GET()

        def _answer(self, page):
            self.send_response(page.status)
            for name, value in dict(page.headers, **({"ETag": page.etag} if page.etag else {})).items():
                self.send_header(name, value)
            if page.announce_length:
                self.send_header("Content-Length", str(len(page.content)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self._send(page, page.content[: self._sent(page)])
            self.close_connection = True

        def _sent(self, page):
            if page.breaks is None:
                return page.sent
            served = server.pages[self.path]
            served.breaks -= 1  # Of the page itself, not of the part of it that was asked for.
            return page.sent if served.breaks >= 0 else None

        def _send(self, page, content):
            if page.pause:
                for byte in content:
                    self.wfile.write(bytes([byte]))
                    time.sleep(page.pause)
                return
            half = len(content) // 2
            self.wfile.write(content[:half])
            if page.hold:
                server.half_way.set()
                page.hold.wait()
            self.wfile.write(content[half:])

        def log_message(self, *_arguments):
            """The requests are recorded instead."""

    return Handler
