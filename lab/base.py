# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is built once and kept in the cache: the hosts' base file systems, the guests' images, the key to both."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import shutil
import time
from pathlib import Path

from lab import bootstrap, settings
from lab.guests import disk, files, uefi
from lab.shell import LabError, locked, run, step

# A host as an installer leaves it: systemd, ssh, Python. What makes it a compute host is the role's work.
PACKAGES = (
    "ca-certificates dbus iproute2 iputils-ping kmod less openssh-server procps python3 python3-apt systemd systemd-sysv udev"
).split()
# Downloaded into the base but not installed, so that every host's installation of them needs no network. No archive that
# the hosts share: apt locks it, and hosts install at the same time.
PRELOAD = (
    "dnsmasq-base dosfstools expect iptables libvirt-clients libvirt-daemon-system mtools nftables ovmf python3-libvirt python3-lxml "
    "python3-openstacksdk python3-yaml qemu-system-x86 qemu-utils swtpm swtpm-tools xorriso"
).split()
PRELOAD_MORE = {
    "debian12": [],
    "debian13": (
        "libvirt-daemon-lock libvirt-daemon-plugin-lockd linux-image-cloud-amd64 python3-guestfs qemu-system-modules-spice virtiofsd"
    ).split(),
    "debian13-openstack": ["libvirt-daemon-lock", "libvirt-daemon-plugin-lockd", "virtiofsd"],
}
# What is no work of the collection's roles but takes minutes to install: a cloud that images come from. The scenario that needs it
# configures and starts it.
INSTALLED = {"debian13-openstack": "keystone glance-api python3-openstackclient".split()}
# In seconds: a week.
UNUSED = 7 * 24 * 3600


def base(platform):
    """Return the directory of a platform's base file system, building it when the cache has none of this recipe."""
    preload = PRELOAD + PRELOAD_MORE[platform]
    installed = INSTALLED.get(platform, [])
    recipe = (PACKAGES, preload, installed, bootstrap.DPKG_OPTIONS, *map(inspect.getsource, (bootstrap.debian, _fill)))
    target = settings.CACHE / "base" / f"{platform}-{digest(*recipe)}"
    with locked(settings.CACHE / "base" / f".{platform}.lock"):
        if not target.exists():
            _check_room(target.parent)
            with step(f"build the base file system of {platform}"):
                partial = empty(target.with_name(f".{platform}.partial"))
                _fill(bootstrap.SUITES[platform], partial, installed, preload)
                partial.rename(target)
                _remove_unused(target.parent)
        os.utime(target)
    return target


def _fill(suite, directory, installed, preload):
    bootstrap.debian(
        suite,
        directory,
        PACKAGES + installed,
        "--variant=apt",
        # A host that boots does not start them.
        *(['--customize-hook=chroot "$1" systemctl disable keystone glance-api'] if installed else []),
        "--skip=cleanup/apt",
        f'--customize-hook=chroot "$1" apt-get -y --download-only --no-install-recommends install {" ".join(preload)}',
        '--customize-hook=rm -f "$1"/etc/machine-id "$1"/etc/hostname "$1"/etc/resolv.conf',
    )


def image(name):
    """Return the file of a guest's image, building it when the cache has none of this recipe."""
    module = importlib.import_module(f"lab.guests.{name}")
    key = public_key()
    recipe = digest(key, bootstrap.DPKG_OPTIONS, *map(inspect.getsource, (bootstrap.debian, disk, files, uefi, module)))
    made_by, target = settings.IMAGES / f".{name}.recipe", settings.IMAGES / f"{name}.qcow2"
    with locked(settings.IMAGES / f".{name}.lock"):
        if not target.exists() or not made_by.exists() or made_by.read_text(encoding="utf-8") != recipe:
            _check_room(settings.IMAGES)
            with step(f"build the guest image {name}"):
                work = empty(settings.IMAGES / f".{name}.partial")
                output = work / target.name
                module.build(work, output, key)
                output.chmod(0o644)
                made_by.unlink(missing_ok=True)
                output.rename(target)
                made_by.write_text(recipe, encoding="utf-8")
                shutil.rmtree(work)
    return target


def public_key():
    """Return the lab's own public ssh key, making the pair when there is none."""
    key = settings.KEY
    with locked(key.parent / ".lock"):
        if not key.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "kvmfleet-lab", "-f", key)
    return key.with_suffix(".pub").read_text(encoding="utf-8").strip()


def digest(*parts):
    """Return the key in the cache of what a recipe of these parts makes."""
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()[:12]


def empty(directory):
    """Make a directory to build in; a build that was killed may have left it."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def _check_room(directory, needed=4 * 1024**3):
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise LabError(
            f"{directory} has {free // 1024**2} MiB free; {needed // 1024**2} MiB are needed (KVMFLEET_CACHE names another place)"
        )


def _remove_unused(directory):
    """Remove base file systems of older recipes. Another clone of the project, or a host that runs, may still use one."""
    mounts = Path("/proc/mounts").read_text(encoding="utf-8")
    for other in directory.glob("debian*-*"):
        if time.time() - other.stat().st_mtime > UNUSED and f"lowerdir={other}," not in mounts:
            shutil.rmtree(other, ignore_errors=True)
