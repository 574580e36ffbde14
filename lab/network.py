# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bridge that joins the hosts, and their way out."""

from __future__ import annotations

from pathlib import Path

from lab import settings
from lab.shell import run, succeeds

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_RULES = f"""
table ip {settings.NFT_TABLE} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat
    ip saddr {settings.NETWORK} ip daddr != {settings.NETWORK} masquerade
  }}
}}
"""


def resolver():
    """Return the machine's settings of its resolver, with those behind a resolver that only the machine itself can ask."""
    text = Path("/etc/resolv.conf").read_text(encoding="utf-8")
    servers = [line.split()[1] for line in text.splitlines() if line.startswith("nameserver ")]
    upstream = Path("/run/systemd/resolve/resolv.conf")
    if upstream.exists() and all(server.startswith("127.") for server in servers):
        return upstream.read_text(encoding="utf-8")
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
