# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_image with downloads that break off, and with mirrors, from real web servers."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import download
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.image_server import ImageServer
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.test_vm_image import checksum, version_of

BREAK = {"sent": 200_000, "breaks": 2}
LOGIN = {"url_username": "builder", "url_password": "geheim"}


@pytest.fixture
def other(server):
    """A second server."""
    with ImageServer() as running:
        yield running


def statuses(server):
    return [status for _path, status in server.requests]


def ranges(server):
    return [(headers.get("Range"), headers.get("If-Range")) for headers in server.headers]


def stored(host, image):
    return (host.store / version_of(image)).read_bytes() == image.read_bytes()


def then(server, path, content, **properties):
    """A page's `on_request`: the next request for it finds another one."""
    return lambda: server.put(path, content, **properties)


@pytest.mark.parametrize("etag", [None, '"1"', 'W/"1"'])
def test_a_download_that_breaks_off_is_resumed(host, server, make_image, etag):
    image = make_image()
    url = server.put("/image", image.read_bytes(), etag=etag, ranges=True, **BREAK)
    assert host.run(url=url, checksum=checksum(image))["changed"]
    assert stored(host, image)
    # Only a strong ETag says that two contents are the same to the byte.
    if_range = etag if etag == '"1"' else None
    assert statuses(server) == [200, 206, 206]
    assert ranges(server) == [(None, None), ("bytes=200000-", if_range), ("bytes=400000-", if_range)]


def test_without_a_checksum_a_strong_etag_is_enough(host, server, make_image):
    image = make_image()
    url = server.put("/image", image.read_bytes(), etag='"1"', ranges=True, **BREAK)
    assert host.run(url=url, allow_unverified=True)["changed"]
    assert stored(host, image)
    assert ranges(server) == [(None, None), ("bytes=200000-", '"1"'), ("bytes=400000-", '"1"')]


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
def test_where_nothing_vouches_for_the_content_it_is_downloaded_afresh(host, server, make_image, etag):
    image = make_image()
    url = server.put("/image", image.read_bytes(), etag=etag, ranges=True, **BREAK)
    assert host.run(url=url, allow_unverified=True)["changed"]
    assert stored(host, image)
    assert ranges(server) == [(None, None)] * 3


def test_a_server_that_sends_no_parts(host, server, make_image):
    image = make_image()
    url = server.put("/image", image.read_bytes(), etag='"1"', **BREAK)
    assert host.run(url=url, checksum=checksum(image))["changed"]
    assert stored(host, image)
    assert statuses(server) == [200, 200, 200]


@pytest.mark.parametrize(
    ("size", "properties", "answers"),
    [
        (1, {"if_range": True}, [200, 200]),
        (1, {"if_range": False}, [200, 206, 200]),
        (1, {"etag": None, "if_range": False}, [200, 206, 200]),
        (0, {"if_range": False}, [200, 416, 200]),
    ],
)
def test_content_that_changed_meanwhile_is_downloaded_afresh(host, server, make_image, size, properties, answers):
    old, new = make_image("old.qcow2"), make_image("new.qcow2", size=size * 1024**2 + 4096)
    page = dict({"etag": '"2"', "ranges": True}, **properties)
    url = server.put(
        "/image",
        old.read_bytes(),
        etag='"1"',
        sent=600_000,
        on_request=then(server, "/image", new.read_bytes(), **page),
    )
    assert host.run(url=url, allow_unverified=True)["changed"]
    assert host.files() == [version_of(new)] and stored(host, new)
    assert statuses(server) == answers
    if page["etag"]:
        # What was kept for the next conditional request is the new content's.
        assert not host.run(url=url, allow_unverified=True)["changed"]


def test_content_of_the_same_size_is_told_by_its_etag(host, server, make_image):
    old, new = make_image("old.qcow2"), make_image("new.qcow2")
    assert old.stat().st_size == new.stat().st_size
    after = then(server, "/image", new.read_bytes(), etag='"2"', ranges=True, if_range=False)
    url = server.put("/image", old.read_bytes(), etag='"1"', sent=600_000, on_request=after)
    assert host.run(url=url, allow_unverified=True)["changed"]
    assert stored(host, new)
    assert statuses(server) == [200, 206, 200]


def test_content_without_an_etag_is_told_by_its_size(host, server, make_image):
    old, new = make_image("old.qcow2"), make_image("new.qcow2", size=2 * 1024**2)
    after = then(server, "/image", new.read_bytes(), ranges=True)
    url = server.put("/image", old.read_bytes(), sent=600_000, on_request=after)
    assert host.run(url=url, checksum=checksum(new))["changed"]
    assert stored(host, new)
    assert statuses(server) == [200, 206, 200]


def test_a_checksum_finds_what_a_server_mixed(host, server, make_image):
    old, new = make_image("old.qcow2"), make_image("new.qcow2")
    assert old.stat().st_size == new.stat().st_size
    url = server.put(
        "/image", old.read_bytes(), sent=600_000, on_request=then(server, "/image", new.read_bytes(), ranges=True)
    )
    assert "checksum: 'sha256:" in host.fail(url=url, checksum=checksum(new))
    assert statuses(server) == [200, 206]


def test_a_download_that_gets_further_may_take_longer_than_the_patience(host, server, make_image, monkeypatch):
    image = make_image()
    monkeypatch.setattr(download, "INTERVAL", download.PATIENCE / 5)
    url = server.put("/image", image.read_bytes(), sent=150_000, ranges=True)
    assert host.run(url=url, checksum=checksum(image))["changed"]
    assert len(server.requests) > 6


def test_a_server_that_dies_and_comes_back(host, server, make_image):
    image = make_image()

    def die():
        server.stop()
        threading.Timer(0.3, revive).start()

    def revive():
        revived.append(ImageServer(port=server.port).__enter__())
        revived[0].put("/image", image.read_bytes(), etag='"1"', ranges=True)

    revived = []
    url = server.put("/image", image.read_bytes(), etag='"1"', sent=200_000, on_request=die)
    try:
        assert host.run(url=url, allow_unverified=True)["changed"]
        assert statuses(revived[0]) == [206]
    finally:
        revived[0].__exit__()
    assert stored(host, image)


def test_an_error_that_may_pass_is_waited_for(host, server, make_image):
    image = make_image()
    busy = {"status": 503, "on_request": then(server, "/image", image.read_bytes(), ranges=True)}
    url = server.put("/image", image.read_bytes(), sent=200_000, on_request=then(server, "/image", b"busy", **busy))
    assert host.run(url=url, checksum=checksum(image))["changed"]
    assert statuses(server) == [200, 503, 206]


def test_what_is_gone_in_the_middle_is_not_waited_for(host, server, make_image):
    image = make_image()
    url = server.put("/image", image.read_bytes(), sent=200_000, on_request=then(server, "/image", b"gone", status=404))
    assert host.fail(url=url, checksum=checksum(image)) == (
        f"url: {url!r} can't be downloaded: the server says 404 Not Found"
    )
    assert statuses(server) == [200, 404]


def test_a_download_of_unknown_size_is_resumed(host, server, make_image):
    image = make_image()
    content = image.read_bytes()
    url = server.put(
        "/image",
        f"{len(content):x}\r\n".encode() + content[:200_000],
        announce_length=False,
        headers={"Transfer-Encoding": "chunked"},
        on_request=then(server, "/image", content, ranges=True),
    )
    assert host.run(url=url, checksum=checksum(image))["changed"]
    assert stored(host, image)
    assert statuses(server) == [200, 206]


def test_a_download_that_gets_no_further_fails(host, server, make_image):
    image = make_image()
    # It is sent from the beginning again and again.
    url = server.put("/image", image.read_bytes(), sent=200_000)
    size = image.stat().st_size
    said = host.fail(url=url, checksum=checksum(image))
    assert said == (
        f"url: {url!r} can't be read: it broke off after 200000 of {size} bytes, and can't be resumed: "
        "it ended too early"
    )
    assert len(server.requests) > 2


def useless(server, image):
    content = image.read_bytes()
    return {
        "nobody": ("http://127.0.0.1:9/image", "can't be downloaded: "),
        "missing": (server.put("/missing", status=404), "the server says 404"),
        "broken": (server.put("/broken", status=503), "the server says 503"),
        "another": (server.put("/another", bytes(4096)), "has sha256:"),
        "a page": (server.put("/page", b"<!DOCTYPE html>\n<p>moved</p>"), "it is a web page"),
        "dropped": (server.put("/dropped", content, sent=200_000), "can't be resumed"),
        "longer": (server.put("/longer", content + content), "has sha256:"),
    }


@pytest.mark.parametrize("failure", ["nobody", "missing", "broken", "another", "a page", "dropped", "longer"])
def test_a_mirror_has_what_the_url_has_not(host, server, other, make_image, failure):
    image = make_image()
    url, _said = useless(server, image)[failure]
    mirrors = [other.put("/nothing", status=410), other.put("/image", image.read_bytes()), other.put("/never")]
    wanted = {"url": url, "mirrors": mirrors, "checksum": checksum(image)}
    done = host.run(**wanted)
    assert done["changed"] and done["image"]["source"] == mirrors[1]
    assert host.files() == [version_of(image)] and stored(host, image)
    assert other.requests == [("/nothing", 410), ("/image", 200)]
    server.requests.clear()
    assert not host.run(**wanted)["changed"]
    assert server.requests == [] and len(other.requests) == 2


def test_mirrors_are_left_alone_where_the_url_delivers(host, server, other, make_image):
    image = make_image()
    url = server.put("/image", image.read_bytes(), ranges=True, **BREAK)
    done = host.run(url=url, mirrors=[other.put("/image", image.read_bytes())], checksum=checksum(image))
    assert done["image"]["source"] == url
    assert other.requests == []


def test_a_download_from_a_mirror_is_resumed(host, server, other, make_image):
    image = make_image()
    mirror = other.put("/image", image.read_bytes(), ranges=True, **BREAK)
    host.run(url=server.put("/image", status=404), mirrors=[mirror], checksum=checksum(image))
    assert stored(host, image)
    assert statuses(other) == [200, 206, 206]


def test_where_nobody_has_it_each_is_named(host, server, make_image):
    image = make_image()
    failures = list(useless(server, image).values())
    url, *mirrors = [url for url, _said in failures]
    said = host.fail(url=url, mirrors=mirrors, checksum=checksum(image))
    reasons = said.split("; and ")
    assert len(reasons) == len(failures) and "\n" not in said
    for (place, why), reason in zip(failures, reasons):
        assert place in reason and why in reason


def test_an_image_that_may_not_be_taken_is_not_looked_for_elsewhere(host, server, other, make_image):
    image = make_image()
    url = server.put("/image", image.read_bytes())
    mirror = other.put("/image", image.read_bytes())
    said = host.fail(url=url, mirrors=[mirror], checksum=checksum(image), format="raw")
    assert said == f"format: 'raw' is not allowed; the image {url} is qcow2"
    assert other.requests == []


def test_a_timeout_ends_it_all(host, server, other, make_image):
    image = make_image()
    url = server.put("/slow", image.read_bytes(), pause=0.02)
    mirror = other.put("/image", image.read_bytes())
    assert "was not read in time" in host.fail(url=url, mirrors=[mirror], checksum=checksum(image), timeout="1s")
    assert other.requests == []


def test_a_login_is_for_the_server_of_the_url_alone(host, server, other, make_image):
    image = make_image()
    page = {"content": image.read_bytes(), "login": "builder:geheim"}
    mirrors = [other.put("/image", **page), server.put("/image", **page)]
    done = host.run(url=server.put("/moved", status=404), mirrors=mirrors, checksum=checksum(image), **LOGIN)
    assert done["image"]["source"] == mirrors[1]
    assert server.requests == [("/moved", 404), ("/image", 401), ("/image", 200)]
    assert other.requests == [("/image", 401)]
    assert not any("Authorization" in headers for headers in other.headers)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"checksum": None, "allow_unverified": True}, "mirrors: ['https://b/i'] is not allowed; a checksum is needed"),
        ({"url": None, "src": "/image"}, "mirrors: ['https://b/i'] is not allowed; a url is needed"),
        ({"mirrors": ["ftp://b/i"]}, "mirrors: 'ftp://b/i' is not allowed; an http or https URL is needed"),
        ({"mirrors": ["https://b/i", ""]}, "mirrors: '' is not allowed; an http or https URL is needed"),
        ({"mirrors": ["https://me:geheim@b/i"]}, "mirrors: a user name in the URL is not allowed; use url_username"),
    ],
)
def test_bad_mirrors(host, params, said):
    wanted = {"url": "https://a/i", "mirrors": ["https://b/i"], "checksum": f"sha256:{'0' * 64}"}
    wanted = {option: value for option, value in dict(wanted, **params).items() if value is not None}
    message = host.fail(**wanted)
    assert message.startswith(said) and "geheim" not in message and "\n" not in message


def test_no_mirrors_need_no_checksum(host, server, make_image):
    url = server.put("/image", make_image().read_bytes())
    assert host.run(url=url, mirrors=[], allow_unverified=True)["changed"]
