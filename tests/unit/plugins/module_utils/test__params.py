# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parameters as they come in: text that nothing can use is refused by its place, line breaks at the end of text are removed."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _params
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.argspec import instance_options
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree


def _checked(**params):
    _params.check(instance_options(), params)
    return {name: value for name, value in params.items() if value is not None}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"title": "a\rb"}, "title: 'a\\rb' is not allowed; it has the line break U+000D"),
        ({"title": "a\tb"}, "title: 'a\\tb' is not allowed; it has the control character U+0009"),
        ({"title": "\ufffe"}, "title: '\\ufffe' is not allowed; it has the character U+FFFE"),
        ({"description": "a\0"}, "description: 'a\\x00' is not allowed; it has the control character U+0000"),
        ({"tags": ["a", "\ud800"]}, "tags[1]: '\\ud800' is not allowed; it has the lone surrogate U+D800"),
        ({"metadata": {"a": "\x1b"}}, "metadata.a: '\\x1b' is not allowed; "),
        ({"metadata": {"\x1b": "a"}}, "the keys of metadata: '\\x1b' is not allowed; "),
        ({"disks": [{}, {"serial": "a\nb"}]}, "disks[1].serial: 'a\\nb' is not allowed; it has the line break U+000A"),
        ({"vnc": {"password": "a\nb"}}, "vnc.password: the value is not allowed; it has the line break U+000A"),
        (
            {"config_drive": {"user_data": "\ud800"}},
            "config_drive.user_data: '\\ud800' is not allowed; it has the lone",
        ),
        ({"iothreads": 10**400}, "iothreads: 1000000000"),
    ],
)
def test_what_nothing_can_use_is_refused(params, said):
    with pytest.raises(_errors.InvalidInput) as error:
        _checked(**params)
    assert error.value.message.startswith(said) and len(error.value.message) < 400


def test_line_breaks_of_a_template_are_removed():
    assert _checked(disks=[{"size": "1GiB\n"}])["disks"][0]["size"] == "1GiB"
    assert _checked(title="a\n\n", memory="1GiB\r\n", tags=["a\n"]) == {"title": "a", "memory": "1GiB", "tags": ["a"]}


def test_text_of_several_lines_has_the_line_breaks_that_libvirt_keeps():
    assert _checked(description="a\r\n\tb\n")["description"] == "a\n\tb"
    assert _checked(metadata={"a": "b\r\nc\n"})["metadata"] == {"a": "b\nc"}


def test_content_stays_as_it_is():
    content = "\ufeffa\r\n\0\x1b\n\n"
    drive = {"user_data": content, "write_files": [{"path": "/a\n", "content": content}]}
    _params.check(instance_options(), {"config_drive": drive})
    assert drive["user_data"] == content
    assert {key: value for key, value in drive["write_files"][0].items() if value} == {"path": "/a", "content": content}


@given(st.text())
def test_text_is_refused_or_can_be_written_as_xml(text):
    try:
        title = _checked(title=text)["title"]
    except _errors.InvalidInput:
        return
    element = etree.Element("title")
    element.text = title
    assert etree.fromstring(etree.tostring(element)).text == (title or None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:geheim42@example.com/i", "https://me:********@example.com/i"),
        ("https://example.com/i?a=b&token=geheim42&c=d", "https://example.com/i?a=b&token=********&c=d"),
        ("https://example.com/i?X-Amz-Signature=geheim42", "https://example.com/i?X-Amz-Signature=********"),
        ("https://example.com:8080/a@b", "https://example.com:8080/a@b"),
        ("qemu+ssh://root@host/system", "qemu+ssh://root@host/system"),
    ],
)
def test_secrets_in_urls(text, shown):
    assert _params.redact(text) == shown
