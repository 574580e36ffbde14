# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host: a container with its own systemd, on an overlay over its platform's base file system."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import uuid
from pathlib import Path

from lab import cgroup, network, settings
from lab.base import base, public_key
from lab.shell import LabError, run, step, succeeds, unmount_below

BOOT_TIMEOUT = 60
_NETWORKD = """[Match]
Name=host0
[Network]
Address={address}/24
Gateway={gateway}
"""


def running(host):
    """Tell whether the host's container runs."""
    return cgroup.occupied(host)


def up(host):
    """Boot a host and wait until it answers ssh; one that does is left as it is.

    After a power cut it boots with the disk that it had.
    """
    if running(host) and _answers(host):
        return
    with step(f"boot {host.name}"):
        power_cut(host)
        root = _mount(host, base(host.platform))
        _configure(host, root)
        _boot(host, root)
        _await_ssh(host)


def power_cut(host):
    """End a host as a power failure does; its disk stays as it is."""
    cgroup.kill(host)
    # Its cable lasts until the kernel has taken the host's network down, or for ever while something else holds that.
    succeeds("ip", "link", "delete", f"vb-{host.machine}")


def down(host):
    """Stop a host at once and remove all that it left on this machine."""
    power_cut(host)
    _clean(host)


def _mount(host, lower):
    made_from = host.directory / "base"
    if not made_from.exists() or made_from.read_text(encoding="utf-8") != str(lower):
        # Nothing yet, or the disk of a host that was made from another recipe.
        _clean(host)
    root = host.directory / "root"
    for directory in (root, host.directory / "upper", host.directory / "work"):
        directory.mkdir(parents=True, exist_ok=True)
    made_from.write_text(str(lower), encoding="utf-8")
    unmount_below(host.directory)
    layers = f"lowerdir={lower},upperdir={host.directory / 'upper'},workdir={host.directory / 'work'}"
    run("mount", "-t", "overlay", host.machine, "-o", layers, root)
    return root


def _configure(host, root):
    (root / "etc/hostname").write_text(f"{host.name}\n", encoding="utf-8")
    # libvirt's host UUID comes from the machine id; migration needs it to differ from host to host.
    if not (root / "etc/machine-id").exists():
        (root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n", encoding="utf-8")
    # Every host knows all of them, itself included: without its own name libvirt waits for a resolver at each guest's start.
    names = "".join(f"{other.address} {other.name}\n" for other in settings.HOSTS.values())
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n::1 localhost\n{names}", encoding="utf-8")
    (root / "etc/resolv.conf").write_text(network.resolver(), encoding="utf-8")
    unit = root / "etc/systemd/network/10-host0.network"
    unit.write_text(_NETWORKD.format(address=host.address, gateway=settings.GATEWAY), encoding="utf-8")
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    link = wants / "systemd-networkd.service"
    link.unlink(missing_ok=True)
    link.symlink_to("/usr/lib/systemd/system/systemd-networkd.service")
    ssh = root / "root/.ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    (ssh / "authorized_keys").write_text(public_key() + "\n", encoding="utf-8")
    # The same key opens the guests that are made from the lab's images.
    (ssh / "kvmfleet-lab").touch(mode=0o600)
    shutil.copyfile(settings.KEY, ssh / "kvmfleet-lab")


def _boot(host, root):
    settings.IMAGES.mkdir(parents=True, exist_ok=True)
    devices = ["/dev/net/tun", *(["/dev/kvm"] if _hardware_virtualisation() else [])]
    command = cgroup.command(
        host,
        "systemd-nspawn",
        f"--directory={root}",
        f"--machine={host.machine}",
        f"--hostname={host.name}",
        "--register=no",
        "--keep-unit",
        f"--network-bridge={settings.BRIDGE}",
        "--resolv-conf=off",
        "--capability=all",
        *(f"--bind={device}" for device in devices),
        f"--bind-ro={settings.IMAGES}:/srv/images",
        "--console=passive",
        "--boot",
    )
    with open(host.directory / "console.log", "wb") as log:
        # A process of its own, in a session of its own: the host outlives this program, and no terminal's end reaches it.
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=dict(os.environ, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY="1"),
        )


def _hardware_virtualisation():
    """The device alone says nothing: on a machine without vmx or svm it may be there and hang every guest."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    return Path("/dev/kvm").exists() and ("vmx" in flags or "svm" in flags)


def _await_ssh(host):
    deadline = time.monotonic() + BOOT_TIMEOUT
    while time.monotonic() < deadline:
        if _answers(host):
            return
        if not running(host):
            break
        time.sleep(0.2)
    log = (host.directory / "console.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise LabError(
        f"the host {host.name} does not answer; the end of {host.directory / 'console.log'}: {' / '.join(log[-5:])}"
    )


def _answers(host):
    return _greets(host.address) and succeeds("ssh", "-F", settings.SSH_CONFIG, host.name, "true")


def _greets(address):
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _clean(host):
    """Unmount and remove what a host has on this machine, also when a run was killed in the middle."""
    unmount_below(host.directory)
    shutil.rmtree(host.directory, ignore_errors=True)
