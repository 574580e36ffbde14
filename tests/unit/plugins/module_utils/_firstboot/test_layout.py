# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of config drives, read by cloud-init's own code."""

from __future__ import annotations

import base64
import json
import uuid

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._firstboot import description, layout
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._firstboot.descriptions import (
    HASH,
    KEY,
    UUID,
    WHOLE,
)

LABELS = ["config-2", "cidata"]


def files(label, given, name="web1", policy="keep"):
    return layout.files(label, description.parse(given), name, UUID, policy)


PATHS = {
    "config-2": {
        f"openstack/latest/{name}" for name in ("meta_data.json", "network_data.json", "user_data", "vendor_data.json")
    },
    "cidata": {"meta-data", "network-config", "user-data", "vendor-data"},
}
META_DATA = "openstack/latest/meta_data.json"
LEAST = {"config-2": {"openstack/latest/meta_data.json"}, "cidata": {"meta-data", "user-data"}}


@pytest.mark.parametrize("label", LABELS)
def test_cloud_init_reads_all_that_was_described(cloud_init, label):
    found_files = files(label, WHOLE)
    assert set(found_files) == PATHS[label]
    found = cloud_init(label, found_files)
    assert found["instance_id"] == UUID
    assert found["hostname"] == "web1.example.com"
    assert found["keys"] == [KEY]
    assert found["meta"] == {"role": "web", "shard": "3"}
    assert found["vendor_data"] == '#cloud-config\n{\n "timezone": "Europe/Vienna"\n}\n'
    assert found["parts"] == {}
    config = found["cloud_config"]
    assert config["package_update"] is False
    ada = {
        "name": "ada",
        "hashed_passwd": HASH,
        "lock_passwd": False,
        "ssh_authorized_keys": [KEY],
        "groups": ["adm", "www-data"],
        "shell": "/bin/bash",
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
    }
    assert [user for user in config["users"] if user != "default"] == [{"name": "eve"}, ada, {"name": "bob"}]
    assert "default" in config["users"]
    assert config["chpasswd"] == {"expire": False, "users": [{"name": "root", "password": HASH, "type": "hash"}]}
    assert [
        (file["path"], file["content"], file["permissions"], file.get("defer")) for file in config["write_files"]
    ] == [
        ("/etc/motd", "R3LDvMOfZQo=", "0644", None),
        ("/home/ada/blob", "AAH/", "0600", True),
    ]
    assert [mount[:3] for mount in config["mounts"]] == [
        ["/dev/disk/by-id/virtio-swap", "none", "swap"],
        ["swap"],
        ["/dev/disk/by-id/virtio-scratch", "/scratch", "xfs"],
    ]
    assert [(setup["filesystem"], setup["label"], setup["partition"]) for setup in config["fs_setup"]] == [
        ("swap", "swap", "auto"),
        ("xfs", "ephemeral0", "auto"),
    ]


@pytest.mark.parametrize("label", LABELS)
def test_a_guest_of_which_nothing_is_asked_has_its_name(cloud_init, label):
    found_files = files(label, {})
    assert set(found_files) == LEAST[label]
    found = cloud_init(label, found_files)
    assert (found["hostname"], found["keys"], found["cloud_config"], found["network"]) == ("web1", [], {}, None)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize(
    ("name", "hostname"),
    [
        ("web01.example.com", "web01.example.com"),
        ("bug_under", "bug-under"),
        ("Büro 1", "B-ro-1"),
        ("_a_.-b-..c", "a.b.c"),
        ("x" * 70, "x" * 63),
    ],
)
def test_a_host_name_is_made_of_the_guest_s_name(cloud_init, label, name, hostname):
    assert cloud_init(label, files(label, {}, name=name))["hostname"] == hostname
    assert cloud_init(label, files(label, {"hostname": "own"}, name=name))["hostname"] == "own"


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("name", ["__", "日本", ".".join(["x" * 63] * 4)])
def test_a_name_that_gives_no_host_name_is_refused(label, name):
    with pytest.raises(InvalidInput) as refused:
        files(label, {}, name=name)
    assert str(refused.value) == f"hostname: it is needed, as no host name can be made of the guest's name {name!r}"
    assert files(label, {"hostname": "own"}, name=name)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize(
    ("text", "kind"),
    [("#!/bin/sh\necho ü\n", "text/x-shellscript"), ("#cloud-boothook\n#!/bin/sh\necho\n", "text/cloud-boothook")],
)
def test_a_script_stands_beside_what_else_is_asked(cloud_init, label, text, kind):
    found = cloud_init(label, files(label, {"user_data": text, "users": [{"name": "ada"}]}))
    assert found["parts"] == {kind: text}
    assert found["cloud_config"] == {"users": ["default", {"name": "ada"}]}


@pytest.mark.parametrize("label", LABELS)
def test_a_message_of_mime_keeps_its_parts(cloud_init, label):
    text = (
        'Content-Type: multipart/mixed; boundary="x"\nMIME-Version: 1.0\n\n--x\nContent-Type: text/x-shellscript\n\n'
        "#!/bin/sh\n--x\nContent-Type: text/cloud-config\n\n#cloud-config\nlocale: C.UTF-8\n--x--\n"
    )
    found = cloud_init(label, files(label, {"user_data": text, "users": [{"name": "ada"}]}))
    assert found["parts"] == {"text/x-shellscript": "#!/bin/sh"}
    assert found["cloud_config"] == {"locale": "C.UTF-8", "users": ["default", {"name": "ada"}]}


def test_the_user_s_own_settings_win(cloud_init):
    own = {"chpasswd": {"expire": True}, "write_files": [{"path": "/a", "content": "b"}]}
    given = {"user_data": own, "admin_password_hash": HASH, "write_files": [{"path": "/c", "content": "d"}]}
    found = cloud_init("cidata", files("cidata", given))["cloud_config"]
    assert found["chpasswd"]["expire"] is True
    assert found["chpasswd"]["users"][0]["password"] == HASH
    assert [file["path"] for file in found["write_files"]] == ["/a", "/c"]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize(
    "text", ["#cloud-config\n# mine\nlocale: C.UTF-8\n", '{"ignition": {"version": "3.4.0"}}', "#!/bin/sh\n"]
)
def test_user_data_with_nothing_beside_it_is_kept_as_it_is(label, text):
    found = files(label, {"user_data": text})
    assert text.encode() in found.values()


def test_what_cloud_init_does_not_know_can_not_have_anything_beside_it():
    with pytest.raises(InvalidInput) as refused:
        files("config-2", {"user_data": '{"ignition": {}}', "users": [{"name": "ada"}]})
    assert str(refused.value) == (
        "user_data: users, passwords, files and disks are set up by cloud-init, which does not know this kind of data; "
        "its first line has to say the kind, such as #cloud-config or #!/bin/sh"
    )


def test_a_password_is_nowhere_but_as_a_hash():
    meta_data = json.loads(files("config-2", WHOLE)["openstack/latest/meta_data.json"])
    assert set(meta_data) == {"uuid", "name", "hostname", "launch_index", "meta", "public_keys", "keys"}


def identity(label, given, policy):
    found = files(label, given, policy=policy)
    if label == "cidata":
        return json.loads(found["meta-data"])["instance-id"]
    return json.loads(found["openstack/latest/meta_data.json"])["uuid"]


@pytest.mark.parametrize("label", LABELS)
def test_the_instance_id_is_kept_or_new_with_each_change(label):
    changed = {**WHOLE, "hostname": "web2"}
    assert identity(label, WHOLE, "keep") == identity(label, changed, "keep") == UUID
    first = identity(label, WHOLE, "new_on_change")
    assert first == identity(label, WHOLE, "new_on_change") != identity(label, changed, "new_on_change")
    assert str(uuid.UUID(first)) == first != UUID


@pytest.mark.parametrize("label", LABELS)
def test_the_same_description_has_the_same_bytes_and_digest(label):
    one, other = files(label, WHOLE), files(label, json.loads(json.dumps(WHOLE)))
    assert one == other
    assert layout.digest(label, one) == layout.digest(label, dict(reversed(other.items())))


def test_openstack_s_drive_can_have_random_bytes_and_nothing_else_changes(cloud_init):
    found, seed = files("config-2", WHOLE), bytes(range(256)) * 2
    drive = layout.with_random_seed("config-2", found, seed)
    assert cloud_init("config-2", drive)["random_seed"] == 512
    meta_data = json.loads(drive[META_DATA])
    assert base64.b64decode(meta_data.pop("random_seed"), validate=True) == seed
    assert {**drive, META_DATA: meta_data} == {**found, META_DATA: json.loads(found[META_DATA])}
    assert layout.with_random_seed("cidata", files("cidata", WHOLE), seed) == files("cidata", WHOLE)


@pytest.mark.parametrize("change", [{"hostname": "web2"}, {"user_data": "#cloud-config\n{}"}, {"network": []}])
def test_each_change_has_another_digest(change):
    assert layout.digest("cidata", files("cidata", WHOLE)) != layout.digest(
        "cidata", files("cidata", {**WHOLE, **change})
    )


def test_the_digest_tells_files_apart():
    digests = {
        layout.digest(*drive)
        for drive in (("a", {"b": b"c"}), ("ab", {"": b"c"}), ("a", {"b": b"", "c": b""}), ("a", {"bc": b""}))
    }
    assert len(digests) == 4


def test_a_drive_has_a_largest_size():
    big = {"write_files": [{"path": "/big", "content": "x" * (50 * 1024 * 1024)}]}
    with pytest.raises(
        InvalidInput, match="write_files: the config drive would have 699.* bytes; 67108864 bytes are allowed"
    ):
        files("cidata", big)
