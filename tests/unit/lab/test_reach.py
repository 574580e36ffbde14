# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Ansible and ssh are told of the hosts."""

from __future__ import annotations

import ipaddress
import json

from lab import reach, settings


def test_hosts_have_addresses_of_their_own_in_the_network():
    network = ipaddress.ip_network(settings.NETWORK)
    addresses = [ipaddress.ip_address(host.address) for host in settings.HOSTS.values()]
    addresses.append(ipaddress.ip_address(settings.GATEWAY))
    assert len(set(addresses)) == len(addresses)
    assert all(address in network for address in addresses)


def test_the_inventory_has_every_host_in_its_groups():
    inventory = reach.inventory(settings.HOSTS.values())["all"]
    assert inventory["hosts"]["compute3"] == {"ansible_host": settings.HOSTS["compute3"].address}
    groups = {name: sorted(group["hosts"]) for name, group in inventory["children"].items()}
    assert groups == {
        "controllers": ["controller"],
        "computes": ["compute1", "compute2", "compute3"],
        "debian13": ["compute1", "compute2", "controller"],
        "debian12": ["compute3"],
    }


def test_the_inventory_has_no_host_that_is_down():
    inventory = reach.inventory([settings.HOSTS["compute1"]])["all"]
    assert "compute2" not in json.dumps(inventory)


def test_the_files_are_for_their_owner_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "INVENTORY", tmp_path / "inventory.yml")
    reach.write_inventory([settings.HOSTS["compute1"]])
    assert (tmp_path / "inventory.yml").stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "inventory.yml").read_text(encoding="utf-8"))["all"]["hosts"]["compute1"]


def test_ssh_takes_the_key_of_the_lab_for_each_host():
    text = reach.ssh_config(settings.HOSTS.values())
    assert text.count(f"IdentityFile {settings.KEY}") == len(settings.HOSTS)
    assert "Host compute2\n  HostName 10.214.0.12\n" in text
