# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: instances
short_description: Guests of libvirt hosts as inventory
version_added: 0.1.0
author:
  - kvmfleet developers (@kvmfleet)
description:
  - Makes a host of each guest of the given libvirt hosts, which are read in parallel, with few calls each.
  - The source is a file whose name ends in C(instances.yml) or C(instances.yaml).
  - "Groups that are always made: C(state_STATE), C(host_HOST), C(network_NETWORK) for each network or bridge that the guest is
    on, C(tag_TAG) for each of its tags, C(filter_FILTER) for each network filter (security group) of its interfaces, and
    C(managed) for the guests that this collection manages. More are made by O(groups) and O(keyed_groups)."
  - "Variables of each guest: C(kvmfleet_instance), which is what M(kvmfleet.compute.vm_instance_info) returns of it;
    C(kvmfleet_host), the name of its host in O(hosts); C(kvmfleet_uri), the host's libvirt; C(kvmfleet_drift), whether its
    definition is another than the one that the collection applied last, null when it never did; and as far as an
    address is known and O(ansible_host) wants one, C(ansible_host)."
requirements:
  - On the control node libvirt-python 8.0.0 or newer and lxml (Debian packages python3-libvirt and python3-lxml).
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description:
      - Must be V(kvmfleet.compute.instances).
    type: str
    required: true
    choices: [kvmfleet.compute.instances]
  hosts:
    description:
      - The libvirt hosts, a mapping of a name to the libvirt URI by which the control node reaches it.
    type: dict
    required: true
  unreachable:
    description:
      - What to do about a host that can't be reached, or takes longer than O(timeout). V(warn) goes on with the others.
    type: str
    choices: [warn, fail]
    default: warn
  timeout:
    description:
      - How long reading one host may take, such as V(90s) or V(2m). The hosts are read at the same time, 16 at once.
    type: str
    default: 60s
  names:
    description:
      - Patterns of the names of the guests that are wanted, such as C(web*). All unless given.
    type: list
    elements: str
  states:
    description:
      - The states of the guests that are wanted. All unless given.
    type: list
    elements: str
    choices: [running, stopped, paused, suspended, crashed, sleeping]
  tags:
    description:
      - The tags that a guest must have, all of them.
    type: list
    elements: str
  managed:
    description:
      - Whether only guests are wanted that this collection manages, or only others.
    type: bool
  ansible_host:
    description:
      - Where to look for the address that becomes C(ansible_host), in this order. V(agent) asks the guest itself, V(lease) the
        DHCP server of its libvirt network, V(arp) the host's neighbour table. Empty to set none.
      - Of several leases the newest counts.
    type: list
    elements: str
    choices: [agent, lease, arp]
    default: [agent, lease]
  address_cidr:
    description:
      - The network that the address must be in, such as V(10.0.0.0/8).
    type: str
  connection:
    description:
      - How tasks reach the guests. V(ssh) leaves it to Ansible; V(guest_agent) sets the connection plugin
        P(kvmfleet.compute.guest_agent#connection), which needs no network in the guest.
    type: str
    choices: [ssh, guest_agent]
    default: ssh
seealso:
  - module: kvmfleet.compute.vm_instance_info
"""

EXAMPLES = r"""
# shop.instances.yml: the running guests of two hosts, reached by ssh in the shop's network
plugin: kvmfleet.compute.instances
hosts:
  compute1: qemu+ssh://root@compute1.example.com/system
  compute2: qemu+ssh://root@compute2.example.com/system
states: [running]
address_cidr: 10.20.0.0/16
compose:
  ansible_user: "'debian' if kvmfleet_instance.image is match('debian') else 'root'"
keyed_groups:
  - key: kvmfleet_instance.flavor
    prefix: flavor
groups:
  drifted: kvmfleet_drift | default(false, true)
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: /var/cache/ansible/inventory
cache_timeout: 60
"""

import json

from ansible.constants import LOCALHOST
from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._inventory import guests, read

CACHED = ("hosts", "names", "states", "tags", "managed", "ansible_host", "address_cidr")


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "kvmfleet.compute.instances"

    def verify_file(self, path):
        return super().verify_file(path) and path.endswith(("instances.yml", "instances.yaml"))

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        self.load_cache_plugin()
        try:
            wanted = guests.Wanted.of({name: self.get_option(name) for name in CACHED})
            limit = guests.parse_timeout(self.get_option("timeout"))
        except InvalidInput as exc:
            raise AnsibleParserError(exc.message) from exc
        found = self._guests(path, cache, wanted, limit)
        added = [self._add(guest) for guest in guests.named(found, self._reserved(found))]
        # The other groups take members by their names alone, so they come before a group that may have the name of a guest.
        for name, variables in added:
            self._add_host_to_keyed_groups(
                self.get_option("keyed_groups"), variables, name, strict=self.get_option("strict")
            )

    def _reserved(self, found):
        """Return the names that Ansible would take for something other than one of the guests."""
        names = {*LOCALHOST, *self.inventory.groups}
        made = [*(self.get_option("groups") or ()), *(name for variables in found for name in guests.groups(variables))]
        names.update(map(self._sanitize_group_name, made))
        uuids = {variables["kvmfleet_instance"]["uuid"] for variables in found}
        for name, host in self.inventory.hosts.items():
            other = host.vars.get("kvmfleet_instance")
            if other and other["uuid"] not in uuids:
                names.add(name)
        return names

    def _guests(self, path, cache, wanted, limit):
        """Read the guests, or take them from the cache, which is as good as what was asked of it."""
        key = f"{self.get_cache_key(path)}_{wanted.digest()}"
        use_cache = self.get_option("cache")
        if use_cache and cache and key in self.cache:
            return json.loads(self.cache[key])
        found, unreachable = read.read_hosts(wanted, limit)
        for host, reason in sorted(unreachable.items()):
            if self.get_option("unreachable") == "fail":
                raise AnsibleParserError(f"hosts.{host}: {reason}")
            self.display.warning(f"the guests of {host} are not in the inventory: {reason}")
        if use_cache and not unreachable:
            # As a text: the cache's own JSON gives some keys a meaning, and guests have metadata with any key.
            self.cache[key] = json.dumps(found)
        return found

    def _add(self, guest):
        name, variables = guest["inventory_name"], guest["variables"]
        if guest["renamed"]:
            instance, host = variables["kvmfleet_instance"], variables["kvmfleet_host"]
            self.display.warning(
                f"the guest {instance['name']!r} of {host} is {name!r} in the inventory: {guest['renamed']}"
            )
        self.inventory.add_host(name)
        if self.get_option("connection") == "guest_agent":
            variables = dict(
                variables,
                ansible_connection="kvmfleet.compute.guest_agent",
                kvmfleet_guest=variables["kvmfleet_instance"]["uuid"],
            )
        # What guests and hosts say is no template. Since 2.19 that is so for all but trusted texts, and this changes nothing.
        variables = wrap_var(variables)
        for key, value in variables.items():
            self.inventory.set_variable(name, key, value)
        for group in guests.groups(variables):
            group = self.inventory.add_group(self._sanitize_group_name(group))
            self.inventory.add_child(group, name)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
        return name, variables
