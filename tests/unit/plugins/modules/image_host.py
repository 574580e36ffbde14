# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host whose image store is a directory of the test, and vm_image run on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from ansible_collections.kvmfleet.compute.plugins.module_utils import _lock

POOL = '<pool type="dir"><name>{name}</name><target><path>{directory}</path></target>{volumes}</pool>'
VOLUME = """<volume type="file"><name>{file}</name><capacity>1</capacity>
<target><path>{directory}/{file}</path><format type="qcow2"/></target>{backing}</volume>"""

GUEST = """<domain type="test"><name>{name}</name><memory>65536</memory><os><type>hvm</type></os><devices>
<disk type="file"><source file="{disk}"/><target dev="vda"/></disk></devices></domain>"""
PYTHON_PATH = os.pathsep.join(path for path in sys.path if path)
PROCESS = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kvmfleet.compute.plugins.modules.vm_image import main
with patch_module_args(json.loads(sys.argv[1])):
    main()
"""
# Dies at a point, 1 for the first, or says how many there are.
KILLED = """
import json, os, signal, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kvmfleet.compute.plugins.module_utils import _execute, _lock
import importlib
_lock.DIRECTORY = sys.argv[4]
seen = []
def reached(moment, run, action):
    seen.append(f"{moment} {action.name}")
    if len(seen) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
_execute.reached = reached
module = importlib.import_module("ansible_collections.kvmfleet.compute.plugins.modules." + sys.argv[1])
with patch_module_args(json.loads(sys.argv[2])):
    try:
        module.main()
    finally:
        print(len(seen), file=sys.stderr)
"""


class Host:
    """A host whose image store is a directory of the test."""

    def __init__(self, directory, run_module):
        self.directory = directory
        self.store = directory / "images"
        self.infos = directory / "image-info"
        self.store.mkdir(parents=True)
        self.overlays = {}
        self.disks = {}
        self.guests = []
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
            + "".join(GUEST.format(name=name, disk=disk) for name, disk in self.disks.items())
            + "".join(self.guests)
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

    def command(self, **params):
        """The command that runs the module in a process of its own."""
        return [sys.executable, "-c", PROCESS, json.dumps(dict({"name": "debian", "uri": self.uri}, **params))]

    def start(self, **params):
        return subprocess.Popen(
            self.command(**params), stdout=subprocess.PIPE, text=True, env=dict(os.environ, PYTHONPATH=PYTHON_PATH)
        )

    def kill(self, module, number, **params):
        """Run a module in a process of its own that is killed before or after an action, 1 for the first; 0 returns how many there are."""
        params = dict({"uri": self.uri}, **params)
        done = subprocess.run(
            [sys.executable, "-c", KILLED, module, json.dumps(params), str(number), _lock.DIRECTORY],
            env=dict(os.environ, PYTHONPATH=PYTHON_PATH),
            capture_output=True,
            text=True,
            check=False,
        )
        if not number:
            return int(done.stderr.split()[-1])
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
        return None

    def fail(self, **params):
        """Run the module, which fails and leaves everything as it was; return what it says."""
        before = self.state()
        result = self._run_module("vm_image", dict({"name": "debian", "uri": self.uri}, **params))
        assert result["failed"]
        assert self.state() == before
        return result["msg"]
