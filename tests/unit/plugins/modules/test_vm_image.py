# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_image as Ansible runs it: real files, a real web server, pools of libvirt's in-memory driver."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import ipaddress
import json
import os
import re
import shutil
import ssl
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _lock
from ansible_collections.kvmfleet.compute.tests.unit.plugins.kill import chosen
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.image_host import PYTHON_PATH
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.image_server import ImageServer
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.returned import differences, documented
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

MIB = 1024**2
# Where processes of their own have their locks.
LOCKS = Path(_lock.DIRECTORY)
# How long another process may take, in seconds; only a test that fails waits for so long.
PATIENCE = 60


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
        "properties": {},
        "guest": {},
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


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [({"hold": threading.Event()}, "/slow' can't be read: "), ({"pause": 0.02}, "/slow' was not read in time; ")],
)
def test_a_server_that_is_too_slow(host, server, make_image, behaviour, said):
    image = make_image()
    url = server.put("/slow", image.read_bytes(), **behaviour)
    assert said in host.fail(url=url, checksum=checksum(image), timeout="1s")


def test_a_new_version_is_the_current_one_whatever_the_clock_says(host, make_image):
    old, new = make_image("old.qcow2"), make_image("new.qcow2")
    host.run(src=str(old))
    later = time.time() + 86400
    os.utime(host.store / version_of(old), (later, later))
    assert host.run(src=str(new))["image"]["volume"] == version_of(new)
    assert host.run(src=str(old))["image"]["volume"] == version_of(old)


def result_of(process):
    return json.loads(process.communicate(timeout=PATIENCE)[0])


def wait_until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def has_open(process, path):
    directory = f"/proc/{process.pid}/fd"
    with contextlib.suppress(FileNotFoundError):
        return any(os.readlink(f"{directory}/{file}") == str(path) for file in os.listdir(directory))
    return False


def test_a_run_that_was_killed_is_completed_by_the_next(host, server, make_image):
    old, new = make_image("old.qcow2"), make_image("new.qcow2", size=8 * MIB)
    host.run(src=str(old))
    url = server.put("/new", new.read_bytes(), hold=threading.Event())
    process = host.start(url=url, checksum=checksum(new))
    assert server.half_way.wait(PATIENCE)
    partial = host.store / f".debian.partial-{process.pid}"
    wait_until(partial.exists)
    assert stat.S_IMODE(partial.stat().st_mode) == 0o600
    process.kill()
    process.communicate()
    assert host.foresee(src=str(old))["image"]["volume"] == version_of(old)
    server.put("/new", new.read_bytes())
    done = host.run(url=url, checksum=checksum(new))
    assert named(done) == ["remove_leftover", "download", "refresh_pool"]
    assert done["image"]["volume"] == version_of(new)
    assert host.files() == sorted([version_of(old), version_of(new)])
    assert host.info_files() == [f"{file}.json" for file in host.files()]


def test_what_a_dead_run_left_is_removed_though_there_is_nothing_else_to_do(host, make_image):
    image = make_image()
    host.run(src=str(image))
    process = subprocess.Popen(["true"])
    process.wait()
    left = [
        host.store / f".debian.partial-{process.pid}",
        host.infos / "debian.0123456789ab.qcow2.json",
        host.infos / f"{version_of(image)}.json.new",
    ]
    others = [host.store / f".debian-13.partial-{process.pid}", host.store / f".debian.partial-{os.getpid()}"]
    for path in left + others:
        path.write_text("")
    done = host.run(src=str(image))
    assert named(done) == ["remove_leftover"] * 3
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others)


def test_two_runs_at_the_same_time_download_once(host, server, make_image):
    image = make_image()
    hold = threading.Event()
    url = server.put("/image", image.read_bytes(), hold=hold)
    first = host.start(url=url, checksum=checksum(image))
    assert server.half_way.wait(PATIENCE)
    second = host.start(url=url, checksum=checksum(image))
    wait_until(lambda: has_open(second, LOCKS / _lock.file_name(str(host.store), _lock.image("debian"))))
    hold.set()
    results = [result_of(first), result_of(second)]
    # Each process has an in-memory libvirt of its own, and the second one's has not been told by the first.
    assert [named(result) for result in results] == [["download", "refresh_pool"], ["refresh_pool"]]
    assert results[0]["image"] == results[1]["image"]
    assert server.requests == [("/image", 200)]
    assert host.files() == [version_of(image)]
    assert host.info_files() == [f"{version_of(image)}.json"]


def test_a_run_that_waits_in_vain_says_so(host, server, make_image):
    image = make_image()
    url = server.put("/image", image.read_bytes(), hold=threading.Event())
    first = host.start(url=url, checksum=checksum(image))
    assert server.half_way.wait(PATIENCE)
    second = host.start(url=url, checksum=checksum(image), timeout="1s")
    assert re.search(
        rf"the image 'debian' is being used by another task \(process {first.pid}, since [-0-9]+ [:0-9]+\), which did not end within "
        "1 s; run this task again afterwards, or give a longer timeout",
        result_of(second)["msg"],
    )
    server.pages["/image"].hold.set()
    assert result_of(first)["changed"]


def test_images_of_other_names_do_not_wait(host, server, make_image):
    image = make_image()
    url = server.put("/image", image.read_bytes(), hold=threading.Event())
    process = host.start(url=url, checksum=checksum(image))
    assert server.half_way.wait(PATIENCE)
    assert host.foresee(name="other", src=str(image))["changed"]
    assert host._run_module("vm_image", {"name": "other", "src": str(image), "uri": host.uri})["changed"]
    server.pages["/image"].hold.set()
    assert result_of(process)["changed"]


@pytest.mark.parametrize(
    ("announced", "said"),
    [(True, "needs 3.* and the image store .* has .* free"), (False, "does not fit into the image store .* kept free")],
)
def test_a_full_disk(host, server, make_image, announced, said):
    image = make_image(size=3 * MIB)
    url = server.put("/image", image.read_bytes(), announce_length=announced)
    # The small file system is that of the process alone and ends with it.
    script = 'mount -t tmpfs -o size=2M none "$1" && shift && "$@"; ls -A "$STORE" >&2'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(host.store)]
    done = subprocess.run(
        command + host.command(url=url, checksum=checksum(image)),
        env=dict(os.environ, PYTHONPATH=PYTHON_PATH, STORE=str(host.store)),
        capture_output=True,
        text=True,
        check=False,
    )
    result = json.loads(done.stdout)
    assert result["failed"] and re.search(said, result["msg"])
    assert done.stderr == ""
    assert host.info_files() == []


@pytest.fixture
def tls_server(monkeypatch, tmp_path):
    """A server with a certificate that it has signed itself, in the file `certificate`."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kvmfleet test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with ImageServer(context) as running:
        running.certificate = tmp_path / "ca.pem"
        running.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        yield running


def test_https(host, tls_server, make_image):
    image = make_image()
    wanted = {"url": tls_server.put("/image", image.read_bytes()), "checksum": checksum(image)}
    assert "certificate" in host.fail(**wanted).lower()
    assert host.run(**wanted, ca_path=str(tls_server.certificate))["changed"]
    assert host.run(**dict(wanted, name="trusting"), validate_certs=False)["changed"]


def test_an_image_is_removed_with_all_its_versions(host, make_image):
    for file in ("a", "b"):
        host.run(src=str(make_image(file)))
    host.run(name="debian-13", src=str(make_image("c")))
    others = [file for file in host.files() if file.startswith("debian-13.")]
    done = host.run(state="absent")
    assert named(done) == ["delete", "delete", "refresh_pool"]
    assert done["image"] is None
    assert host.files() == others
    assert host.info_files() == [f"{file}.json" for file in others]
    assert not host.run(state="absent")["changed"]


def test_an_image_that_something_needs_stays(host, make_image):
    old, new = make_image("old"), make_image("new")
    for image in (old, new):
        host.run(src=str(image))
    host.overlays["web01-vda.qcow2"] = host.store / version_of(old)
    message = host.fail(state="absent")
    assert message == (
        f"name: the image 'debian' can't be removed; its version {version_of(old)} is the base of "
        "'/guests/web01-vda.qcow2'"
    )
    assert host.foresee(state="absent")["msg"] == message
    host.overlays.clear()
    host.disks["web02"] = host.store / version_of(new)
    assert f"its version {version_of(new)} is in use by the guest 'web02'" in host.fail(state="absent")
    host.disks["web02"] = "/guests/other"
    assert host.run(state="absent")["changed"]


def test_a_pool_that_was_not_told_is_refreshed(host, make_image):
    image = make_image()
    done = host.run(src=str(image))
    uri = host.uri
    definition = host.directory / "host.xml"
    definition.write_text(re.sub("<volume .*</volume>", "", definition.read_text(), flags=re.DOTALL))
    found = host._run_module("vm_image", {"name": "debian", "src": str(image), "uri": uri})
    assert named(found) == ["refresh_pool"] and found["image"] == done["image"]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"name": "../etc"}, "name: '../etc' is not allowed; an image's name has letters"),
        ({"name": ""}, "name: '' is not allowed; "),
        ({"src": "/no/such/image"}, "src: '/no/such/image' is not allowed; a readable file of the managed host"),
        ({"src": "/dev/null"}, "src: '/dev/null' is not allowed; a regular file of the managed host is needed"),
        ({"src": "/tmp"}, "src: '/tmp' is not allowed; a readable file of the managed host is needed (Is a directory)"),
        ({"url": "https://example.com/a"}, "parameters are mutually exclusive: src|url"),
        ({"checksum": "md5:0123"}, "checksum: 'md5:0123' is not allowed; it is sha256: and 64 hex digits"),
        ({"checksum": "sha256:0123"}, "checksum: 'sha256:0123' is not allowed; "),
        ({"checksum": "a" * 64}, f"checksum: '{'a' * 64}' is not allowed; "),
        ({"checksum": f"sha256:{'a' * 64}"}, f"checksum: 'sha256:{'a' * 64}' is not allowed; "),
        ({"format": "raw"}, "format: 'raw' is not allowed; the image "),
        ({"format": "vmdk"}, "format: 'vmdk' is not allowed; one of auto, qcow2, raw is needed"),
        ({"timeout": "soon"}, "timeout: 'soon' is not allowed; a time is a number and one of"),
        ({"timeout": "0s"}, "timeout: '0s' is not allowed; it must be at least 1s"),
        ({"pool": "nowhere"}, "pool: 'nowhere' is not an active storage pool of this host; active pools are default"),
        ({"pool": "elsewhere"}, "pool: 'elsewhere' has the directory /no/such/directory, which the managed host does"),
        ({"uri": "nonsense:///"}, "uri: 'nonsense:///' can't be opened"),
        ({"state": "gone"}, "state: 'gone' is not allowed; one of present, absent is needed"),
        ({"url_username": "x"}, "parameters are required together: url_username, url_password"),
    ],
)
def test_bad_input(host, make_image, params, said):
    message = host.fail(**dict({"src": str(make_image())}, **params))
    assert message.startswith(said) and "\n" not in message


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "state is present but any of the following are missing: src, url"),
        ({"url": "https://example.com/a"}, "url: 'https://example.com/a' is not allowed; a checksum is needed, or"),
        ({"url": "ftp://example.com/a"}, "url: 'ftp://example.com/a' is not allowed; an http or https URL is needed"),
        ({"url": "https://"}, "url: 'https://' is not allowed; an http or https URL is needed"),
        ({"url": "https://a b/"}, "url: 'https://a b/' is not allowed; an http or https URL is needed"),
        ({"url": "https://h:x/"}, "url: 'https://h:x/' is not allowed; an http or https URL is needed"),
        ({"url": "/srv/image"}, "url: '/srv/image' is not allowed; an http or https URL is needed"),
    ],
)
def test_bad_sources(host, params, said):
    assert host.fail(**params).startswith(said)


def test_a_pipe_that_nobody_writes_into_is_no_image(host, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "a regular file of the managed host is needed" in host.fail(src=str(tmp_path / "pipe"))


def test_a_password_in_a_url_is_not_shown(host):
    url = "https://me:geheim@example.com/image"
    result = host.foresee(url=url, allow_unverified=True)
    assert result["msg"] == "url: a user name in the URL is not allowed; use url_username and url_password"


def test_a_version_of_another_format_than_asked_for(host, make_image):
    image = make_image()
    host.run(src=str(image))
    assert "format: 'raw' is not allowed; the image debian." in host.fail(src=str(image), format="raw")
    message = host.fail(src=str(image), format="raw", checksum=checksum(image))
    assert message == f"format: 'raw' is not allowed; the image {version_of(image)} is qcow2"


def test_a_dangerous_image_is_refused_in_check_mode_too(host, make_image):
    image = make_image()
    overlay = image.with_name("overlay.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image, "-F", "qcow2", overlay], check=True)
    assert "a qcow2 image with a backing file" in host.fail(src=str(overlay))
    assert "a qcow2 image with a backing file" in host.foresee(src=str(overlay))["msg"]


def test_a_version_that_was_changed_is_not_replaced_while_it_is_needed(host, make_image, tmp_path):
    image = make_image()
    host.run(src=str(image))
    version = host.store / version_of(image)
    host.disks = {"foreign": str(version)}
    with version.open("ab") as stream:
        stream.write(b"of the guest".ljust(512))
    assert host.fail(src=str(image)) == (
        f"name: the file {version.name} of the image store was changed and can't be replaced; it is in use by the guest 'foreign'"
    )
    host.disks = {}
    host.run(src=str(image))
    assert version.read_bytes() == image.read_bytes()


def test_a_version_that_is_what_it_should_be_gets_back_what_was_known_of_it(host, make_image):
    image = make_image()
    host.run(src=str(image))
    host.disks = {"foreign": str(host.store / version_of(image))}
    known = host.info_files()
    (host.infos / known[0]).unlink()
    assert host.run(src=str(image))["changed"]
    assert host.info_files() == known


# (module, its options, how often the image has been made before).
KILLED = {
    "first version": ("vm_image", {"name": "debian"}, 0),
    "second version": ("vm_image", {"name": "debian"}, 1),
    "removal": ("vm_image", {"name": "debian", "state": "absent"}, 2),
    "prune": ("vm_image_prune", {"older_than": "0s"}, 2),
}


@pytest.mark.parametrize("name", KILLED)
def test_a_run_that_is_killed_at_an_action_is_completed_by_the_next(
    host, make_image, name, record_property, tmp_path, locks
):
    module, options, versions = KILLED[name]
    images = [make_image(f"{number}.qcow2", size=(number + 1) * MIB) for number in range(3)]
    if options.get("state") != "absent" and module == "vm_image":
        options = dict(options, src=str(images[versions]))
    kept = tmp_path / "kept"

    def begin():
        for directory in (host.store, host.infos):
            shutil.rmtree(directory, ignore_errors=True)
        if kept.exists():
            shutil.copytree(kept / "images", host.store)
            shutil.copytree(kept / "image-info", host.infos)
        else:
            host.store.mkdir()

    for number in range(versions):
        host.run(src=str(images[number]))
    if versions:
        shutil.copytree(host.store, kept / "images")
        shutil.copytree(host.infos, kept / "image-info")
    length = host.kill(module, 0, **options)
    undisturbed = host.files(), host.info_files()
    numbers = chosen(range(1, length + 1), [length // 2])
    record_property("kills", len(numbers))
    for number in numbers:
        begin()
        host.kill(module, number, **options)
        assert not host._run_module(module, dict(options, uri=host.uri))["failed"]
        assert (host.files(), host.info_files()) == undisturbed
        assert not host._run_module(module, dict(options, uri=host.uri))["changed"]
        assert list(locks.iterdir()) == []
