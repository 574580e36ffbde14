# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_image_upload: what it finds in Glance, plans and refuses. The scenario glance has uploads to a real one."""

from __future__ import annotations

import os
import socket
import subprocess

import libvirt
import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import KvmfleetError
from ansible_collections.kvmfleet.compute.plugins.module_utils._upload.disk import flattened
from ansible_collections.kvmfleet.compute.plugins.module_utils._upload.spec import parse
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.cloud_server import Cloud
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.returned import differences, documented

GUEST = """<domain type="qemu"><name>golden</name><memory>65536</memory><os><type>hvm</type></os><devices>
<disk type="file"><driver name="qemu" type="qcow2"/><source file="{disk}"/><target dev="vda"/></disk>
<disk type="file" device="cdrom"><target dev="sda"/></disk></devices></domain>"""


@pytest.fixture
def cloud(server):
    found = Cloud(server)
    found.have_none("debian")
    return found


@pytest.fixture
def upload(host, cloud, run_module):
    """A function that runs the module in check mode, where it only asks Glance; with `done` it runs for real."""

    def run(done=False, **params):
        return run_module(
            "vm_image_upload", dict({"glance": cloud.option(), "uri": host.uri}, **params), check=not done
        )

    return run


def named(result):
    return [action["action"] for action in result["actions"]]


def test_content_that_glance_has_is_left_alone(cloud, upload, make_image):
    image = make_image()
    image_id = cloud.put_image(image.read_bytes(), owner="p", hw_disk_bus="scsi", min_disk=2)
    for done in (False, True):
        result = upload(done, src=str(image), properties={"hw_disk_bus": "scsi", "min_disk": "2"})
        assert not result["failed"] and not result["changed"] and result["actions"] == []
        assert result["image"]["id"] == image_id
        assert result["image"]["properties"] == {"hw_disk_bus": "scsi", "min_disk": 2}


def test_the_result_is_what_the_documentation_says(cloud, upload, make_image):
    image = make_image()
    cloud.put_image(image.read_bytes(), owner="p")
    result = upload(True, src=str(image))
    found = {key: result[key] for key in set(result) - {"changed", "diff", "failed", "invocation"}}
    assert list(differences(found, documented("vm_image_upload"))) == []


def test_an_image_of_the_store_is_uploaded(host, cloud, upload, make_image):
    host.run(src=str(make_image()))
    result = upload(image="debian")
    assert named(result) == ["upload"] and result["image"] is None
    assert result["diff"]["before"] == "" and "content: sha512:" in result["diff"]["after"]


def test_changed_properties_are_updated(cloud, upload, make_image):
    image = make_image()
    cloud.put_image(image.read_bytes(), owner="p", hw_disk_bus="scsi")
    result = upload(src=str(image), properties={"hw_disk_bus": "virtio", "hw_qemu_guest_agent": True})
    assert named(result) == ["update"]
    assert "hw_disk_bus: scsi\n" in result["diff"]["before"]
    assert "hw_disk_bus: virtio\nhw_qemu_guest_agent: true\n" in result["diff"]["after"]


def test_other_content_of_the_name_is_replaced_only_when_asked(cloud, upload, make_image):
    image_id = cloud.put_image(b"other", owner="p")
    image = make_image()
    refused = upload(src=str(image))
    assert refused["failed"] and f"has the image 'debian' with other content ({image_id})" in refused["msg"]
    assert named(upload(src=str(image), replace=True)) == ["upload", "delete"]
    cloud.change(image_id, protected=True)
    protected = upload(src=str(image), replace=True)
    assert protected["failed"] and "is protected from being deleted" in protected["msg"]


def test_images_of_other_projects_do_not_count(cloud, upload, make_image):
    cloud.put_image(b"other", owner="q")
    assert named(upload(src=str(make_image()))) == ["upload"]


@pytest.mark.parametrize("status", ["queued", "saving", "active"])
def test_what_a_killed_run_of_this_host_has_left_is_deleted(cloud, upload, make_image, status):
    dead = f"{socket.gethostname()} 99999999"
    cloud.put_image(b"", owner="p", status=status, kvmfleet_unfinished=dead)
    assert named(upload(src=str(make_image()))) == ["delete_unfinished", "upload"]


@pytest.mark.parametrize("owner", ["elsewhere 99999999", f"{socket.gethostname()} 1"])
def test_an_upload_that_goes_on_is_not_disturbed(cloud, upload, make_image, owner):
    image_id = cloud.put_image(b"", owner="p", status="saving", kvmfleet_unfinished=owner)
    result = upload(src=str(make_image()), replace=True)
    assert result["failed"] and f"the host {owner.split()[0]} is uploading 'debian'" in result["msg"]
    assert image_id in result["msg"]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"src": "/no/such/file"}, "src: '/no/such/file' is not allowed; a regular file"),
        ({"image": "nowhere"}, "image: the image store images has no image 'nowhere'"),
        ({"instance": "nobody"}, "instance: there is no guest 'nobody'"),
        (
            {"src": "/etc/passwd", "properties": {"name": "x"}},
            "properties.name: 'x' is not allowed; a property has letters",
        ),
        (
            {"src": "/etc/passwd", "properties": {"a b": "x"}},
            "properties.a b: 'x' is not allowed; a property has letters",
        ),
        (
            {"src": "/etc/passwd", "properties": {"x": []}},
            "properties.x: [] is not allowed; a property is a text or a number",
        ),
        (
            {"src": "/etc/passwd", "properties": {"min_disk": "3GiB"}},
            "properties.min_disk: '3GiB' is not allowed; it is a whole",
        ),
        ({"src": "/etc/passwd"}, "it is neither qcow2 nor a whole number of sectors"),
    ],
)
def test_bad_input(upload, params, said):
    result = upload(True, **params)
    assert result["failed"] and said in result["msg"]


@pytest.fixture
def guest(embed_uri, tmp_path, make_image):
    """The connection to a host with the guest golden, whose disk is an overlay, and the path of the disk."""
    disk = tmp_path / "golden.qcow2"
    overlay = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", make_image(), "-F", "qcow2", disk]
    subprocess.run(overlay, check=True)
    with connect(embed_uri) as conn:
        domain = conn.defineXML(GUEST.format(disk=disk))
        yield conn, disk
        if domain.isActive():
            domain.destroy()
        domain.undefine()


def wanted(disk="vda"):
    glance = {"image": "golden", "cloud": "c", "auth": None, "region_name": None, "interface": None}
    others = {"image": None, "src": None, "visibility": None, "replace": False, "validate_certs": True, "ca_path": None}
    return parse(dict(others, glance=glance, instance="golden", disk=disk, pool="images", properties={}))


def test_a_disk_with_a_base_becomes_one_file_always_the_same(guest, tmp_path):
    conn, disk = guest
    store = tmp_path / "images"
    store.mkdir()
    contents = []
    for _twice in range(2):
        with flattened(conn, wanted(), str(store)) as stream:
            contents.append(stream.read())
        assert os.listdir(store) == []
    assert contents[0] == contents[1]
    whole = tmp_path / "whole.qcow2"
    whole.write_bytes(contents[0])
    subprocess.run(["qemu-img", "compare", whole, disk], check=True)
    described = subprocess.run(["qemu-img", "info", whole], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert "backing file" not in described


def test_only_the_disk_of_a_stopped_guest_is_taken(guest, tmp_path):
    conn, _disk = guest
    with pytest.raises(KvmfleetError, match="'vdb' is not allowed; the guest golden has the disks sda, vda"):
        flattened(conn, wanted("vdb"), str(tmp_path))
    with pytest.raises(KvmfleetError, match="a disk that is a file or a block device of the host is needed"):
        flattened(conn, wanted("sda"), str(tmp_path))
    conn.lookupByName("golden").createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    with pytest.raises(KvmfleetError, match="the guest 'golden' is paused; only the disk of a stopped guest is whole"):
        flattened(conn, wanted(), str(tmp_path))
