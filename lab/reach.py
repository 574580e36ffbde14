# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the lab is reached: Ansible's inventory and ssh's configuration. Pure, but for writing the files."""

from __future__ import annotations

import json

from lab import settings

_SSH = """Host {name}
  HostName {address}
  User root
  IdentityFile {key}
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
"""


def inventory(hosts):
    """Return the inventory of some hosts; JSON is YAML, too."""
    groups = {}
    for host in hosts:
        for group in host.groups:
            groups.setdefault(group, {"hosts": {}})["hosts"][host.name] = {}
    return {
        "all": {
            "hosts": {host.name: {"ansible_host": host.address} for host in hosts},
            "children": groups,
            "vars": {
                "ansible_user": "root",
                "ansible_ssh_private_key_file": str(settings.KEY),
                # Hosts come and go under the same addresses, on a network that only this machine sees.
                "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
                "ansible_control_path_dir": str(settings.RUN / "cp"),
                "ansible_python_interpreter": "/usr/bin/python3",
            },
        }
    }


def ssh_config(hosts):
    """Return the configuration with which ssh reaches hosts by their names."""
    return "".join(_SSH.format(name=host.name, address=host.address, key=settings.KEY) for host in hosts)


def write():
    """Write both files for all hosts of the lab."""
    _write(settings.SSH_CONFIG, ssh_config(settings.HOSTS.values()))


def write_inventory(hosts):
    _write(settings.INVENTORY, json.dumps(inventory(hosts), indent=2) + "\n")


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
