# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_image with images of Glance: openstacksdk, and a web server with the answers of Keystone and Glance."""

from __future__ import annotations

import builtins
import json

import pytest
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.cloud_server import PASSWORD, Cloud
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.test_vm_image import checksum, named, version_of

PROPERTIES = {"hw_firmware_type": "uefi", "hw_disk_bus": "scsi", "os_admin_user": "ubuntu"}


@pytest.fixture
def cloud(server):
    return Cloud(server)


def transfers(cloud):
    return [status for path, status in cloud.server.requests if path.endswith("/file")]


def test_an_image_is_downloaded_once_with_its_properties(host, cloud, make_image):
    image = make_image()
    image_id = cloud.put_image(image.read_bytes(), min_disk=3, min_ram=512, **PROPERTIES)
    done = host.run(glance=cloud.option())
    assert named(done) == ["download", "refresh_pool"]
    assert host.files() == [version_of(image)]
    assert (host.store / version_of(image)).read_bytes() == image.read_bytes()
    assert done["image"]["properties"] == dict(PROPERTIES, min_disk=3, min_ram=512)
    assert done["image"]["guest"] == {
        "firmware": "uefi",
        "disk_bus": "scsi",
        "admin_user": "ubuntu",
        "min_disk": "3GiB",
        "min_memory": "512MiB",
    }
    assert PASSWORD not in json.dumps(done) and PASSWORD not in str(host.state())
    assert not host.run(glance=cloud.option())["changed"]
    assert not host.run(glance=cloud.option(image_id.upper()))["changed"]
    assert transfers(cloud) == [200]


def test_changed_properties_are_kept_without_a_download(host, cloud, make_image):
    image_id = cloud.put_image(make_image().read_bytes())
    host.run(glance=cloud.option())
    cloud.change(image_id, hw_machine_type="pc")
    done = host.run(glance=cloud.option())
    assert named(done) == ["update_properties"] and done["image"]["guest"] == {"machine": "pc"}
    assert not host.run(glance=cloud.option())["changed"]
    assert transfers(cloud) == [200]


def test_what_came_from_elsewhere_is_not_downloaded_again(host, cloud, make_image):
    image = make_image()
    host.run(src=str(image))
    cloud.put_image(image.read_bytes(), **PROPERTIES)
    assert named(host.run(glance=cloud.option())) == ["update_properties"]
    assert transfers(cloud) == []


def test_what_has_the_checksum_needs_no_cloud(host, cloud, make_image):
    image = make_image()
    host.run(src=str(image))
    assert not host.run(glance=cloud.option(), checksum=checksum(image))["changed"]
    assert cloud.server.requests == []


@pytest.mark.parametrize("ranges", [True, False])
def test_a_transfer_that_breaks_off_is_resumed(host, cloud, make_image, ranges):
    image = make_image()
    cloud.put_image(image.read_bytes(), transfer={"sent": 200_000, "breaks": 2, "ranges": ranges})
    host.run(glance=cloud.option())
    assert (host.store / version_of(image)).read_bytes() == image.read_bytes()
    # Without ranges it is sent from its beginning, and breaks off at the same place again.
    assert transfers(cloud) == [200, 206, 206] if ranges else [200, 200, 200]


def test_a_transfer_that_breaks_off_for_ever_fails(host, cloud, make_image):
    old = make_image("old.qcow2")
    host.run(src=str(old))
    cloud.put_image(make_image().read_bytes(), transfer={"sent": 200_000, "ranges": False})
    said = host.fail(glance=cloud.option())
    # What came of the last piece is not counted.
    assert "broke off after 196608 of" in said and "can't be resumed" in said
    assert host.files() == [version_of(old)]


def test_an_image_that_is_gone_in_the_middle_is_not_waited_for(host, cloud, make_image):
    image_id = cloud.put_image(make_image().read_bytes(), transfer={"sent": 1000})
    path = cloud.path(image_id, "/file")
    page = cloud.server.pages[path]
    # The first answer takes the page away.
    page.on_request = lambda: cloud.server.put(path, b"gone", status=404)
    assert "answers 404 Not Found" in host.fail(glance=cloud.option())
    assert transfers(cloud) == [200, 404]


def test_content_with_another_hash_is_refused(host, cloud, make_image):
    cloud.put_image(make_image().read_bytes(), os_hash_value="0" * 128)
    said = host.fail(glance=cloud.option())
    assert "is damaged: what came has sha512:" in said and f"sha512:{'0' * 128} was promised" in said
    assert host.files() == []


def test_the_checksum_of_the_task_counts_too(host, cloud, make_image):
    image = make_image()
    cloud.put_image(image.read_bytes())
    assert f"debian of {cloud.url} has {checksum(image)}" in host.fail(
        glance=cloud.option(), checksum="sha256:" + "0" * 64
    )
    assert transfers(cloud) == [200]
    said = host.fail(glance=cloud.option(), checksum="sha512:" + "0" * 128)
    assert f"in Glance debian of {cloud.url} has {checksum(image, 'sha512')}" in said
    assert transfers(cloud) == [200]


def test_an_image_without_a_strong_hash_needs_trust(host, cloud, make_image):
    image = make_image()
    cloud.put_image(image.read_bytes(), os_hash_algo=None, os_hash_value=None)
    assert "a checksum is needed, or allow_unverified" in host.fail(glance=cloud.option())
    assert host.run(glance=cloud.option(), allow_unverified=True)["changed"]
    assert not host.run(glance=cloud.option(), allow_unverified=True)["changed"]
    assert transfers(cloud) == [200]
    assert not host.run(glance=cloud.option(), checksum=checksum(image))["changed"]


def test_a_refused_login(host, cloud):
    cloud.refuse()
    said = host.fail(glance=cloud.option())
    assert said == f"glance: Keystone of {cloud.url} refuses the credentials (401)"


def test_a_broken_keystone(host, cloud):
    cloud.refuse(500)
    said = host.fail(glance=cloud.option())
    assert f"glance: {cloud.url} answers 500 " in said and "\n" not in said


def test_a_cloud_without_an_image_service(host, cloud):
    cloud.allow(services=())
    said = host.fail(glance=cloud.option())
    assert said.startswith("glance: ") and cloud.url in said and "image" in said and "\n" not in said


def test_a_cloud_that_is_not_there(host, cloud):
    option = cloud.option()
    option["auth"]["auth_url"] = "http://127.0.0.1:1/v3"
    said = host.fail(glance=option)
    assert said.startswith("glance: http://127.0.0.1:1/v3 can't be reached or used: ") and "\n" not in said


def test_a_cloud_that_clouds_yaml_has_and_one_that_it_has_not(host, cloud, make_image, tmp_path, monkeypatch):
    image = make_image()
    cloud.put_image(image.read_bytes())
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(json.dumps({"clouds": {"production": {"auth": cloud.option()["auth"], "region_name": "lab"}}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    assert host.run(glance={"image": "debian", "cloud": "production"})["changed"]
    said = host.fail(glance={"image": "debian", "cloud": "test"})
    assert said.startswith(
        "glance: the cloud test can't be used: Cloud test was not found; clouds.yaml is looked for in "
    )


def test_an_image_that_is_not_there(host, cloud):
    cloud.have_none("debian")
    assert host.fail(glance=cloud.option()) == (
        f"glance.image: 'debian' is no image of {cloud.url} that its user sees (404)"
    )


def test_several_images_of_one_name(host, cloud, make_image):
    image = make_image()
    ids = [cloud.put_image(image.read_bytes()), cloud.put_image(b"other")]
    said = host.fail(glance=cloud.option())
    assert f"2 images of {cloud.url} have this name; the ID of one is needed: {', '.join(ids)}" in said
    assert host.run(glance=cloud.option(ids[0]))["changed"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"status": "queued"}, "is queued in Glance; only an active image has its content"),
        ({"status": "deactivated"}, "is deactivated in Glance"),
        ({"disk_format": "vmdk"}, "in Glance it is vmdk, and an image is a whole qcow2 or raw file"),
    ],
)
def test_an_image_that_can_not_be_taken(host, cloud, make_image, entry, said):
    cloud.put_image(make_image().read_bytes(), **entry)
    assert said in host.fail(glance=cloud.option())
    assert transfers(cloud) == []


def test_content_that_is_no_image_is_refused(host, cloud):
    cloud.put_image(b"<html>" + bytes(506))
    assert "it is a web page" in host.fail(glance=cloud.option())


@pytest.mark.parametrize("status", [403, 500, 503])
def test_a_refused_transfer(host, cloud, make_image, status):
    cloud.put_image(make_image().read_bytes(), transfer={"status": status})
    assert f"glance: Glance of {cloud.url} answers {status} " in host.fail(glance=cloud.option())


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        (
            {"auth_url": "cloud.example.com"},
            "glance.auth.auth_url: 'cloud.example.com' is not allowed; the http or https URL",
        ),
        (
            {"password": None},
            "glance.auth: exactly one of password, application_credential_secret, token is needed; 0 are",
        ),
        (
            {"token": "gAAAA-token"},
            "glance.auth: exactly one of password, application_credential_secret, token is needed; 2 are",
        ),
        ({"username": None}, "glance.auth: a username or user_id is needed with password"),
        (
            {
                "password": None,
                "application_credential_secret": "a-secret-of-it",
                "application_credential_name": "n",
                "username": None,
            },
            "glance.auth: application_credential_id, or application_credential_name and username, is needed",
        ),
    ],
)
def test_bad_logins(host, cloud, auth, said):
    option = cloud.option()
    option["auth"].update(auth)
    assert said in host.fail(glance=option)
    assert cloud.server.requests == []


@pytest.mark.parametrize(
    "secrets",
    [{"token": "gAAAA-token"}, {"application_credential_id": "i", "application_credential_secret": "a-secret-of-it"}],
)
def test_other_logins(host, cloud, make_image, secrets):
    cloud.put_image(make_image().read_bytes())
    option = cloud.option()
    option["auth"] = dict(secrets, auth_url=cloud.url)
    assert host.run(glance=option)["changed"]


def test_without_openstacksdk_only_glance_fails(host, cloud, make_image, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.partition(".")[0] == "openstack":
            raise ImportError(f"No module named {name!r}")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    said = host.fail(glance=cloud.option())
    assert said.startswith("the Python library openstacksdk is missing for ") and "python3-openstacksdk" in said
    assert host.run(src=str(make_image()))["changed"]
