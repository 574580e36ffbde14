#!/usr/bin/python
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_network
short_description: Manage the networks that guests are on
description:
  - Makes, changes and removes libvirt's virtual networks. A network that only its guests see is what is made unless
    O(mode) says otherwise.
  - A network that exists is changed in what the task gives, and keeps everything else, whoever made it.
  - Guests never lose their network by a task. What an active network can't take up at once waits while guests run on it, and is
    returned as RV(restart_required); when none does, the network is restarted. A network that guests are on is neither
    stopped nor removed.
  - The module refuses a network that would take an interface, an address or a route from the host. Run the task on the host itself.
    With an O(uri) of another host, libvirt does not show all of them; the module refuses what it sees, and warns.
version_added: 0.1.0
author:
  - kvmfleet developers (@kvmfleet)
extends_documentation_fragment:
  - kvmfleet.compute.attributes
  - kvmfleet.compute.connection
  - kvmfleet.compute.lock
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows the network's definition, and whether it is active and starts with the host.
  platform:
    support: full
options:
  name:
    description:
      - The network's name. That of a new network has letters, digits and the characters V(_), V(.) and V(-), and does not begin
        with V(.) or V(-).
    type: str
    required: true
  state:
    description:
      - V(active), the network is there, and guests can be on it.
      - V(inactive), it is there, and no guest is on it.
      - V(absent), there is no such network.
    type: str
    choices: [active, inactive, absent]
    default: active
  autostart:
    description:
      - Whether the network becomes active when the host boots.
      - Not given, one that the task starts does, and another one stays as it is.
      - It is enabled after the network has started. A new network that does not start is not left behind.
    type: bool
  mode:
    description:
      - V(isolated), guests reach each other and the host's O(addresses) on the network, if it has any, and nothing else.
      - V(nat), they also reach what the host reaches, with the host's address, and are not reached from there. See O(nat_ipv6).
      - V(routed), they also reach, and are reached from, where others have a route to the network.
      - V(open), as V(routed), without any firewall rules of libvirt.
      - V(bridge), they are on a bridge that the host has, O(bridge).
      - V(nat) and V(routed) need O(addresses), and so does V(open) with a libvirt older than 10.8.
      - Not given, a new network is V(isolated).
    type: str
    choices: [isolated, nat, routed, open, bridge]
  nat_ipv6:
    description:
      - Whether O(mode=nat) translates the guests' IPv6 addresses, too. With V(false), IPv6 is routed, and guests are reached
        from where others have a route to the network.
      - Not given, it is V(true) when the task gives O(mode=nat) and an IPv6 address in O(addresses), and when a network comes to
        have both by the task. Otherwise it stays as it is.
    type: bool
  bridge:
    description:
      - The name of the network's bridge on the host. libvirt chooses one unless given. The host must not have an interface of this name.
      - With O(mode=bridge), the bridge that the host has.
    type: str
  mtu:
    description:
      - The largest packet in bytes. V(0) leaves it to the host.
    type: int
  domain:
    description:
      - The DNS domain of the guests. V("") is for none.
    type: str
  dns:
    description:
      - Whether the host answers DNS queries at its O(addresses). It does unless given.
    type: bool
  port_isolation:
    description:
      - Whether guests reach only the host and what is behind it, and not each other.
    type: bool
  addresses:
    description:
      - The addresses that the host has on the network; an empty list for none. The list is whole, addresses that it does not have are
        removed.
      - They must not overlap with the addresses of the host's other interfaces.
      - Without an address the host is not on the network, and does neither DHCP nor DNS there.
    type: list
    elements: dict
    suboptions:
      address:
        description:
          - The address with the length of its prefix, such as V(192.0.2.1/24) or V(2001:db8::1/64).
        type: str
        required: true
      dhcp:
        description:
          - The ranges of addresses that guests get by DHCP. Only one address of each IP version can have them.
          - The first and the last address of a range differ in their last 16 bits only.
        type: list
        elements: dict
        default: []
        suboptions:
          start:
            description:
              - The first address.
            type: str
            required: true
          end:
            description:
              - The last address.
            type: str
            required: true
      reservations:
        description:
          - The addresses that certain guests get by DHCP, IPv4 only. They change while guests run.
        type: list
        elements: dict
        default: []
        suboptions:
          mac:
            description:
              - The MAC address of the guest's interface.
            type: str
            required: true
          ip:
            description:
              - The address that it gets.
            type: str
            required: true
          name:
            description:
              - The name that it has in DNS, such as V(db01), or with a domain, such as V(db01.lab.example.com).
            type: str
seealso:
  - module: kvmfleet.compute.vm_instance
  - module: kvmfleet.compute.vm_network_info
"""

EXAMPLES = r"""
- name: Have a network that only its guests see, not even the host
  kvmfleet.compute.vm_network:
    name: backend

- name: Have one where the host gives out addresses, one of them always to the same guest
  kvmfleet.compute.vm_network:
    name: lab
    domain: lab.example.com
    addresses:
      - address: 192.0.2.1/24
        dhcp:
          - start: 192.0.2.100
            end: 192.0.2.199
        reservations:
          - mac: "52:54:00:12:34:56"
            ip: 192.0.2.10
            name: db01

- name: Lend guests a bridge of the host
  kvmfleet.compute.vm_network:
    name: office
    mode: bridge
    bridge: br0

- name: Remove a network that no guest is on
  kvmfleet.compute.vm_network:
    name: backend
    state: absent
"""

RETURN = r"""
network:
  description:
    - The network after the task (in check mode, as it is); null when there is none.
    - While it is active, what it is now; a change that is waiting is not in it.
  returned: success
  type: dict
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
    autostart:
      description: Whether it becomes active when the host boots.
      type: bool
      sample: true
    mode:
      description: As the option O(mode); also the modes of libvirt that the option does not have, such as C(hostdev).
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
      description: The host's addresses, with C(address), C(dhcp) and C(reservations) as in the option O(addresses).
      type: list
      elements: dict
      sample:
        - address: 192.0.2.1/24
          dhcp:
            - start: 192.0.2.100
              end: 192.0.2.199
          reservations: []
actions:
  description:
    - What was done, in its order; in check mode and after a failure, what was planned. Each has C(action) and C(subject).
  returned: always, once the plan was made
  type: list
  elements: dict
  sample:
    - action: define_network
      subject: lab
    - action: start_network
      subject: lab
    - action: enable_autostart
      subject: lab
done:
  description:
    - The actions that were carried out before the failure. Those that were undone are not listed.
    - C(changed) is true when there is one, and when the action that failed may be half done.
  returned: failure, once the plan was made
  type: list
  elements: dict
  sample:
    - action: define_network
      subject: lab
restart_required:
  description:
    - The options whose values the network gets when it is restarted, which it is by a task once no guest runs on it.
  returned: success
  type: list
  elements: str
  sample: [mtu]
"""

from ansible_collections.kvmfleet.compute.plugins.module_utils._network import resource
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.spec import OPTIONS
from ansible_collections.kvmfleet.compute.plugins.module_utils._runner import run_resource


def main():
    run_resource(OPTIONS, resource)


if __name__ == "__main__":
    main()
