# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""cloud-init's own reading of config drives."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._firstboot.descriptions import MACS

CLOUD_INIT = Path(__file__).resolve().parents[5] / ".build/cloud-init"


@pytest.fixture
def cloud_init(tmp_path_factory):
    """A function that returns what cloud-init makes of the files {path: bytes} of a drive with a label; see read.py."""

    def read(label, files):
        drive = tmp_path_factory.mktemp("drive")
        for path, content in files.items():
            (drive / path).parent.mkdir(parents=True, exist_ok=True)
            (drive / path).write_bytes(content)
        command = ["/usr/bin/python3", Path(__file__).with_name("read.py"), label, drive, json.dumps(MACS)]
        environment = {**os.environ, "PYTHONPATH": str(CLOUD_INIT), "PYTHONDONTWRITEBYTECODE": "1"}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)

    return read
