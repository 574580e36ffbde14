# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rest of a description: what is refused, in one sentence that repeats no secret."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput, MissingLibrary
from ansible_collections.kvmfleet.compute.plugins.module_utils._firstboot import (
    description,
    options,
    user_data,
    yaml_text,
)
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._firstboot.descriptions import (
    HASH,
    KEY,
    WHOLE,
)
from hypothesis import given
from hypothesis import strategies as st
from yaml import safe_load

NAME = "a name has small letters, digits, - and _, begins with a letter, and has 32 characters at most"
PATH = "an absolute path without .. is needed"
UTF8 = "it is not valid UTF-8"
HEADER = (
    "cloud-init ignores it, as its first line does not say the kind; begin it with #cloud-config, #!/bin/sh or another header "
    "of cloud-init, without a space after the # and nothing before it, or with MIME-Version: 1.0"
)
NO_HASH = "it is not a hash of crypt such as $6$...; the filter ansible.builtin.password_hash makes one"
FILE = {"path": "/etc/motd", "content": "x"}
DISK = {"serial": "data", "mount": "/data"}
BAD = [
    (
        {"hostname": "web_1"},
        "hostname: 'web_1' is not allowed; a name of letters, digits and - is needed, with dots when it has a domain",
    ),
    (
        {"hostname": "a" * 64},
        f"hostname: '{'a' * 64}' is not allowed; a name of letters, digits and - is needed, with dots when it has a domain",
    ),
    (
        {"ssh_keys": ["ssh-rsa"]},
        "ssh_keys: 'ssh-rsa' is not allowed; a public key is one line, such as ssh-ed25519 AAAA... name",
    ),
    (
        {"ssh_keys": [f"{KEY}\n{KEY}"]},
        f"ssh_keys: {KEY + chr(10) + KEY!r} is not allowed; a public key is one line, such as ssh-ed25519 AAAA... name",
    ),
    ({"users": [{"name": "Ada"}]}, f"users[0].name: 'Ada' is not allowed; {NAME}"),
    (
        {"users": [{"name": "a"}, {"name": "a"}]},
        "users[1].name: 'a' is not allowed; another user of the list has this name",
    ),
    ({"users": [{"name": "a", "groups": ["x,y"]}]}, f"users[0].groups: 'x,y' is not allowed; {NAME}"),
    ({"users": [{"name": "a", "shell": "bash"}]}, f"users[0].shell: 'bash' is not allowed; {PATH}"),
    ({"users": [{"name": "a", "password_hash": "secret"}]}, f"users[0].password_hash: {NO_HASH}"),
    ({"admin_password_hash": "$6$salt$secret:0"}, f"admin_password_hash: {NO_HASH}"),
    ({"admin_user": "0"}, f"admin_user: '0' is not allowed; {NAME}"),
    ({"write_files": [{**FILE, "path": "etc/motd"}]}, f"write_files[0].path: 'etc/motd' is not allowed; {PATH}"),
    ({"write_files": [{**FILE, "path": "/a/../b"}]}, f"write_files[0].path: '/a/../b' is not allowed; {PATH}"),
    (
        {"write_files": [FILE, FILE]},
        "write_files[1].path: '/etc/motd' is not allowed; another file of the list has this path",
    ),
    (
        {"write_files": [{**FILE, "mode": "0999"}]},
        "write_files[0].mode: '0999' is not allowed; octal digits are needed, such as 0644",
    ),
    (
        {"write_files": [{**FILE, "owner": "a:b:c"}]},
        "write_files[0].owner: 'a:b:c' is not allowed; a user, or a user and a group, is needed, such as root:root",
    ),
    ({"write_files": [{"path": "/a"}]}, "write_files[0]: a file has either content or content_base64"),
    ({"write_files": [{**FILE, "content_base64": ""}]}, "write_files[0]: a file has either content or content_base64"),
    ({"write_files": [{"path": "/a", "content_base64": "secret!"}]}, "write_files[0].content_base64: it is not base64"),
    (
        {"swap": {"serial": "a/b"}},
        "swap.serial: 'a/b' is not allowed; "
        "a disk is named by its serial number of letters, digits, _ . and -, 20 characters at most",
    ),
    ({"ephemeral": [{**DISK, "mount": "data"}]}, f"ephemeral[0].mount: 'data' is not allowed; {PATH}"),
    *(
        (
            {"ephemeral": [{**DISK, "mount": mount}]},
            f"ephemeral[0].mount: {mount!r} is not allowed; a path without spaces and backslashes is needed, for /etc/fstab",
        )
        for mount in ("/my data", "/my\\040data")
    ),
    (
        {"ephemeral": [{**DISK, "filesystem": "xfs", "label": "thirteen-long"}]},
        "ephemeral[0].label: 'thirteen-long' is not allowed; "
        "a label of xfs has letters, digits, _ . and -, 12 characters at most",
    ),
    (
        {"swap": {"serial": "data"}, "ephemeral": [DISK]},
        "ephemeral[0].serial: 'data' is not allowed; another swap or ephemeral disk has this serial number",
    ),
    (
        {"ephemeral": [DISK, {**DISK, "serial": "more"}]},
        "ephemeral[1].mount: '/data' is not allowed; another ephemeral disk is mounted there",
    ),
    ({"user_data": ["a"]}, "user_data: a text or a mapping is needed, not a list"),
    ({"user_data": "#!/bin/sh\n" + "x" * 65536}, "user_data: it has 65546 bytes; 65535 bytes are allowed"),
    ({"vendor_data": {"a": "ü" * 40000}}, "vendor_data: it has 80027 bytes; 65535 bytes are allowed"),
    (
        {"user_data": "#cloud-config\nusers: [secret\n"},
        "user_data: it is not valid YAML; line 3, column 1: expected ',' or ']', but got '<stream end>'",
    ),
    (
        {"user_data": "#cloud-config\na: \x00secret"},
        "user_data: it is not valid YAML; it has characters that YAML does not allow",
    ),
    ({"user_data": "#!/bin/sh\necho \x00secret"}, "user_data: it has null characters; a text has none"),
    ({"user_data": "#!/bin/sh\necho \udc80secret"}, f"user_data: {UTF8}"),
    ({"vendor_data": {"a": "\udc80secret"}}, f"vendor_data: {UTF8}"),
    ({"write_files": [{"path": "/a", "content": "\udc80secret"}]}, f"write_files[0].content: {UTF8}"),
    ({"metadata": {"a": "\udc80secret"}}, f"metadata: {UTF8}"),
    ({"metadata": {"\udc80": "secret"}}, f"metadata: {UTF8}"),
    *(
        ({"user_data": text}, f"user_data: {HEADER}")
        for text in (
            "users: [secret]\n",
            "---\n#cloud-config\nusers: [secret]\n",
            "# cloud-config\nusers: [secret]\n",
            "echo secret\n",
            "I2Nsb3VkLWNvbmZpZwphOiBzZWNyZXQK",
            "Content-Type: multipart/mixed; boundary=x\n\nsecret",
        )
    ),
    (
        {"vendor_data": "#cloud-config\n- secret"},
        "vendor_data: a cloud-config is a mapping of YAML, this one is a list",
    ),
]


@pytest.mark.parametrize(("given", "message"), BAD)
def test_bad_input_is_refused_in_one_sentence(given, message):
    with pytest.raises(InvalidInput) as refused:
        description.parse(given)
    assert str(refused.value) == message
    assert "secret" not in message


def test_the_options_are_those_that_are_parsed():
    assert set(WHOLE) | {"admin_user", "instance_id"} == set(options.OPTIONS)
    hidden = [name for name, entry in options.OPTIONS.items() if entry.get("no_log")]
    assert hidden == ["admin_password_hash"]
    assert options.OPTIONS["users"]["options"]["password_hash"]["no_log"]


def test_nothing_asked_for_is_nothing():
    found = description.parse({})
    assert not any((found.users, found.interfaces, found.files, found.ephemeral, found.swap, found.user_data))


@pytest.mark.parametrize("text", ["", None, " \r\n", "\ufeff"])
def test_empty_user_data_is_none(text):
    assert description.parse({"user_data": text}).user_data is None


@pytest.mark.parametrize(
    "value",
    [
        HASH,
        "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7",
        "$2b$12$abcdefghijklmnopqrstuu",
    ],
)
def test_hashes_of_crypt_are_taken(value):
    assert description.parse({"admin_password_hash": value}).admin_password_hash == value


KINDS = [
    ("#cloud-config\n", "cloud-config"),
    ("#!/bin/sh\n", "x-shellscript"),
    ("#include\nhttp://example.com/x", "x-include-url"),
    ("#include-once\nhttp://example.com/x", "x-include-once-url"),
    ("#cloud-config-archive\n[]", "cloud-config-archive"),
    ("#cloud-boothook\n", "cloud-boothook"),
    ("## template: jinja\n#cloud-config\n{{ x", "jinja2"),
    ("MIME-Version: 1.0\n", "mime"),
    ("Content-Type: multipart/mixed\nMIME-Version: 1.0\n", "mime"),
    ('{"ignition": {}}', None),
    ("#ps1_sysnative\r\nWrite-Host\r\n", None),
    ("rem cmd\r\n", None),
    ("<powershell>\nWrite-Host\n</powershell>", None),
]


@pytest.mark.parametrize(("text", "expected"), KINDS)
def test_the_kind_of_user_data_is_what_cloud_init_takes_it_for(text, expected):
    assert user_data.kind(text) == expected
    # What is no cloud-config is taken as it is.
    assert user_data.parse("user_data", text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\ufeff#cloud-config\na: 1\n", "#cloud-config\na: 1\n"),
        ("#cloud-config\r\na: 1\r\n", "#cloud-config\na: 1\n"),
        ("\ufeff#!/bin/sh\r\necho\r\n", "#!/bin/sh\necho\n"),
        ("MIME-Version: 1.0\r\n", "MIME-Version: 1.0\r\n"),
    ],
)
def test_a_text_of_windows_is_what_linux_reads(text, expected):
    assert user_data.parse("user_data", text) == expected


def test_without_the_library_of_yaml_a_mapping_is_still_possible(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert user_data.parse("user_data", {"a": 1}) == '#cloud-config\n{\n "a": 1\n}\n'
    with pytest.raises(MissingLibrary) as missing:
        user_data.parse("user_data", "#cloud-config\na: 1\n")
    assert str(missing.value) == (
        "user_data: the Python library yaml is missing on the managed host; install python3-yaml there, "
        "or give a mapping instead of a text"
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=50), inner),
    max_leaves=8,
)


@given(values)
def test_what_is_written_as_yaml_is_read_back(value):
    assert safe_load(yaml_text.write(value)) == value
    assert yaml_text.read("user_data", yaml_text.write(value)) == value
