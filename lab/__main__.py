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


def _parser():
    parser = argparse.ArgumentParser(prog="python3 -m lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    names = sorted(settings.HOSTS)
    for command, text in (
        ("up", "boot hosts (all unless named)"),
        ("down", "stop hosts; without names, the whole lab, leaving nothing behind"),
        ("power-cut", "end hosts as a power failure does"),
    ):
        sub = commands.add_parser(command, help=text)
        sub.add_argument("hosts", nargs="*" if command != "power-cut" else "+", choices=[*names, []], metavar="HOST")
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
    return parser


def up(hosts, guests):
    need("systemd-nspawn", "ip", "nft", "ssh", "ssh-keygen")
    # One after the other: each build takes both the network and the processor for itself.
    for platform in sorted({item.platform for item in hosts}):
        base.base(platform)
    for guest in guests:
        base.image(guest)
    with locked(settings.RUN / "lock"):
        base.public_key()
        reach.write()
        network.up()
        with ThreadPoolExecutor() as pool:
            list(pool.map(host.up, hosts))
        reach.write_inventory([item for item in settings.HOSTS.values() if host.running(item)])


def down(hosts):
    whole = len(hosts) == len(settings.HOSTS)
    with locked(settings.RUN / "lock"):
        for item in hosts:
            host.down(item)
        if whole:
            network.down()
            cgroup.remove()
            _end_ssh_masters()
            unmount_below(settings.STATE)
            shutil.rmtree(settings.STATE, ignore_errors=True)
        else:
            reach.write_inventory([item for item in settings.HOSTS.values() if host.running(item)])
    if whole:
        shutil.rmtree(settings.RUN, ignore_errors=True)


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
    given = _parser().parse_args(arguments)
    if given.command == "ssh":
        os.execvp("ssh", ["ssh", "-F", str(settings.SSH_CONFIG), given.host, *given.remote])
    if os.geteuid() != 0:
        raise LabError("the lab makes containers, mounts and a bridge; run it as root")
    chosen = [settings.HOSTS[name] for name in getattr(given, "hosts", None) or settings.HOSTS]
    if given.command == "up":
        with step(f"bring up {', '.join(item.name for item in chosen)}"):
            up(chosen, given.guest or ["tiny"])
    elif given.command == "down":
        with step(
            "take down "
            + ("the lab" if len(chosen) == len(settings.HOSTS) else ", ".join(item.name for item in chosen))
        ):
            down(chosen)
    elif given.command == "power-cut":
        for item in chosen:
            host.power_cut(item)
    elif given.command == "build":
        both = not given.platform and not given.guest
        for platform in given.platform or (settings.PLATFORMS if both else ()):
            base.base(platform)
        for guest in given.guest or (settings.GUESTS if both else ()):
            base.image(guest)
    else:
        for item in settings.HOSTS.values():
            print(f"{item.name:12} {item.platform:9} {item.address:12} {'up' if host.running(item) else 'down'}")


if __name__ == "__main__":
    try:
        main()
    except LabError as exc:
        sys.exit(f"lab: {exc}")
    except KeyboardInterrupt:
        sys.exit("lab: interrupted; the same command again goes on, 'down' removes what there is")
