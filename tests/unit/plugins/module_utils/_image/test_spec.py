# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of an image."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.spec import ImageSpec


@pytest.mark.parametrize(
    ("url", "mirror", "knows"),
    [
        ("https://a.example/image", "https://a.example/other", True),
        ("https://a.example/image", "https://A.example:443/image", True),
        ("http://a.example:80/image", "http://a.example/image", True),
        ("https://a.example/image", "http://a.example/image", False),
        ("https://a.example/image", "http://a.example:443/image", False),
        ("https://a.example/image", "https://a.example:8443/image", False),
        ("https://a.example/image", "https://b.example/image", False),
        ("https://a.example/image", "https://a.example.b.example/image", False),
    ],
)
def test_which_mirror_gets_the_login(url, mirror, knows):
    wanted = ImageSpec(
        name="debian",
        state="present",
        option="url",
        source=url,
        checksum=None,
        format="auto",
        pool="images",
        timeout=1,
        username="builder",
        password="geheim",  # noqa: S106 - it opens nothing
        validate_certs=True,
        ca_path=None,
        mirrors=(mirror,),
    )
    first, second = wanted.each()
    assert first == wanted
    assert (second.option, second.source) == ("mirrors", mirror)
    assert (second.username, second.password) == (("builder", "geheim") if knows else (None, None))
