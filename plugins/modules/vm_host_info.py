#!/usr/bin/python
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_host_info
short_description: Get host info
description:
  - Returns what a libvirt host is and has - processors, memory, NUMA cells, storage pools, networks, versions, what its
    guests have of it, and what guests can have. It changes nothing.
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
  gather:
    description:
      - What to return beside the host's identity, versions and kinds of virtualisation.
      - V(cpu) is the processors, V(memory) the memory and NUMA cells, V(guests) the number of guests and what they have
        of the host, V(pools) the storage pools, V(networks) libvirt's networks, V(domain_capabilities) what guests can
        have.
    type: list
    elements: str
    choices: [cpu, memory, guests, pools, networks, domain_capabilities]
    default: [cpu, memory, guests, pools, networks]
  refresh_pools:
    description:
      - Whether libvirt is to measure the active storage pools now. Otherwise their sizes are of the last time that
        libvirt did, which is when it last worked on the pool.
      - A pool with many volumes takes its time.
    type: bool
    default: false
seealso:
  - module: kvmfleet.compute.vm_instance_info
"""

EXAMPLES = r"""
- name: Get what a host is and has
  kvmfleet.compute.vm_host_info:
  register: compute

- name: Refuse a host that is short of memory
  ansible.builtin.assert:
    that: compute.host.capacity.memory.free > 4 * 1024 ** 3
    fail_msg: "{{ compute.host.hostname }} has no 4 GiB left"

- name: Get what guests can have on a host, and its storage as it is now
  kvmfleet.compute.vm_host_info:
    gather: [pools, domain_capabilities]
    refresh_pools: true

- name: Get only the identity of a host from elsewhere
  kvmfleet.compute.vm_host_info:
    uri: qemu+ssh://root@compute1.example.com/system
    gather: []
  delegate_to: localhost
"""

RETURN = r"""
host:
  description:
    - The host. Sizes are in bytes.
  returned: success
  type: dict
  contains:
    hostname:
      description: The host's name, as libvirt knows it.
      returned: always
      type: str
      sample: compute1.example.com
    uuid:
      description: The host's UUID, null where the hypervisor has none.
      returned: always
      type: str
      sample: fd53866c-4371-4ae4-a285-76d5c5c77993
    uri:
      description: The URI of the connection.
      returned: always
      type: str
      sample: qemu:///system
    arch:
      description: The host's architecture.
      returned: always
      type: str
      sample: x86_64
    hypervisor:
      description: The hypervisor's type.
      returned: always
      type: str
      sample: QEMU
    hypervisor_version:
      description: The hypervisor's version.
      returned: always
      type: str
      sample: 7.2.22
    libvirt_version:
      description: libvirt's version.
      returned: always
      type: str
      sample: 9.0.0
    uptime:
      description: Seconds since the host booted; null with a O(uri) of another host, which libvirt does not tell.
      returned: always
      type: float
    virt_types:
      description: The kinds of virtualisation that libvirt offers.
      returned: always
      type: list
      elements: str
      sample: [kvm, qemu]
    usable_virt_types:
      description:
        - Those of them on which guests really run. libvirt offers V(kvm) also where the processor can't virtualise.
      returned: always
      type: list
      elements: str
      sample: [qemu]
    hardware_virtualisation:
      description: Whether guests can be run by the processor itself (KVM).
      returned: always
      type: bool
    cpu:
      description: The processors.
      returned: O(gather) has V(cpu)
      type: dict
      contains:
        model:
          description: The nearest model that libvirt knows, null where it knows none.
          returned: success
          type: str
          sample: Skylake-Server
        vendor:
          description: The vendor.
          returned: success
          type: str
          sample: Intel
        mhz:
          description: The clock rate in MHz, 0 where it is unknown.
          returned: success
          type: int
        online:
          description: The logical processors that are on.
          returned: success
          type: int
          sample: 16
        present:
          description: The logical processors that the host has.
          returned: success
          type: int
          sample: 16
        topology:
          description: NUMA C(nodes), C(sockets) of each node, C(cores) of each socket, C(threads) of each core.
          returned: success
          type: dict
        features:
          description: The names of all features, those of the model and those beyond it.
          returned: success
          type: list
          elements: str
          sample: [aes, avx, vmx]
        times:
          description:
            - Nanoseconds of all processors since boot, C(user), C(kernel), C(idle), C(iowait); empty where libvirt does
              not tell.
          returned: success
          type: dict
    memory:
      description:
        - The memory, C(total), C(free), and C(buffers) and C(cached), which are null where libvirt does not tell.
      returned: O(gather) has V(memory)
      type: dict
      sample: {total: 16777216000, free: 8388608000, buffers: 1048576, cached: 4194304000}
    numa_cells:
      description: The NUMA cells.
      returned: O(gather) has V(memory)
      type: list
      elements: dict
      contains:
        id:
          description: The cell's number.
          returned: success
          type: int
        memory:
          description: The cell's memory.
          returned: success
          type: int
        free:
          description: The cell's free memory, null where libvirt does not tell.
          returned: success
          type: int
        cpus:
          description: The numbers of the cell's logical processors.
          returned: success
          type: list
          elements: int
    guests:
      description: The number of guests, C(total), and C(by_state) those in each power state that some are in.
      returned: O(gather) has V(guests)
      type: dict
      sample: {total: 3, by_state: {running: 2, stopped: 1}}
    capacity:
      description:
        - What guests have of the host, as C(vcpus) and C(memory). Memory is counted as the most that a guest may use.
        - Each has C(total), C(allocated) to guests that are on, C(defined) for all guests, and C(free), which is what
          is not allocated, below 0 where more is promised than there is.
      returned: O(gather) has V(guests)
      type: dict
      sample:
        vcpus: {total: 16, allocated: 4, defined: 6, free: 12}
        memory: {total: 16777216000, allocated: 4294967296, defined: 6442450944, free: 12482248704}
    pools:
      description: The storage pools, ordered by name.
      returned: O(gather) has V(pools)
      type: list
      elements: dict
      contains:
        name:
          description: The pool's name.
          returned: success
          type: str
          sample: default
        uuid:
          description: The pool's UUID.
          returned: success
          type: str
        type:
          description: The pool's type.
          returned: success
          type: str
          sample: dir
        path:
          description: Where its volumes are on the host, null where there is no such place.
          returned: success
          type: str
          sample: /var/lib/libvirt/images
        state:
          description: One of V(running), V(inactive), V(building), V(degraded), V(inaccessible).
          returned: success
          type: str
        active:
          description: Whether volumes can be used.
          returned: success
          type: bool
        persistent:
          description: Whether the pool outlives its next stop.
          returned: success
          type: bool
        autostart:
          description: Whether the pool is started with libvirt.
          returned: success
          type: bool
        capacity:
          description: The size of the pool, null while it is inactive.
          returned: success
          type: int
        allocation:
          description: What is used of it, null while it is inactive.
          returned: success
          type: int
        available:
          description: What is free of it, null while it is inactive.
          returned: success
          type: int
    networks:
      description: The networks of libvirt, ordered by name.
      returned: O(gather) has V(networks)
      type: list
      elements: dict
      contains:
        name:
          description: The network's name.
          returned: success
          type: str
          sample: default
        uuid:
          description: The network's UUID.
          returned: success
          type: str
        active:
          description: Whether guests can be connected to it.
          returned: success
          type: bool
        persistent:
          description: Whether the network outlives its next stop.
          returned: success
          type: bool
        autostart:
          description: Whether the network is started with libvirt.
          returned: success
          type: bool
        mode:
          description:
            - How it is connected to the world, V(isolated) or libvirt's forward mode, such as V(nat), V(route) or
              V(bridge).
          returned: success
          type: str
        bridge:
          description: The host's bridge.
          returned: success
          type: str
          sample: virbr0
        domain:
          description: The DNS domain.
          returned: success
          type: str
        mtu:
          description: The MTU, null for the default.
          returned: success
          type: int
        addresses:
          description: The host's addresses in it, each with C(address), C(prefix) and C(family).
          returned: success
          type: list
          elements: dict
          sample: [{address: 192.168.122.1, prefix: 24, family: ipv4}]
    domain_capabilities:
      description:
        - What guests of the host's own architecture can have when they run on the best usable kind of virtualisation;
          null where the hypervisor does not tell.
      returned: O(gather) has V(domain_capabilities)
      type: dict
      contains:
        arch:
          description: The architecture.
          returned: success
          type: str
        virt_type:
          description: The kind of virtualisation.
          returned: success
          type: str
        default_machine:
          description: The machine type that libvirt takes when none is given.
          returned: success
          type: str
        machines:
          description: The machine types, aliases such as V(q35) among them.
          returned: success
          type: list
          elements: str
        max_vcpus:
          description: The most virtual CPUs that the default machine type can have.
          returned: success
          type: int
        firmware:
          description: The firmware that libvirt can choose by itself, V(bios) and V(uefi).
          returned: success
          type: list
          elements: str
        secure_boot:
          description: Whether firmware with Secure Boot can be run.
          returned: success
          type: bool
        cpu_modes:
          description: The ways to choose the processor.
          returned: success
          type: list
          elements: str
        cpu_models:
          description: The named processors that run here.
          returned: success
          type: list
          elements: str
        disk_buses:
          description: The buses of disks.
          returned: success
          type: list
          elements: str
        graphics_types:
          description: The graphical consoles.
          returned: success
          type: list
          elements: str
        video_models:
          description: The graphics cards.
          returned: success
          type: list
          elements: str
        tpm_models:
          description: The models of TPM; none where the host has no TPM and no emulator of one.
          returned: success
          type: list
          elements: str
        tpm_backends:
          description: What a TPM can be made of, such as V(emulator).
          returned: success
          type: list
          elements: str
        rng_backends:
          description: What a random number generator can be fed from.
          returned: success
          type: list
          elements: str
        filesystem_drivers:
          description: The drivers of shared directories.
          returned: success
          type: list
          elements: str
"""

from ansible_collections.kvmfleet.compute.plugins.module_utils._host import info
from ansible_collections.kvmfleet.compute.plugins.module_utils._runner import run_info


def main():
    run_info(info.OPTIONS, info.parse, info.query)


if __name__ == "__main__":
    main()
