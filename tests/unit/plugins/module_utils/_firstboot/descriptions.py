# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shared values of the tests of first boots: a description that has everything."""

from __future__ import annotations

HASH = "$6$rounds=5000$saltsalt$Zj1LmCwpYxmMQPXJk9CkGvmzzXn0pFKR1xRZJ8jzQ7mS0nCwQ8eN1nSxW6a3vqSg9q4c6M1o9X1mT3d5nq7u0."
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFaketestkeyfaketestkeyfaketestkeyfake op@example.com"
UUID = "8a53e7c5-6f0e-4b5a-9f53-0d8c8f2e2a10"
MACS = {"52:54:00:12:34:56": "enp1s0", "52:54:00:12:34:57": "enp2s0"}
NETWORK = [
    {
        "mac": "52:54:00:12:34:56",
        "mtu": 9000,
        "addresses": ["192.0.2.5/24", "2001:db8::5/64"],
        "routes": [
            {"to": "default", "via": "192.0.2.1"},
            {"to": "198.51.100.0/24", "via": "192.0.2.2", "metric": 50},
            {"to": "default", "via": "2001:db8::1"},
        ],
        "dns_servers": ["192.0.2.53", "2001:db8::53"],
        "dns_search": ["example.com"],
        "vlans": [{"id": 100, "addresses": ["203.0.113.5/28"], "mtu": 1500}],
    },
    {"mac": "52-54-00-12-34-57", "name": "lan", "dhcp4": True},
]
WHOLE = {
    "hostname": "web1.example.com",
    "ssh_keys": [KEY],
    "users": [
        {
            "name": "ada",
            "password_hash": HASH,
            "ssh_keys": [KEY],
            "groups": ["adm", "www-data"],
            "shell": "/bin/bash",
            "sudo": True,
        },
        {"name": "bob"},
    ],
    "admin_password_hash": HASH,
    "network": NETWORK,
    "write_files": [
        {"path": "/etc/motd", "content": "Grüße\n"},
        {"path": "/home/ada/blob", "content_base64": "AAH/", "owner": "ada:ada", "mode": "600"},
    ],
    "swap": {"serial": "swap"},
    "ephemeral": [{"serial": "scratch", "mount": "/scratch", "filesystem": "xfs"}],
    "user_data": "#cloud-config\npackage_update: false\nusers: [default, {name: eve}]\n",
    "vendor_data": {"timezone": "Europe/Vienna"},
    "metadata": {"role": "web", "shard": 3},
}
