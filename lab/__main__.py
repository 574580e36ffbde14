# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real fleet on one machine: python3 -m lab up | down | build | status | ssh | power-cut."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import base, cgroup, host, network, reach, settings
from lab.shell import LabError, locked, need, step, unmount_below


def parser():
    """Return the parser of the program's arguments."""
    result = argparse.ArgumentParser(prog="python3 -m lab", description=__doc__)
    commands = result.add_subparsers(dest="command", required=True)
    names = sorted(settings.HOSTS)
    for command, text in (
        ("up", "boot hosts (all unless named)"),
        ("down", "stop hosts; without names, the whole lab, leaving nothing behind"),
        ("power-cut", "end hosts as a power failure does"),
    ):
        sub = commands.add_parser(command, help=text)
        sub.add_argument("hosts", nargs="+" if command == "power-cut" else "*", choices=[*names, []], metavar="HOST")
        if command == "up":
            sub.add_argument(
                "--guest", action="append", choices=settings.GUESTS, help="guest images to have ready (tiny)"
            )
    build = commands.add_parser("build", help="fill the cache")
    build.add_argument("--platform", action="append", choices=settings.PLATFORMS)
    build.add_argument("--guest", action="append", choices=settings.GUESTS)
    commands.add_parser("status", help="show the hosts")
    ssh = commands.add_parser("ssh", help="log in to a host, or run a command there")
    ssh.add_argument("host", choices=names)
    ssh.add_argument("remote", nargs=argparse.REMAINDER)
    return result


def chosen(given):
    """Return the hosts that are meant: those named, or all."""
    return [settings.HOSTS[name] for name in dict.fromkeys(given.hosts or settings.HOSTS)]


def to_build(given):
    """Return the platforms and the guests to build: those chosen, or all."""
    if given.platform or given.guest:
        return given.platform or [], given.guest or []
    return list(settings.PLATFORMS), list(settings.GUESTS)


def up(hosts, guests):
    """Boot hosts, side by side, and write how they are reached."""
    need("systemd-nspawn", "ip", "nft", "ssh", "ssh-keygen")
    build(sorted({item.platform for item in hosts}), guests)
    with locked(settings.RUN / "lock"):
        base.public_key()
        reach.write()
        network.up()
        try:
            with ThreadPoolExecutor() as pool:
                list(pool.map(host.up, hosts))
        finally:
            _write_inventory()


def build(platforms, guests):
    """Fill the cache, two things at a time: while one waits for the network, the other has the processor."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        built = [pool.submit(base.base, platform) for platform in platforms]
        built += [pool.submit(base.image, guest) for guest in guests]
        for future in built:
            future.result()


def down(hosts):
    """Take hosts down; all of them: and the lab with them."""
    whole = len(hosts) == len(settings.HOSTS)
    with locked(settings.RUN / "lock"):
        for item in hosts:
            host.down(item)
        if whole:
            network.down()
            cgroup.remove()
            _end_ssh_masters()
            unmount_below(settings.STATE)
            for directory in (settings.STATE, settings.RUN):
                shutil.rmtree(directory, ignore_errors=True)
        else:
            _write_inventory()


def _write_inventory():
    reach.write_inventory([item for item in settings.HOSTS.values() if host.running(item)])


def _end_ssh_masters():
    """End the connections that Ansible keeps open to hosts that are no more."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if words.startswith("ssh: ") and str(settings.RUN / "cp") in words:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(entry.parent.name), signal.SIGTERM)


def main(arguments=None):
    """Run the program. Raises LabError for what its user can mend."""
    given = parser().parse_args(arguments)
    if given.command == "ssh":
        os.execvp("ssh", ["ssh", "-F", str(settings.SSH_CONFIG), given.host, *given.remote])
    if os.geteuid() != 0:
        raise LabError("the lab makes containers, mounts and a bridge; run it as root")
    if given.command == "up":
        with step(f"bring up {_names(given)}"):
            up(chosen(given), given.guest or ["tiny"])
    elif given.command == "down":
        with step(f"take down {_names(given)}"):
            down(chosen(given))
    elif given.command == "power-cut":
        with step(f"cut the power of {_names(given)}"):
            for item in chosen(given):
                host.power_cut(item)
    elif given.command == "build":
        build(*to_build(given))
    else:
        for item in settings.HOSTS.values():
            print(f"{item.name:12} {item.platform:18} {item.address:12} {'up' if host.running(item) else 'down'}")


def _names(given):
    return ", ".join(given.hosts) or "the lab"


if __name__ == "__main__":
    try:
        main()
    except LabError as exc:
        sys.exit(f"lab: {exc}")
    except KeyboardInterrupt:
        sys.exit("lab: interrupted; the same command again goes on, 'down' removes what there is")
