# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the lab keeps things, and what its hosts are called."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("KVMFLEET_CACHE", "/var/cache/kvmfleet"))
# Overlays are not on a tmpfs: hosts install packages and keep guests' disks there.
STATE = Path("/var/lib/kvmfleet-lab")
RUN = Path("/run/kvmfleet-lab")

IMAGES = CACHE / "images"
KEY = CACHE / "ssh" / "id_ed25519"
INVENTORY = RUN / "inventory.yml"
SSH_CONFIG = RUN / "ssh_config"

BRIDGE = "kvmfleet0"
NFT_TABLE = "kvmfleet_lab"
GATEWAY = "10.214.0.1"
NETWORK = "10.214.0.0/24"


@dataclass(frozen=True)
class Host:
    """A host of the lab: its name, its platform, its address, and its groups in the inventory."""

    name: str
    platform: str
    address: str
    groups: tuple

    @property
    def machine(self):
        """The name of its container on this machine."""
        return f"kvmfleet-{self.name}"

    @property
    def directory(self):
        return STATE / self.name


HOSTS = {
    host.name: host
    for host in (
        Host("controller", "debian13-openstack", "10.214.0.10", ("controllers", "debian13")),
        Host("compute1", "debian13", "10.214.0.11", ("computes", "debian13")),
        Host("compute2", "debian13", "10.214.0.12", ("computes", "debian13")),
        Host("compute3", "debian12", "10.214.0.13", ("computes", "debian12")),
    )
}
PLATFORMS = ("debian13", "debian13-openstack", "debian12")
GUESTS = ("tiny", "debian")
