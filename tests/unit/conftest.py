# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts to test on: libvirt's in-memory driver and its embedded QEMU driver, and running a module on them."""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import libvirt
import pytest
from ansible.module_utils.common import warnings
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kvmfleet.compute.plugins.module_utils import _lock
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from hypothesis import HealthCheck, settings

# The machine that tests may be slow and busy, so time proves nothing; the same examples in each run, so that a red run can be repeated.
settings.register_profile(
    "kvmfleet", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("kvmfleet")

TEST_HOST = """\
<node>
  <domain type="test">
    <name>test</name><memory unit="MiB">64</memory><os><type>hvm</type></os>
  </domain>
  <network>
    <name>default</name><bridge name="virbr0"/><forward mode="nat"/>
    <ip address="192.168.122.1" netmask="255.255.255.0">
      <dhcp><range start="192.168.122.2" end="192.168.122.254"/></dhcp>
    </ip>
  </network>
  <pool type="dir"><name>default</name><target><path>/var/lib/libvirt/images</path></target></pool>
  <pool type="dir"><name>images</name><target><path>/var/lib/kvmfleet/images</path></target></pool>
</node>
"""

# Without it libvirt looks for KVM anew with each definition, which takes a minute. The limit of core files: sudo forbids
# them to all its children, and libvirt would fail to permit them.
QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
stdio_handler = "file"
cgroup_controllers = [ ]
remember_owner = 0
max_core = 0
"""


def pytest_terminal_summary(terminalreporter):
    """Say how many times runs were killed, or stopped for another task."""
    reports = [report for name in ("passed", "failed") for report in terminalreporter.stats.get(name, ())]
    for what in ("kills", "races"):
        counts = [value for report in reports for name, value in report.user_properties if name == what]
        if counts:
            terminalreporter.write_line(f"{what}: {sum(counts)} in {len(counts)} tests")


@pytest.fixture(autouse=True)
def locks(tmp_path_factory, monkeypatch):
    """The directory of the locks that runs of this test take: hosts of the in-memory driver have one name in all tests."""
    directory = tmp_path_factory.mktemp("run") / "locks"
    monkeypatch.setattr(_lock, "DIRECTORY", str(directory))
    return directory


@pytest.fixture
def test_uri(tmp_path):
    """The URI of an in-memory host with a running domain, a network and two pools.

    Each connection to it is to a host of its own that is as new, so what one module run did the next one does not see.
    """
    path = tmp_path / "host.xml"
    path.write_text(TEST_HOST)
    return f"test://{path}"


@pytest.fixture
def shared_uri():
    """The URI of an in-memory host that the runs of one test share, with the pools `default` and `images`."""
    uri = "test:///default"
    # The host lives as long as anything of a connection to it does, such as a domain in the traceback of an earlier run.
    gc.collect()
    with connect(uri) as conn:
        for name in ("default", "images"):
            conn.storagePoolCreateXML(
                f'<pool type="dir"><name>{name}</name><target><path>/pools/{name}</path></target></pool>', 0
            )
        yield uri


@pytest.fixture(scope="session")
def embed_uri():
    """The URI of a QEMU driver without a daemon. What tests leave running ends with the session."""
    # The paths of its unix sockets are below it, and those may have 107 characters.
    root = Path(tempfile.mkdtemp(prefix="kf", dir="/tmp"))
    (root / "etc").mkdir()
    (root / "etc/qemu.conf").write_text(QEMU_CONF)
    uri = f"qemu:///embed?root={root}"
    patch = pytest.MonkeyPatch()
    try:
        with connect(uri) as conn:
            # libvirt registers its drivers anew with each open of an embedded one, and has room for some twenty in a process:
            # whoever opens this URI gets the connection that is open.
            opened = libvirt.open
            patch.setattr(libvirt, "open", lambda name: conn if name == uri else opened(name))
            patch.setattr(conn, "close", lambda: 0)
            yield uri
            for domain in conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
                domain.destroy()
            patch.undo()
    finally:
        patch.undo()
        shutil.rmtree(root)


@pytest.fixture
def silent_uri():
    """The URI of a libvirt that accepts connections and says nothing."""
    with tempfile.TemporaryDirectory(prefix="kf", dir="/tmp") as directory, socket.socket(socket.AF_UNIX) as listening:
        path = f"{directory}/socket"
        listening.bind(path)
        listening.listen()
        yield f"qemu+unix:///system?socket={path}"


class Daemon:
    """A libvirtd of an ordinary user, which has the hosts of the in-memory driver."""

    def __init__(self, directory):
        self._directory = directory
        self._socket = directory / "libvirt/libvirt-sock"
        # As root it would be the machine's own.
        user = ["setpriv", "--reuid=libvirt-qemu", "--regid=libvirt-qemu", "--clear-groups"]
        shutil.chown(directory, "libvirt-qemu", "libvirt-qemu")
        own = {name: str(directory) for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
        self.process = subprocess.Popen([*user, "libvirtd"], env=dict(os.environ, **own), stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not self._socket.exists():
            assert self.process.poll() is None and time.monotonic() < deadline, "libvirtd does not start"
            time.sleep(0.05)

    @property
    def qemu_uri(self):
        """The URI of its QEMU driver and its storage driver, whose volumes are real files."""
        return f"qemu+unix:///session?socket={self._socket}"

    def uri(self, text=TEST_HOST):
        """Return the URI of a host."""
        path = self._directory / "host.xml"
        path.write_text(text)
        return f"test+unix://{path}?socket={self._socket}"

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def end(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def daemon():
    """A libvirtd that can be stopped while it is in use."""
    with tempfile.TemporaryDirectory(prefix="kf", dir="/tmp") as directory:
        running = Daemon(Path(directory))
        yield running
        running.end()


@pytest.fixture(scope="session")
def _files_daemon():
    with tempfile.TemporaryDirectory(prefix="kf", dir="/tmp") as directory:
        running = Daemon(Path(directory))
        yield running
        running.end()


@pytest.fixture
def files_host(_files_daemon):
    """(connection, URI, directory) of a QEMU driver whose pools `default` and `images` are directories below that one."""
    owner = ("libvirt-qemu", "libvirt-qemu")
    with tempfile.TemporaryDirectory(prefix="kf", dir="/tmp") as text, connect(_files_daemon.qemu_uri) as conn:
        directory = Path(text)
        shutil.chown(directory, *owner)
        for name in ("default", "images"):
            (directory / name).mkdir()
            shutil.chown(directory / name, *owner)
            path = f"<target><path>{directory / name}</path></target>"
            conn.storagePoolCreateXML(f'<pool type="dir"><name>{name}</name>{path}</pool>', 0)
        yield conn, _files_daemon.qemu_uri, directory
        for domain in conn.listAllDomains():
            if domain.isActive():
                domain.destroy()
            domain.undefine()
        for pool in conn.listAllStoragePools():
            pool.destroy()


@pytest.fixture(scope="session")
def run_module():
    """A function that runs a module of the collection in this process and returns its result, `failed` included."""
    return _run_module


def _run_module(module, params, check=False):
    main = importlib.import_module(f"ansible_collections.kvmfleet.compute.plugins.modules.{module}").main
    output = io.StringIO()
    # A module is a process of its own where Ansible runs it, and begins without warnings.
    for collected in (warnings._global_warnings, warnings._global_deprecations):
        collected.clear()
    arguments = dict(params, _ansible_check_mode=check, _ansible_diff=True)
    with patch_module_args(arguments), contextlib.redirect_stdout(output), pytest.raises(SystemExit) as end:
        main()
    result = json.loads(output.getvalue())
    return dict(result, failed=result.get("failed", False) or bool(end.value.code))
