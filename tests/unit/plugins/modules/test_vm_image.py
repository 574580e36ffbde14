# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_image as Ansible runs it: real files, a real web server, pools of libvirt's in-memory driver."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import threading

import pytest
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.image_server import ImageServer
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.returned import differences, documented

MIB = 1024**2
POOL = '<pool type="dir"><name>{name}</name><target><path>{directory}</path></target>{volumes}</pool>'
VOLUME = """<volume type="file"><name>{file}</name><capacity>1</capacity>
<target><path>{directory}/{file}</path><format type="qcow2"/></target>{backing}</volume>"""


class Host:
    """A host whose image store is a directory of the test."""

    def __init__(self, directory, run_module):
        self.directory = directory
        self.store = directory / "images"
        self.infos = directory / "image-info"
        self.store.mkdir(parents=True)
        self.overlays = {}
        self._run_module = run_module

    @property
    def uri(self):
        """libvirt's in-memory driver doesn't look at files: its pools have what a refresh would have found."""
        images = [VOLUME.format(directory=self.store, file=file, backing="") for file in self.files()]
        overlays = [
            VOLUME.format(directory="/guests", file=file, backing=f"<backingStore><path>{base}</path></backingStore>")
            for file, base in self.overlays.items()
        ]
        definition = self.directory / "host.xml"
        definition.write_text(
            "<node>"
            + POOL.format(name="images", directory=self.store, volumes="".join(images))
            + POOL.format(name="default", directory="/guests", volumes="".join(overlays))
            + POOL.format(name="elsewhere", directory="/no/such/directory", volumes="")
            + "</node>"
        )
        return f"test://{definition}"

    def files(self):
        return sorted(path.name for path in self.store.iterdir())

    def info_files(self):
        return sorted(path.name for path in self.infos.iterdir()) if self.infos.exists() else []

    def state(self):
        """All that there is, to see that nothing was changed."""
        paths = [*self.store.iterdir(), *(self.infos.iterdir() if self.infos.exists() else ())]
        return {str(path): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode) for path in paths}

    def foresee(self, **params):
        return self._run_module("vm_image", dict({"name": "debian", "uri": self.uri}, **params), check=True)

    def run(self, **params):
        """Run the module, in check mode before, which changes nothing and says the same."""
        before = self.state()
        foreseen = self.foresee(**params)
        assert self.state() == before
        done = self._run_module("vm_image", dict({"name": "debian", "uri": self.uri}, **params))
        for key in ("failed", "changed", "actions", "diff"):
            assert foreseen.get(key) == done.get(key)
        return done

    def fail(self, **params):
        """Run the module, which fails and leaves everything as it was; return what it says."""
        before = self.state()
        result = self._run_module("vm_image", dict({"name": "debian", "uri": self.uri}, **params))
        assert result["failed"]
        assert self.state() == before
        return result["msg"]


@pytest.fixture
def host(tmp_path, run_module):
    return Host(tmp_path / "host", run_module)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ImageServer() as running:
        yield running


@pytest.fixture
def make_image(tmp_path):
    """A function that makes a qcow2 image with random content and returns its path."""

    def make(file="source.qcow2", size=MIB):
        raw, image = tmp_path / "content", tmp_path / file
        raw.write_bytes(os.urandom(size))
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image], check=True)
        return image

    return make


def checksum(path, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, path.read_bytes()).hexdigest()}"


def version_of(path, name="debian", image_format="qcow2"):
    return f"{name}.{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}.{image_format}"


def named(result):
    return [action["action"] for action in result["actions"]]


def test_a_file_becomes_the_image_once(host, make_image):
    image = make_image()
    done = host.run(src=str(image))
    assert done["changed"] and named(done) == ["import", "refresh_pool"]
    assert done["diff"] == {"before": "", "after": f"image: debian\ncurrent: {version_of(image)}\n"}
    stored = host.store / version_of(image)
    assert host.files() == [stored.name]
    assert stored.read_bytes() == image.read_bytes()
    assert stat.S_IMODE(stored.stat().st_mode) == 0o644
    created = done["image"].pop("created")
    assert created.endswith("Z") and len(created) == 20
    assert done["image"] == {
        "name": "debian",
        "volume": stored.name,
        "path": str(stored),
        "pool": "images",
        "format": "qcow2",
        "size": image.stat().st_size,
        "virtual_size": MIB,
        "checksum": checksum(image),
        "source": str(image),
    }
    again = host.run(src=str(image))
    assert not again["changed"] and again["actions"] == []
    assert again["image"] == dict(done["image"], created=created)


def test_the_result_is_what_the_documentation_says(host, make_image):
    done = host.run(src=str(make_image()))
    common = {"changed", "diff", "failed"}
    assert (
        list(differences({key: done[key] for key in set(done) - common - {"invocation"}}, documented("vm_image"))) == []
    )


def test_what_is_known_is_for_root_alone(host, make_image):
    host.run(src=str(make_image()))
    assert stat.S_IMODE(host.infos.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in host.infos.iterdir()] == [0o600]


def test_a_changed_file_becomes_a_newer_version_and_the_old_one_stays(host, make_image):
    old, new = make_image("old.qcow2"), make_image("new.qcow2")
    host.run(src=str(old))
    done = host.run(src=str(new))
    assert done["image"]["volume"] == version_of(new)
    assert host.files() == sorted([version_of(old), version_of(new)])
    back = host.run(src=str(old))
    assert named(back) == ["make_current", "refresh_pool"]
    assert back["image"]["volume"] == version_of(old)
    assert not host.run(src=str(old))["changed"]


def test_a_file_that_was_only_touched_changes_nothing(host, make_image):
    image = make_image()
    host.run(src=str(image))
    os.utime(image)
    assert not host.run(src=str(image))["changed"]


def test_raw_stays_sparse(host, tmp_path):
    image = tmp_path / "sparse.raw"
    with open(image, "wb") as stream:
        stream.truncate(64 * MIB)
        stream.seek(32 * MIB)
        stream.write(os.urandom(4096))
    done = host.run(src=str(image), format="raw")
    stored = host.store / done["image"]["volume"]
    assert stored.read_bytes() == image.read_bytes()
    assert stored.stat().st_blocks * 512 < 4 * MIB
    assert (done["image"]["format"], done["image"]["virtual_size"]) == ("raw", 64 * MIB)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_file_with_its_checksum(host, make_image, algorithm):
    image = make_image()
    assert host.run(src=str(image), checksum=checksum(image, algorithm))["changed"]
    assert not host.run(src=str(image), checksum=checksum(image, algorithm).upper().replace("SHA", "sha"))["changed"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_what_has_the_checksum_needs_no_source(host, make_image, algorithm):
    image = make_image()
    wanted = checksum(image, algorithm)
    host.run(src=str(image))
    image.unlink()
    assert not host.run(src=str(image), checksum=wanted)["changed"]


def test_a_version_that_was_damaged_is_replaced(host, make_image):
    image = make_image()
    host.run(src=str(image))
    os.truncate(host.store / version_of(image), 1000)
    assert named(host.run(src=str(image))) == ["import", "refresh_pool"]
    assert (host.store / version_of(image)).read_bytes() == image.read_bytes()
    for info in host.infos.iterdir():
        info.write_text("{")
    assert named(host.run(src=str(image))) == ["import", "refresh_pool"]
    assert not host.run(src=str(image))["changed"]


def test_a_url_is_downloaded_once(host, server, make_image):
    image = make_image()
    url = server.put("/debian.qcow2", image.read_bytes())
    done = host.run(url=url, checksum=checksum(image))
    assert named(done) == ["download", "refresh_pool"]
    assert done["image"]["source"] == url
    assert (host.store / version_of(image)).read_bytes() == image.read_bytes()
    assert not host.run(url=url, checksum=checksum(image))["changed"]
    assert server.requests == [("/debian.qcow2", 200)]


def test_without_a_checksum_the_server_is_asked_for_changes(host, server, make_image):
    old, new = make_image("old.qcow2"), make_image("new.qcow2")
    url = server.put("/nightly", old.read_bytes(), etag='"1"')
    assert host.run(url=url, allow_unverified=True)["changed"]
    server.requests.clear()
    assert not host.run(url=url, allow_unverified=True)["changed"]
    assert server.requests == [("/nightly", 304)] * 2
    server.put("/nightly", new.read_bytes(), etag='"2"')
    done = host.run(url=url, allow_unverified=True)
    assert done["changed"] and done["image"]["volume"] == version_of(new)


def test_the_same_content_from_a_server_that_tells_nothing_is_no_change(host, server, make_image):
    image = make_image()
    url = server.put("/image", image.read_bytes())
    assert host.run(url=url, allow_unverified=True)["changed"]
    assert host.foresee(url=url, allow_unverified=True)["changed"]
    mtime = (host.store / version_of(image)).stat().st_mtime_ns
    done = host._run_module("vm_image", {"name": "debian", "uri": host.uri, "url": url, "allow_unverified": True})
    assert not done["changed"] and done["actions"] == [] and done["diff"]["before"] == done["diff"]["after"]
    assert (host.store / version_of(image)).stat().st_mtime_ns == mtime


def test_a_login_is_sent_to_who_asks_for_it(host, server, make_image):
    image = make_image()
    url = server.put("/image", image.read_bytes(), login="builder:geheim")
    wanted = {"url": url, "checksum": checksum(image)}
    assert "the server says 401" in host.fail(**wanted)
    login = {"url_username": "builder", "url_password": "geheim"}
    assert "the server says 401" in host.fail(**wanted, **dict(login, url_password=url))
    done = host.run(**wanted, **login)
    assert done["changed"]
    assert "geheim" not in json.dumps(done)
    assert not any("geheim" in path.read_text() for path in host.infos.iterdir())


def test_a_redirection_is_followed(host, server, make_image):
    image = make_image()
    server.put("/there", image.read_bytes())
    url = server.put("/here", status=302, headers={"Location": "/there"})
    assert host.run(url=url, checksum=checksum(image))["changed"]


def failing_servers(server, image):
    content = image.read_bytes()
    page = b"<!DOCTYPE html>\n<p>please log in</p>"
    return {
        "missing": (server.put("/missing", status=404), "can't be downloaded: the server says 404"),
        "broken": (server.put("/broken", status=500), "can't be downloaded: the server says 500"),
        "dropped": (server.put("/dropped", content, sent=len(content) // 2), "broke off after"),
        "dropped at once": (server.put("/nothing", content, sent=0), "broke off after 0 of"),
        "a page": (server.put("/page", page), "it is a web page"),
        "empty": (server.put("/empty"), "it is empty"),
        "cut off": (server.put("/cut", content[: len(content) // 2], announce_length=False), "it is a truncated qcow2"),
        "another": (server.put("/raw", bytes(4096)), "checksum: 'sha256:"),
        "nobody": ("http://127.0.0.1:9/image", "can't be downloaded: "),
        "redirected to a file": (
            server.put("/local", status=302, headers={"Location": "file:///etc/passwd"}),
            "can't be downloaded: ",
        ),
    }


@pytest.mark.parametrize(
    "failure",
    [
        "missing",
        "broken",
        "dropped",
        "dropped at once",
        "a page",
        "empty",
        "cut off",
        "another",
        "nobody",
        "redirected to a file",
    ],
)
def test_a_download_that_fails_leaves_the_old_image(host, server, make_image, failure):
    old, new = make_image("old.qcow2"), make_image("new.qcow2")
    host.run(src=str(old))
    url, said = failing_servers(server, new)[failure]
    message = host.fail(url=url, checksum=checksum(new))
    assert said in message and "\n" not in message
    assert host.foresee(src=str(old))["image"]["volume"] == version_of(old)


def test_a_server_that_is_too_slow(host, server, make_image):
    image = make_image()
    url = server.put("/slow", image.read_bytes(), hold=threading.Event())
    assert "/slow' can't be read: " in host.fail(url=url, checksum=checksum(image), timeout="1s")
