# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_image with compressed images, files of checksums, and servers that say wait or go elsewhere, from real web servers."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import subprocess
import time
from email.utils import formatdate

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import execute
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.image_server import ImageServer
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.test_vm_image import checksum, version_of

LOGIN = {"url_username": "builder", "url_password": "geheim42"}
PACK = {
    "xz": lzma.compress,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "zst": lambda data: subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout,
}


@pytest.fixture
def other(server):
    """A second server."""
    with ImageServer() as running:
        yield running


def packed(image, kind):
    file = image.with_name(f"{image.name}.{kind}")
    file.write_bytes(PACK[kind](image.read_bytes()))
    return file


def stored(host, image):
    return host.files() == [version_of(image)] and (host.store / version_of(image)).read_bytes() == image.read_bytes()


@pytest.mark.parametrize("kind", PACK)
def test_a_compressed_image_is_unpacked_once(host, server, make_image, kind):
    image = make_image()
    file = packed(image, kind)
    wanted = {"url": server.put(f"/image.{kind}", file.read_bytes()), "checksum": checksum(file)}
    done = host.run(**wanted)
    assert done["changed"] and stored(host, image)
    assert done["image"]["checksum"] == checksum(image)
    # The checksum is that of what is downloaded.
    assert not host.run(**wanted)["changed"]
    assert not host.run(url=wanted["url"], checksum=checksum(image))["changed"]
    assert len(server.requests) == 1


@pytest.mark.parametrize("kind", PACK)
def test_a_compressed_file_is_unpacked_once(host, make_image, kind):
    image = make_image()
    file = packed(image, kind)
    assert host.run(src=str(file))["changed"] and stored(host, image)
    assert not host.run(src=str(file))["changed"]
    assert not host.run(src=str(file), checksum=checksum(file, "sha512"))["changed"]


def test_streams_one_after_the_other_are_one_image(host, make_image, tmp_path):
    image = make_image()
    content = image.read_bytes()
    file = tmp_path / "image.xz"
    file.write_bytes(lzma.compress(content[:5000]) + bytes(8) + lzma.compress(content[5000:]))
    assert host.run(src=str(file))["changed"] and stored(host, image)


@pytest.mark.parametrize("kind", PACK)
def test_a_compressed_image_that_is_cut_off(host, server, make_image, kind):
    content = packed(make_image(), kind).read_bytes()[:-1000]
    url = server.put("/image", content)
    said = host.fail(url=url, checksum=f"sha256:{hashlib.sha256(content).hexdigest()}")
    assert said.startswith(f"url: {url!r} is not allowed; it is compressed (") and "can't be unpacked" in said


def test_what_is_in_a_compressed_image_is_probed(host, tmp_path):
    file = tmp_path / "page.gz"
    file.write_bytes(gzip.compress(b"<!DOCTYPE html>\n<p>moved</p>"))
    assert "it is a web page" in host.fail(src=str(file))


def test_without_zstd_it_is_named(host, make_image, monkeypatch, tmp_path):
    file = packed(make_image(), "zst")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "is compressed with zstd, and the managed host has no program zstd" in host.fail(src=str(file))


@pytest.mark.parametrize("kind", PACK)
def test_a_bomb_is_given_up(host, server, tmp_path, kind):
    file = tmp_path / "bomb"
    file.write_bytes(PACK[kind](bytes(64 * 1024**2)))
    url = server.put("/bomb", file.read_bytes())
    said = host.fail(url=url, checksum=checksum(file), max_size="8MiB")
    assert said == f"url: {url!r} has more than 8MiB; a larger max_size takes more"


def test_a_server_that_tells_no_size_does_not_fill_the_store(host, server, make_image, monkeypatch):
    image = make_image()
    url = server.put("/image", image.read_bytes(), announce_length=False)
    assert "has more than 64KiB" in host.fail(url=url, allow_unverified=True, max_size="64KiB")
    # The store is as good as full when no more than this may be left.
    monkeypatch.setattr(execute, "RESERVE", 2**62)
    assert "does not fit into the image store" in host.fail(url=url, allow_unverified=True)
    monkeypatch.undo()
    assert host.run(url=url, allow_unverified=True)["changed"] and stored(host, image)


SUMS = {
    "coreutils": "{other}  other.qcow2\n{sha256}  image.qcow2\n",
    "binary": "{sha256} *image.qcow2\n{other} *other.qcow2\n",
    "below": "{sha256}  ./images/image.qcow2\n",
    "BSD": "SHA256 (other.qcow2) = {other}\nSHA256 (image.qcow2) = {sha256}\n",
    "signed": "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# image.qcow2: 7 bytes\nSHA256 (image.qcow2) = {sha256}\n"
    "-----BEGIN PGP SIGNATURE-----\n\niQIzBAEBCAAdFiEE\n-----END PGP SIGNATURE-----\n",
    "SHA-512": "{sha512}  image.qcow2\r\n",
    "both": "SHA256 (image.qcow2) = {sha256}\nSHA512 (image.qcow2) = {sha512}\n",
    "one alone": "{sha256}\n",
}


def sums(image, text):
    content = image.read_bytes()
    digits = {name: hashlib.new(name, content).hexdigest() for name in ("sha256", "sha512")}
    return text.format(other="0" * 64, **digits).encode()


@pytest.mark.parametrize("text", SUMS.values(), ids=SUMS)
def test_a_file_of_checksums(host, server, make_image, text):
    image = make_image()
    wanted = {"url": server.put("/image.qcow2", image.read_bytes()), "checksum": server.put("/SUMS", sums(image, text))}
    assert host.run(**wanted)["changed"] and stored(host, image)
    assert not host.run(**wanted)["changed"]
    assert [path for path, _status in server.requests].count("/image.qcow2") == 1
    # Another image of this name is a newer version.
    newer = make_image("newer.qcow2")
    server.put("/image.qcow2", newer.read_bytes())
    server.put("/SUMS", sums(newer, text))
    assert host.run(**wanted)["changed"]
    assert version_of(newer) in host.files() and len(host.files()) == 2


def test_a_file_of_checksums_for_a_file_and_for_mirrors(host, server, other, make_image):
    image = make_image("image.qcow2")
    page = sums(image, SUMS["coreutils"])
    url = other.put("/SUMS", page, login="builder:geheim42")
    assert host.run(src=str(image), checksum=url, **LOGIN)["changed"]
    mirrors = [other.put("/image.qcow2", image.read_bytes())]
    gone = server.put("/image.qcow2", status=404)
    done = host.run(name="again", url=gone, mirrors=mirrors, checksum=server.put("/SUMS", page))
    assert done["image"]["source"] == mirrors[0]


def test_a_wrong_file_of_checksums(host, server, make_image):
    image = make_image()
    url = server.put("/image.qcow2", image.read_bytes())
    for text, said in (
        (b"", "the file there has no SHA-256 or SHA-512 checksum of 'image.qcow2'"),
        (sums(image, "{sha256}  other.qcow2\n"), "the file there has no SHA-256"),
        (sums(image, "{sha256}  image.qcow2\n{other}  image.qcow2\n"), "the file there has more than one SHA-256"),
        (b"d41d8cd98f00b204e9800998ecf8427e  image.qcow2\n", "the file there has no SHA-256"),
        (bytes(2 * 1024**2), "a file of checksums has 1MiB at most"),
    ):
        place = server.put("/SUMS", text)
        assert host.fail(url=url, checksum=place).startswith(f"checksum: {place!r} is not allowed; {said}")
    assert host.fail(url=url, checksum=server.put("/SUMS", status=404)).endswith("the server says 404 Not Found")
    wrong = server.put("/SUMS", sums(image, "{other}  image.qcow2\n"))
    assert f"has {checksum(image)}" in host.fail(url=url, checksum=wrong)
    assert "url or src is needed" in host.fail(glance={"image": "i", "cloud": "c"}, checksum=wrong)


def busy(server, path, content, **headers):
    """Serve a page after one answer that it is asked for too often."""
    served = []

    def later():
        if not served:
            served.append(time.monotonic())
            server.put(path, content)

    return server.put(path, b"slow down", status=429, headers=headers, on_request=later), served


@pytest.mark.parametrize("wanted", ["1", "date", None])
def test_an_answer_429_is_waited_for_as_it_says(host, server, make_image, wanted):
    image = make_image()
    asked = {"1": {"Retry-After": "1"}, "date": {"Retry-After": formatdate(time.time() + 3, usegmt=True)}, None: {}}[
        wanted
    ]
    url, served = busy(server, "/image", image.read_bytes(), **asked)
    assert host.run(url=url, checksum=checksum(image))["changed"] and stored(host, image)
    assert [status for _path, status in server.requests] == [429, 200]
    assert time.monotonic() - served[0] > (1 if wanted else 0)


def test_an_answer_429_is_not_waited_for_beyond_the_timeout(host, server):
    url, _served = busy(server, "/image", b"", **{"Retry-After": "100"})
    begun = time.monotonic()
    said = host.fail(url=url, allow_unverified=True, timeout="20s")
    assert said.endswith("the server says 429 Too Many Requests, try again in 100 seconds, which is after the timeout")
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("place", ["ftp://127.0.0.1:9/image", "file:///etc/hostname"])
def test_a_redirection_to_another_kind_of_place_is_refused(host, server, place):
    url = server.put("/image", status=302, headers={"Location": place})
    said = host.fail(url=url, allow_unverified=True)
    assert said.startswith(f"url: {url!r} can't be downloaded: the server says") and place.partition(":")[0] in said


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_takes_the_login_to_no_other_server(host, server, other, make_image, status):
    image = make_image()
    there = other.put("/image", image.read_bytes())
    near = server.put("/near", status=status, headers={"Location": there})
    url = server.put("/image", status=status, headers={"Location": near.rpartition("/")[2]})
    assert host.run(url=url, checksum=checksum(image), **LOGIN)["changed"] and stored(host, image)
    assert not any("Authorization" in headers for headers in other.headers)


def test_a_redirection_in_circles_ends(host, server):
    url = server.put("/image", status=302, headers={"Location": "/image"})
    assert "the server says 302" in host.fail(url=url, allow_unverified=True)
    assert len(server.requests) < 20


def test_what_a_killed_run_has_unpacked_is_removed(host, make_image):
    image = make_image()
    (host.store / f".debian.partial-{2**30}.unpacked").write_bytes(os.urandom(10))
    done = host.run(src=str(image))
    assert done["actions"][0]["action"] == "remove_leftover" and stored(host, image)
