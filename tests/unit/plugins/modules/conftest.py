# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests of modules that work on images have in common."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._image import download
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.image_host import Host
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.image_server import ImageServer

MIB = 1024**2


@pytest.fixture
def host(tmp_path, run_module):
    return Host(tmp_path / "host", run_module)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ImageServer() as running:
        yield running


@pytest.fixture(autouse=True)
def impatience(monkeypatch):
    """A server that is gone is soon given up."""
    monkeypatch.setattr(download, "PATIENCE", 1)
    monkeypatch.setattr(download, "INTERVAL", 0.01)


@pytest.fixture
def make_image(tmp_path):
    """A function that makes a qcow2 image with random content and returns its path."""

    def make(file="source.qcow2", size=MIB):
        raw, image = tmp_path / "content", tmp_path / file
        raw.write_bytes(os.urandom(size))
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image], check=True)
        return image

    return make
