# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: schedule
short_description: Place instances on hosts
version_added: 0.1.0
author:
  - kvmfleet developers (@kvmfleet)
description:
  - Decides on which host each instance of a list is to run, by what the hosts have and what is taken of it, by what
    their operator allows, and by what the instances need.
  - An instance that a host has already stays there. The same input always gives the same result, in whatever order
    instances and hosts are listed.
  - The filter only decides; it asks no host and changes nothing.
positional: _input, hosts
options:
  _input:
    description:
      - The instances, each a mapping of the options of M(kvmfleet.compute.vm_instance). What counts is C(name),
        C(flavor) with C(flavors), or C(memory), C(max_memory) and C(vcpus), C(image), C(root_disk), C(disks) and
        C(pool), C(interfaces), C(arch), C(virt_type), and C(state).
      - An instance can have the key C(schedule), which M(kvmfleet.compute.vm_instance) does not know and which is not
        in the result. Its C(require_tags) lists tags that the host must have, its C(refuse_tags) tags that the host
        must not have.
      - An instance with C(state=absent) is placed where it is, and nowhere when no host has it.
    type: list
    elements: dict
    required: true
  hosts:
    description:
      - The hosts to choose from, a mapping of their names to what M(kvmfleet.compute.vm_host_info) returned there. It
        needs V(guests) and V(pools) of that module's O(kvmfleet.compute.vm_host_info#module:gather).
      - A host of which nothing is known, with an empty mapping or a result that failed, gets no instance.
    type: dict
    required: true
  guests:
    description:
      - The guests that there are already, a mapping of each host's name to what M(kvmfleet.compute.vm_instance_info)
        returned there.
      - Without it every instance is taken for a new one. With it, it has to have all of O(hosts), as a guest on a host
        that is left out could be launched a second time elsewhere.
    type: dict
  policies:
    description:
      - What the operator allows on hosts, a mapping of their names to mappings. A host that has none is enabled.
      - C(enabled) is whether the host takes new instances, and C(reason) says why it does not.
      - C(tags) lists the host's tags, which stand for what Nova calls aggregates. The names of inventory groups do well.
      - C(overcommit) and C(reserved) are O(overcommit) and O(reserved) of this host.
    type: dict
  groups:
    description:
      - Groups of instances, a mapping of names to mappings.
      - C(policy) is V(affinity) (on one host), V(anti-affinity) (no two on one host), V(soft-affinity) or
        V(soft-anti-affinity) (so, as far as the other rules let it).
      - C(members) lists names, or patterns of names such as V(web*). Guests that are in O(guests) alone count too.
    type: dict
  defaults:
    description:
      - What an instance has of the options that it does not give itself.
    type: dict
  overcommit:
    description:
      - How many times the instances together may have what the host has, a mapping of C(vcpus), C(memory) and C(disk)
        to numbers. What is not in it is as in Nova, 4.0 for C(vcpus) and 1.0 for C(memory) and C(disk).
    type: dict
  reserved:
    description:
      - What a host keeps for itself before that, a mapping of C(vcpus), C(memory) and C(disk) (of each storage pool).
        What is not in it is as in Nova, 512 MiB of memory.
    type: dict
  strategy:
    description:
      - V(spread) takes the host that is the least full with the instance, V(pack) the one that is the fullest.
    type: str
    choices: [spread, pack]
    default: spread
  on_unplaceable:
    description:
      - What to do when there is no host for an instance. V(fail) fails and says for each such instance why each host was
        refused. V(report) returns the same as C(unplaced).
    type: str
    choices: [fail, report]
    default: fail
seealso:
  - module: kvmfleet.compute.vm_host_info
  - module: kvmfleet.compute.vm_instance_info
  - module: kvmfleet.compute.vm_instances
"""

EXAMPLES = r"""
- name: Get what the hosts have
  kvmfleet.compute.vm_host_info:
    gather: [guests, pools, networks]
    refresh_pools: true
  register: compute

- name: Get which guests there are
  kvmfleet.compute.vm_instance_info:
    gather: [definition]
  register: fleet

- name: Decide where each instance is to run
  ansible.builtin.set_fact:
    plan: >-
      {{ instances | kvmfleet.compute.schedule(
           dict(names | zip(names | map('extract', hostvars) | map(attribute='compute', default={}))),
           guests=dict(names | zip(names | map('extract', hostvars) | map(attribute='fleet', default={}))),
           groups={'web': {'policy': 'anti-affinity', 'members': ['web*']}}) }}
  vars:
    names: "{{ groups['computes'] }}"
    instances:
      - {name: web1, flavor: m1.small, image: debian-13}
      - {name: web2, flavor: m1.small, image: debian-13}
      - {name: db1, memory: 8GiB, vcpus: 4, schedule: {require_tags: [ssd]}}
  run_once: true

- name: Launch on each host what was placed there
  kvmfleet.compute.vm_instances:
    instances: "{{ plan.hosts[inventory_hostname] }}"
"""

RETURN = r"""
_value:
  description: Where the instances are to run.
  type: dict
  contains:
    placements:
      description: The host of each instance that has one, by the instance's name.
      returned: success
      type: dict
      sample: {db1: compute2, web1: compute1, web2: compute3}
    hosts:
      description:
        - The instances of each host, by the host's name, as they were given, in their order, without their C(schedule).
      returned: success
      type: dict
      sample: {compute1: [{name: web1, flavor: m1.small}]}
    unplaced:
      description:
        - The instances for which there is no host, ordered by name, each with C(name) and C(refusals), which says for
          each host why it was refused.
      returned: success
      type: list
      elements: dict
      sample: [{name: web4, refusals: {compute1: "it is disabled (new disks)"}}]
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._placement import placement
from ansible_collections.kvmfleet.compute.plugins.module_utils._placement.hosts import check_choice

ON_UNPLACEABLE = ("fail", "report")


def schedule(instances, hosts, on_unplaceable="fail", **options):
    """Place instances on hosts. Raises AnsibleFilterError."""
    try:
        check_choice("on_unplaceable", on_unplaceable, ON_UNPLACEABLE)
        plan = placement.schedule(instances, hosts, **options)
    except InvalidInput as exc:
        raise AnsibleFilterError(f"schedule: {exc.message}") from exc
    if plan["unplaced"] and on_unplaceable == "fail":
        raise AnsibleFilterError("schedule: {}".format("\n".join(map(_sentence, plan["unplaced"]))))
    return plan


def _sentence(entry):
    refusals = [f"{host}: {reason}" for host, reason in entry["refusals"].items()]
    return "there is no host for {} ({})".format(entry["name"], "; ".join(refusals) or "there are no hosts")


class FilterModule:
    def filters(self):
        return {"schedule": schedule}
