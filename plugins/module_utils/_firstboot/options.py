# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The options that describe a guest's first boot, as an argument spec."""

from __future__ import annotations

_ADDRESSING = {
    "mtu": {"type": "int"},
    "dhcp4": {"type": "bool", "default": False},
    "dhcp6": {"type": "bool", "default": False},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "routes": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "to": {"type": "str", "required": True},
            "via": {"type": "str", "required": True},
            "metric": {"type": "int"},
        },
    },
    "dns_servers": {"type": "list", "elements": "str", "default": []},
    "dns_search": {"type": "list", "elements": "str", "default": []},
}

OPTIONS = {
    "hostname": {"type": "str"},
    "ssh_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "users": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "password_hash": {"type": "str", "no_log": True},
            "ssh_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "groups": {"type": "list", "elements": "str", "default": []},
            "shell": {"type": "str"},
            "sudo": {"type": "bool", "default": False},
        },
    },
    "admin_user": {"type": "str", "default": "root"},
    "admin_password_hash": {"type": "str", "no_log": True},
    "network": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "mac": {"type": "str", "required": True},
            "name": {"type": "str"},
            **_ADDRESSING,
            "vlans": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"id": {"type": "int", "required": True}, **_ADDRESSING},
            },
        },
    },
    "write_files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "required": True},
            "content": {"type": "str", "no_log": True},
            "content_base64": {"type": "str", "no_log": True},
            "owner": {"type": "str", "default": "root:root"},
            "mode": {"type": "str", "default": "0644"},
        },
    },
    "swap": {"type": "dict", "options": {"serial": {"type": "str", "required": True}}},
    "ephemeral": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "serial": {"type": "str", "required": True},
            "mount": {"type": "str", "required": True},
            "filesystem": {"type": "str", "choices": ["ext4", "xfs"], "default": "ext4"},
            "label": {"type": "str"},
        },
    },
    "user_data": {"type": "raw"},
    "vendor_data": {"type": "raw"},
    "metadata": {"type": "dict", "default": {}},
    "instance_id": {"type": "str", "choices": ["keep", "new_on_change"], "default": "keep"},
}
