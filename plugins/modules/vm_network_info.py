#!/usr/bin/python
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_network_info
short_description: Get the virtual networks of a host
description:
  - Returns libvirt's virtual networks, which guests are on each, and the addresses that it has given out. It changes nothing.
version_added: 0.1.0
author:
  - kvmfleet developers (@kvmfleet)
extends_documentation_fragment:
  - kvmfleet.compute.attributes
  - kvmfleet.compute.attributes.info_module
  - kvmfleet.compute.connection
attributes:
  platform:
    support: full
options:
  name:
    description:
      - The network that is returned; all of them unless given. There is none in the result when the host has no such network.
    type: str
seealso:
  - module: kvmfleet.compute.vm_network
  - module: kvmfleet.compute.vm_instance_info
"""

EXAMPLES = r"""
- name: Look at the networks
  kvmfleet.compute.vm_network_info:
  register: found

- name: Show the networks that nobody is on
  ansible.builtin.debug:
    msg: "{{ found.networks | rejectattr('guests') | map(attribute='name') }}"

- name: Show who has which address
  ansible.builtin.debug:
    msg: "{{ found.networks | map(attribute='leases') | flatten | items2dict(key_name='hostname', value_name='address') }}"
"""

RETURN = r"""
networks:
  description:
    - The networks, by their names.
    - While a network is active, what it is now; C(restart_required) tells what its definition has beside.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The network's name.
      type: str
      sample: lab
    uuid:
      description: Its UUID.
      type: str
      sample: 0f6d5c1e-7b8a-4f0e-9b43-6a1f5d1c2b3a
    active:
      description: Whether it is active.
      type: bool
      sample: true
    persistent:
      description: Whether it has a definition, which stays when it is stopped.
      type: bool
      sample: true
    autostart:
      description: Whether it becomes active when the host boots.
      type: bool
      sample: true
    mode:
      description:
        - As the option O(kvmfleet.compute.vm_network#module:mode); also the modes of libvirt that the option does not have,
          such as C(hostdev).
      type: str
      sample: isolated
    nat_ipv6:
      description: Whether C(nat) translates IPv6, too.
      type: bool
      sample: false
    bridge:
      description: The name of its bridge on the host, if it has one.
      type: str
      sample: virbr1
    mtu:
      description: The largest packet in bytes; null for the usual one.
      type: int
      sample: 1500
    domain:
      description: The DNS domain of the guests; null for none.
      type: str
      sample: lab.example.com
    dns:
      description: Whether the host answers DNS queries.
      type: bool
      sample: true
    port_isolation:
      description: Whether guests do not reach each other.
      type: bool
      sample: false
    addresses:
      description:
        - The host's addresses, with C(address), C(dhcp) and C(reservations) as in the option
          O(kvmfleet.compute.vm_network#module:addresses).
      type: list
      elements: dict
      sample:
        - address: 192.0.2.1/24
          dhcp:
            - start: 192.0.2.100
              end: 192.0.2.199
          reservations: []
    restart_required:
      description: The options of M(kvmfleet.compute.vm_network) whose values the network gets when it is restarted.
      type: list
      elements: str
      sample: [mtu]
    guests:
      description: The names of the guests that are on it, or will be from their next start on.
      type: list
      elements: str
      sample: [db01, web01]
    running_guests:
      description: The names of the running guests that are on it now.
      type: list
      elements: str
      sample: [web01]
    leases:
      description: The addresses that libvirt has given out on the network by DHCP, and that have not expired.
      type: list
      elements: dict
      contains:
        mac:
          description: The MAC address of the interface.
          type: str
          sample: "52:54:00:12:34:56"
        address:
          description: The address.
          type: str
          sample: 192.0.2.10
        prefix:
          description: The length of the network's prefix in bits.
          type: int
          sample: 24
        hostname:
          description: The name that the guest has told; null for none.
          type: str
          sample: web01
        expires:
          description: When the address is given back unless the guest asks again, in seconds since 1970-01-01 UTC; 0 for never.
          type: int
          sample: 1767225600
"""

from ansible_collections.kvmfleet.compute.plugins.module_utils._network.info import OPTIONS, parse, query
from ansible_collections.kvmfleet.compute.plugins.module_utils._runner import run_info


def main():
    run_info(OPTIONS, parse, query)


if __name__ == "__main__":
    main()
