#!/usr/bin/python
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_instance_info
short_description: Get guest info
description:
  - Returns the state, definition, devices, addresses, statistics and agent data of the guests of a libvirt host. It
    changes nothing.
  - All guests' states and statistics are read in one call, and so are the leases of each network. A guest is asked
    itself only for its definition, for addresses that its agent knows, and for what the agent tells.
  - A guest that is removed while it is read is left out.
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
  names:
    description:
      - Return the guests with these names. A name that no guest has is not an error.
    type: list
    elements: str
  uuids:
    description:
      - Return the guests with these UUIDs. A UUID that no guest has is not an error.
    type: list
    elements: str
  states:
    description:
      - Return the guests in one of these power states. A guest whose memory is saved to disk is V(suspended), one that
        sleeps by its own power management V(sleeping).
    type: list
    elements: str
    choices: [running, stopped, paused, suspended, crashed, sleeping]
  tags:
    description:
      - Return the guests that have all of these tags.
    type: list
    elements: str
  managed:
    description:
      - Return the guests that M(kvmfleet.compute.vm_instance) made or changed (V(true)), or the others (V(false)).
    type: bool
  gather:
    description:
      - What to return beside the guests' identity and state.
      - V(definition) is the hardware as the guest has it now, or will have it when it is off.
      - V(addresses) is the IP addresses of the interfaces of guests that are on.
      - V(statistics) is how much of processor, memory, disks and networks a guest used.
      - V(agent) is what the QEMU guest agent tells of the system inside the guest.
    type: list
    elements: str
    choices: [definition, addresses, statistics, agent]
    default: [definition, addresses]
  address_sources:
    description:
      - Who is asked for addresses, in this order. Each of them is asked; an address that several know is returned once.
      - V(lease) is the DHCP servers of libvirt's networks, V(agent) the guest agent where it is connected, V(arp) the
        host's ARP table.
      - V(lease) and V(arp) may have addresses that the guest does not use any more. Of several leases the newest is returned first.
      - An agent that does not answer within 5 seconds knows no address.
      - Loopback and link-local addresses are left out.
    type: list
    elements: str
    choices: [lease, agent, arp]
    default: [lease, agent]
  agent_timeout:
    description:
      - How long an agent may take for each of its answers to O(gather=agent), such as V(5s), rounded up to whole
        seconds.
      - libvirt keeps this time with the running guest; its default, to wait for ever, is set again after the answer.
    type: str
    default: 5s
  xml:
    description:
      - The definitions to return as XML, passwords redacted.
      - V(live) is that of a guest that is on, V(inactive) that for its next boot, V(migratable) that for another host.
    type: list
    elements: str
    choices: [live, inactive, migratable]
    default: []
seealso:
  - module: kvmfleet.compute.vm_instance
  - module: kvmfleet.compute.vm_host_info
"""

EXAMPLES = r"""
- name: Get all guests of a host
  kvmfleet.compute.vm_instance_info:
  register: fleet

- name: Show the addresses of the running web servers
  ansible.builtin.debug:
    msg: "{{ item.interfaces | map(attribute='addresses') | flatten | map(attribute='address') | join(' ') }}"
  loop: "{{ fleet.instances | selectattr('state', 'eq', 'running') }}"
  loop_control:
    label: "{{ item.name }}"
  when: "'web' in item.tags"

- name: Get states and statistics alone, which takes the fewest calls
  kvmfleet.compute.vm_instance_info:
    gather: [statistics]

- name: Ask the agents of two guests for their systems and file systems
  kvmfleet.compute.vm_instance_info:
    names: [web01, db01]
    gather: [agent]
    agent_timeout: 10s

- name: Get a guest's XML for its next boot
  kvmfleet.compute.vm_instance_info:
    names: [web01]
    gather: []
    xml: [inactive]
"""

RETURN = r"""
instances:
  description:
    - The guests that pass all filters, ordered by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The guest's name.
      returned: always
      type: str
      sample: web01
    uuid:
      description: The guest's UUID.
      returned: always
      type: str
      sample: 8a53e7c5-6f0e-4b5a-9f53-0d8c8f2e2a10
    id:
      description: libvirt's number of the guest, another one after each start; null while it is off.
      returned: always
      type: int
      sample: 3
    state:
      description: The power state, one of V(running), V(stopped), V(paused), V(suspended), V(crashed), V(sleeping).
      returned: always
      type: str
      sample: running
    state_reason:
      description: Why the guest is in this state, in libvirt's words.
      returned: always
      type: str
      sample: booted
    persistent:
      description: Whether the guest outlives its next power-off.
      returned: always
      type: bool
    autostart:
      description: Whether the guest is started with its host.
      returned: always
      type: bool
    managed:
      description: Whether M(kvmfleet.compute.vm_instance) made or changed the guest.
      returned: O(gather) has V(definition)
      type: bool
    title:
      description: The title, empty if there is none.
      returned: O(gather) has V(definition)
      type: str
    description:
      description: The description, empty if there is none.
      returned: O(gather) has V(definition)
      type: str
    memory:
      description: The memory that the guest is given, in bytes.
      returned: O(gather) has V(definition)
      type: int
      sample: 2147483648
    max_memory:
      description: The memory in bytes that it can have without a restart.
      returned: O(gather) has V(definition)
      type: int
      sample: 2147483648
    vcpus:
      description: The virtual CPUs that are on.
      returned: O(gather) has V(definition)
      type: int
      sample: 2
    max_vcpus:
      description: The virtual CPUs that can be on without a restart.
      returned: O(gather) has V(definition)
      type: int
      sample: 2
    cpu:
      description: The processor that the guest sees; what libvirt leaves to its default is null.
      returned: O(gather) has V(definition)
      type: dict
      contains:
        mode:
          description: How the processor is chosen, such as V(host-model). libvirt shows a running guest's as V(custom).
          returned: success
          type: str
        model:
          description: The model.
          returned: success
          type: str
        sockets:
          description: Sockets of the topology.
          returned: success
          type: int
        cores:
          description: Cores of each socket.
          returned: success
          type: int
        threads:
          description: Threads of each core.
          returned: success
          type: int
    machine:
      description: The machine type with its version.
      returned: O(gather) has V(definition)
      type: str
      sample: pc-q35-7.2
    firmware:
      description: The firmware, V(bios) or V(uefi).
      returned: O(gather) has V(definition)
      type: str
    secure_boot:
      description: Whether Secure Boot is in force, null while libvirt has not chosen the build of UEFI.
      returned: O(gather) has V(definition)
      type: bool
    tpm:
      description: The TPM, null if there is none.
      returned: O(gather) has V(definition)
      type: dict
      contains:
        model:
          description: The device model.
          returned: success
          type: str
          sample: tpm-crb
        backend:
          description: What it is made by, V(emulator), V(passthrough) or V(external).
          returned: success
          type: str
        version:
          description: The version of TPM, null where the definition does not say it.
          returned: success
          type: str
          sample: "2.0"
    virt_type:
      description: How the guest is run, such as V(kvm) or V(qemu) (emulation).
      returned: O(gather) has V(definition)
      type: str
    arch:
      description: The architecture.
      returned: O(gather) has V(definition)
      type: str
      sample: x86_64
    disks:
      description: The disks, in the order of the definition.
      returned: O(gather) has V(definition)
      type: list
      elements: dict
      contains:
        target:
          description: The device name.
          returned: success
          type: str
          sample: vda
        bus:
          description: The bus.
          returned: success
          type: str
          sample: virtio
        device:
          description: The kind of device, such as V(disk) or V(cdrom).
          returned: success
          type: str
        type:
          description: What the source is, such as V(file), V(block), V(volume) or V(network).
          returned: success
          type: str
        format:
          description: The format of the source.
          returned: success
          type: str
          sample: qcow2
        source:
          description:
            - A path, C(POOL/VOLUME) of a pool's volume, or C(PROTOCOL:NAME) of network storage; null for an empty
              drive.
          returned: success
          type: str
          sample: /var/lib/libvirt/images/web01-vda.qcow2
        serial:
          description: The serial number.
          returned: success
          type: str
        cache:
          description: The cache mode, null for the default.
          returned: success
          type: str
        io:
          description: The I/O mode, null for the default.
          returned: success
          type: str
        discard:
          description: What happens to discards, null for the default.
          returned: success
          type: str
        iothread:
          description: The I/O thread that does the disk's work, null for none of its own.
          returned: success
          type: int
        readonly:
          description: Whether the guest may only read.
          returned: success
          type: bool
        shareable:
          description: Whether other guests may use the disk at the same time.
          returned: success
          type: bool
        boot_order:
          description: The place in the order of devices to boot from, null if it has none.
          returned: success
          type: int
        owned:
          description: Whether the source is a volume that was made for this guest, and goes with it.
          returned: success
          type: bool
    interfaces:
      description: The network interfaces, in the order of the definition.
      returned: O(gather) has V(definition) or V(addresses)
      type: list
      elements: dict
      contains:
        type:
          description: What the interface is connected to, such as V(network) or V(bridge).
          returned: success
          type: str
        source:
          description: The name of that network, bridge or device, null where there is none.
          returned: success
          type: str
          sample: default
        mac:
          description: The MAC address.
          returned: success
          type: str
          sample: 52:54:00:12:34:56
        model:
          description: The device model.
          returned: success
          type: str
          sample: virtio
        alias:
          description: The device's alias.
          returned: success
          type: str
          sample: net0
        target:
          description: The interface of the host that belongs to it while the guest is on.
          returned: success
          type: str
          sample: vnet0
        mtu:
          description: The MTU, null for the default.
          returned: success
          type: int
        filter:
          description: The network filter that it goes through, null for none.
          returned: success
          type: str
        addresses:
          description: The IP addresses, none while the guest is off.
          returned: O(gather) has V(addresses)
          type: list
          elements: dict
          contains:
            address:
              description: The address.
              returned: success
              type: str
              sample: 192.168.122.57
            prefix:
              description: The bits of the network's prefix; 0 from V(arp), which does not know it.
              returned: success
              type: int
              sample: 24
            family:
              description: V(ipv4) or V(ipv6).
              returned: success
              type: str
            source:
              description: Who knew it first, V(lease), V(agent) or V(arp).
              returned: success
              type: str
    graphics:
      description: The graphical consoles; never with a password.
      returned: O(gather) has V(definition)
      type: list
      elements: dict
      contains:
        type:
          description: The protocol, such as V(vnc) or V(spice).
          returned: success
          type: str
        listen:
          description: The address that it listens on.
          returned: success
          type: str
          sample: 127.0.0.1
        port:
          description: The port, null until libvirt chooses one.
          returned: success
          type: int
          sample: 5900
        websocket:
          description: The port for WebSockets.
          returned: success
          type: int
        tls_port:
          description: The port for TLS.
          returned: success
          type: int
    serial_console:
      description: The serial console, null if there is none.
      returned: O(gather) has V(definition)
      type: dict
      contains:
        pty:
          description: The pseudo-terminal of the host while the guest is on.
          returned: success
          type: str
          sample: /dev/pts/3
        log_file:
          description: The file that its output is recorded in.
          returned: success
          type: str
          sample: /var/log/libvirt/qemu/web01-serial0.log
    agent:
      description: The QEMU guest agent.
      returned: O(gather) has V(definition) or V(agent)
      type: dict
      contains:
        channel:
          description: Whether the guest has the agent's channel.
          returned: success
          type: bool
        connected:
          description: Whether an agent is connected; null without a channel, and while the guest is off.
          returned: success
          type: bool
    flavor:
      description: The name of the flavor that the guest has its size from, null if there is none.
      returned: O(gather) has V(definition)
      type: str
      sample: m1.small
    image:
      description: The name of the image that the root disk was made from, null if there is none.
      returned: O(gather) has V(definition)
      type: str
      sample: debian-13
    tags:
      description: The tags.
      returned: O(gather) has V(definition)
      type: list
      elements: str
    metadata:
      description: The free keys and values that are kept with the guest.
      returned: O(gather) has V(definition)
      type: dict
    rescued:
      description: Whether the guest boots from its rescue disk.
      returned: O(gather) has V(definition)
      type: bool
    delete_protection:
      description: Whether M(kvmfleet.compute.vm_instance) refuses to remove the guest.
      returned: O(gather) has V(definition)
      type: bool
    statistics:
      description:
        - What the guest used since its start, as libvirt counts it. Times are nanoseconds, sizes are bytes.
        - A value that libvirt does not tell is missing, as most are while the guest is off or busy with a job.
      returned: O(gather) has V(statistics)
      type: dict
      contains:
        cpu:
          description: The processor time of the whole guest, C(time), and of it C(user) and C(system).
          returned: success
          type: dict
        memory:
          description:
            - The memory balloon, such as C(current), C(maximum), C(available), C(unused), and C(rss) of the QEMU
              process.
          returned: success
          type: dict
        vcpus:
          description: Each virtual CPU with C(number), C(state) and C(time).
          returned: success
          type: list
          elements: dict
        interfaces:
          description:
            - Each interface with C(name), C(rx_bytes), C(rx_pkts), C(rx_errs), C(rx_drop), and the same with C(tx).
          returned: success
          type: list
          elements: dict
        disks:
          description:
            - Each disk with C(name), C(path), C(rd_reqs), C(rd_bytes), C(rd_times), the same with C(wr), C(fl_reqs),
              C(fl_times), C(capacity), C(allocation) and C(physical).
          returned: success
          type: list
          elements: dict
    guest:
      description: What the agent tells of the system inside the guest; null where no agent is connected.
      returned: O(gather) has V(agent)
      type: dict
      contains:
        error:
          description: Why the agent could not be asked, null if it answered.
          returned: success
          type: str
        hostname:
          description: The host name.
          returned: success
          type: str
        os:
          description:
            - The operating system, such as C(id), C(name), C(pretty_name), C(version_id) and C(kernel_release).
          returned: success
          type: dict
        timezone:
          description: The time zone, C(name) and C(offset) in seconds.
          returned: success
          type: dict
        users:
          description: The users that are logged in, each with C(name) and C(login_time) in milliseconds since 1970.
          returned: success
          type: list
          elements: dict
        filesystems:
          description:
            - The mounted file systems, each with C(name), C(mountpoint), C(fstype), C(total_bytes), C(used_bytes) and
              C(disks).
          returned: success
          type: list
          elements: dict
        interfaces:
          description: All network interfaces inside the guest, each with C(name), C(mac) and C(addresses).
          returned: success
          type: list
          elements: dict
    xml:
      description: The definitions that O(xml) names, passwords redacted; V(live) is null while the guest is off.
      returned: O(xml) is not empty
      type: dict
"""

from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import info
from ansible_collections.kvmfleet.compute.plugins.module_utils._runner import run_info


def main():
    run_info(info.OPTIONS, info.parse, info.query)


if __name__ == "__main__":
    main()
