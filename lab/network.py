# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bridge that joins the hosts, and their way out."""

from __future__ import annotations

from pathlib import Path

from lab import settings
from lab.shell import run, succeeds

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
RESOLVER = Path("/etc/resolv.conf")
BEHIND_RESOLVER = Path("/run/systemd/resolve/resolv.conf")
_RULES = f"""
table ip {settings.NFT_TABLE} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat
    ip saddr {settings.NETWORK} ip daddr != {settings.NETWORK} masquerade
  }}
}}
"""


def resolver():
    """Return the machine's settings of its resolver; those behind it, if only the machine itself can ask it."""
    text = RESOLVER.read_text(encoding="utf-8")
    servers = [line.split()[1] for line in text.splitlines() if line.startswith("nameserver ")]
    if BEHIND_RESOLVER.exists() and all(server.startswith("127.") for server in servers):
        return BEHIND_RESOLVER.read_text(encoding="utf-8")
    return text


def up():
    """Make the bridge and the masquerading, unless they are there."""
    if not succeeds("ip", "link", "show", settings.BRIDGE):
        run("ip", "link", "add", settings.BRIDGE, "type", "bridge")
        run("ip", "addr", "add", f"{settings.GATEWAY}/24", "dev", settings.BRIDGE)
    run("ip", "link", "set", settings.BRIDGE, "up")
    before = settings.RUN / "ip_forward"
    if not before.exists():
        before.write_text(FORWARDING.read_text(encoding="utf-8"), encoding="utf-8")
    FORWARDING.write_text("1\n", encoding="utf-8")
    if not succeeds("nft", "list", "table", "ip", settings.NFT_TABLE):
        run("nft", "-f", "-", input=_RULES)


def down():
    """Remove them, and forward packets no longer if the machine did not before."""
    if succeeds("ip", "link", "show", settings.BRIDGE):
        run("ip", "link", "delete", settings.BRIDGE)
    if succeeds("nft", "list", "table", "ip", settings.NFT_TABLE):
        run("nft", "delete", "table", "ip", settings.NFT_TABLE)
    before = settings.RUN / "ip_forward"
    if before.exists():
        FORWARDING.write_text(before.read_text(encoding="utf-8"), encoding="utf-8")
