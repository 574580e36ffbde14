#!/usr/bin/python
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_instance
short_description: Launch, change, stop and remove a guest
description:
  - Brings one guest of a libvirt host to the state and the definition that the task says, and only so far as the task
    says it.
    An option that is not given leaves alone what the guest has, and what other tools put into its definition stays.
  - A launch that fails removes the volumes that it made and leaves the definition, so that the same task launches the
    guest when
    the cause is gone. A run that is killed is completed by running it again.
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
      - Shows the definition for the next boot before and after, passwords redacted.
      - A new guest's UUID and MAC addresses, unless given, are made by libvirt and are not in the diff.
  platform:
    support: full
options:
  name:
    description:
      - The guest's name. A guest that exists can have any name that libvirt allows, such as V(Windows 10).
      - A new guest's name has letters, digits and the characters C(._+:@-), begins with a letter or digit, and has 200 characters at most.
    type: str
    required: true
  uuid:
    description:
      - The guest's UUID. A new guest gets one from libvirt when none is given.
      - When a guest of this O(name) has another UUID, or the UUID belongs to another guest, the task fails.
    type: str
  state:
    description:
      - V(running), launched or started, resumed, restored or woken as it takes.
      - V(stopped), shut down as O(shutdown) says. A guest whose memory was saved is restored first, so that it can shut
        down.
      - V(restarted), shut down and started again, always; a guest that is stopped is started.
      - V(paused), its processors halted, its memory kept in place.
      - V(suspended), its memory saved to disk and the guest off. It must have a memory to save, so be running, paused
        or sleeping.
      - V(rescued), running from a rescue disk that is put behind its own disks, see O(rescue). Every other state but
        V(present) brings it back to its own system first.
      - V(present), defined, in whatever power state it is.
      - V(absent), powered off and removed, with its saved state, its NVRAM, and the storage that O(remove_storage)
        says.
    type: str
    choices: [running, stopped, restarted, paused, suspended, rescued, present, absent]
    default: running
  adopt:
    description:
      - Whether to take a guest that another tool made under management, as if it had been launched by this module.
      - It is recorded in the guest's metadata, of its definition and of the running guest, which is not restarted. It keeps
        what it has, and its disks stay somebody else's, so O(remove_storage=owned) does not delete them.
      - A guest that is not managed can be changed all the same. What only managed guests have is C(managed) of
        M(kvmfleet.compute.vm_instance_info), and O(kvmfleet.compute.vm_instances#module:purge). To give it O(tags),
        O(metadata), O(delete_protection) or a new volume adopts it as well, since these are recorded in the same place.
    type: bool
    default: false
  flavor:
    description:
      - The guest's size by the name of a flavor, or inline as a mapping of C(memory), C(vcpus) and C(root_disk).
      - The classic names are V(m1.tiny) (512 MiB, 1 CPU, 1 GiB), V(m1.small) (2 GiB, 1 CPU, 20 GiB), V(m1.medium) (4
        GiB, 2 CPUs,
        40 GiB), V(m1.large) (8 GiB, 4 CPUs, 80 GiB) and V(m1.xlarge) (16 GiB, 8 CPUs, 160 GiB).
      - The options O(memory), O(vcpus) and O(root_disk) go before the flavor.
    type: raw
  flavors:
    description:
      - Flavors of your own, a mapping of names to sizes as in O(flavor); they go before the classic ones of the same
        name.
    type: dict
  memory:
    description:
      - The guest's memory with a unit, such as V(2GiB).
    type: str
  max_memory:
    description:
      - How far O(memory) can grow while the guest runs. The guest boots with this much and its memory balloon takes the
        rest away, so the host must have it to spare.
      - Equal to O(memory) in a new guest, and kept as long as O(memory) fits, unless given.
    type: str
  vcpus:
    description:
      - How many virtual CPUs the guest has, a whole number.
      - A new guest has one, unless this or O(flavor) is given.
      - Another number than a guest has takes the place of a list of single CPUs in its definition (C(vcpus/vcpu)).
    type: str
  max_vcpus:
    description:
      - How far O(vcpus) can grow while the guest runs.
      - Equal to O(vcpus) in a new guest, and kept as long as O(vcpus) fits, unless given.
    type: str
  cpu:
    description:
      - The processor that the guest sees. A new guest under KVM gets V(host-model).
    type: dict
    suboptions:
      mode:
        description:
          - How the processor is chosen.
        type: str
        choices: [host-model, host-passthrough, maximum, custom]
      model:
        description:
          - The model's name, with O(cpu.mode=custom).
        type: str
      sockets:
        description:
          - Sockets of the topology; sockets times cores times threads is the number of virtual CPUs.
          - V(0) removes the topology.
        type: int
      cores:
        description:
          - Cores of each socket.
        type: int
      threads:
        description:
          - Threads of each core.
        type: int
  huge_pages:
    description:
      - Huge pages of the host as the guest's memory. The host must have set them aside.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether the guest's memory is made of them. V(true) when another option of O(huge_pages) is given.
        type: bool
      size:
        description:
          - The size of a page, such as V(2MiB). The host's usual one unless given.
        type: str
      nodes:
        description:
          - The NUMA cells of the guest that have them, such as V(0-1). All unless given; an empty text means all.
        type: str
  memory_backing:
    description:
      - What the guest's memory is made of on its host.
    type: dict
    suboptions:
      source:
        description:
          - Memory of nobody, a file in a directory of libvirt, or memory that is shared without one. V(memfd) when
            O(memory_backing.access=shared) is given and neither a source nor huge pages are there.
        type: str
        choices: [anonymous, file, memfd]
      access:
        description:
          - Whether other processes of the host can share it, which those behind O(filesystems) must. V(shared) when
            O(filesystems) lists any.
        type: str
        choices: [private, shared]
      locked:
        description:
          - Whether it stays in RAM, never in the host's swap.
        type: bool
  iothreads:
    description:
      - How many threads the hypervisor has for the work of disks alone. A disk uses the one that its O(disks[].iothread)
        names.
    type: int
  cpu_pinning:
    description:
      - The CPUs of the host that the guest's threads may run on, as sets such as V(2-5,8).
    type: dict
    suboptions:
      vcpus:
        description:
          - The virtual CPUs that have a set of their own, all of them; an empty list pins none.
        type: list
        elements: dict
        suboptions:
          vcpu:
            description:
              - The number of the virtual CPU, beginning with 0.
            type: int
            required: true
          cpus:
            description:
              - The CPUs of the host.
            type: str
            required: true
      emulator:
        description:
          - The CPUs of the host for the hypervisor's own threads. An empty text means all.
        type: str
      iothreads:
        description:
          - The I/O threads that have a set of their own, all of them; an empty list pins none.
        type: list
        elements: dict
        suboptions:
          iothread:
            description:
              - The number of the I/O thread, beginning with 1.
            type: int
            required: true
          cpus:
            description:
              - The CPUs of the host.
            type: str
            required: true
  cpu_limits:
    description:
      - How much of its host's CPU time the guest gets. The host needs the CPU controller of cgroups for it.
    type: dict
    suboptions:
      shares:
        description:
          - The weight against other guests when CPU time is short. V(0) means the usual one.
        type: int
      period:
        description:
          - The time over which O(cpu_limits.quota) counts, V(1ms) to V(1s). V(0) means the usual 100 ms.
        type: str
      quota:
        description:
          - The CPU time that each virtual CPU may use in a period, such as V(50ms). V(0) means no limit.
        type: str
  numa:
    description:
      - The NUMA topology that the guest sees, and the nodes of its host that its memory comes from.
    type: dict
    suboptions:
      cells:
        description:
          - The guest's NUMA cells, all of them; an empty list removes them. Together they have all virtual CPUs (up to
            O(max_vcpus)) and all memory (O(max_memory)) of the guest.
        type: list
        elements: dict
        suboptions:
          cpus:
            description:
              - The virtual CPUs of the cell, such as V(0-1).
            type: str
            required: true
          memory:
            description:
              - The memory of the cell, such as V(1GiB).
            type: str
            required: true
          nodeset:
            description:
              - The NUMA nodes of the host that the memory of the cell comes from. Those of O(numa.nodeset) unless given.
            type: str
      mode:
        description:
          - How strictly the memory comes from O(numa.nodeset), which it needs. V(strict) unless given.
        type: str
        choices: [strict, preferred, interleave, restrictive]
      nodeset:
        description:
          - The NUMA nodes of the host that the guest's memory comes from, such as V(0-1). An empty text means any.
        type: str
  virt_type:
    description:
      - How a new guest is run. V(auto) takes KVM where the processor really has hardware virtualisation, and emulation
        elsewhere.
    type: str
    choices: [auto, kvm, qemu]
    default: auto
  arch:
    description:
      - The architecture of a new guest, such as V(x86_64). The host's own unless given.
    type: str
  machine:
    description:
      - The machine type. V(q35), V(pc) and V(virt) mean the newest of their kind at launch; the version is kept
        afterwards.
      - A new x86 guest is V(q35).
    type: str
  firmware:
    description:
      - The firmware that the guest boots with. A new guest has its machine type's own, which is BIOS on x86.
      - libvirt chooses the build of UEFI, and makes the file with its variables (NVRAM), which belongs to the guest. No
        change makes it anew; it goes with the guest. A build that was chosen by its path stays.
    type: str
    choices: [bios, uefi]
  secure_boot:
    description:
      - Whether UEFI boots only what is signed by the keys that it comes with. V(true) needs O(firmware=uefi) and, on x86,
        the machine type q35. A new UEFI guest has it off unless it is asked for.
      - It is chosen when a guest is made or becomes a UEFI guest. The keys are in the NVRAM, which is kept, so another
        value is refused later.
    type: bool
  boot:
    description:
      - The kinds of device to boot from, in their order. To name single devices, give them C(boot_order) instead. Each
        way takes the place of the other.
    type: list
    elements: str
    choices: [hd, cdrom, network, fd]
  boot_menu:
    description:
      - Whether the firmware offers a menu of the devices to boot from.
    type: bool
  direct_boot:
    description:
      - A kernel of the host that the guest boots instead of its own.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether the guest boots a kernel of the host. V(true) when another option of O(direct_boot) is given.
        type: bool
      kernel:
        description:
          - The path of the kernel on the host.
        type: path
      initrd:
        description:
          - The path of the initial RAM disk on the host. An empty one removes it.
        type: path
      cmdline:
        description:
          - The kernel's options. Empty ones remove it.
        type: str
  tpm:
    description:
      - A TPM, emulated by swtpm on the host (the role C(kvmfleet.compute.compute) installs it with the feature C(tpm)). Its
        state is kept on the host for the life of the guest.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether the guest has it. V(true) when another option of O(tpm) is given.
        type: bool
      model:
        description:
          - The device model. A new TPM 2.0 of an x86 guest is V(tpm-crb).
        type: str
        choices: [tpm-crb, tpm-tis, tpm-spapr]
      version:
        description:
          - The version of TPM. V(2.0) for a new one. A change begins with an empty TPM of that version.
        type: str
        choices: ['1.2', '2.0']
      persistent_state:
        description:
          - Whether the state outlives a guest that is transient, one that libvirt forgets when it ends.
        type: bool
  launch_security:
    description:
      - Memory that the host can't read, on hosts whose processors have it. libvirt refuses it elsewhere.
      - This is tested against libvirt's schema alone, not on such hardware.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether the guest has it. V(true) when another option of O(launch_security) is given.
        type: bool
      type:
        description:
          - The technique. V(sev-snp) needs libvirt 10.5 or newer. Another one begins without the options of the former.
        type: str
        choices: [sev, sev-snp, s390-pv]
      policy:
        description:
          - The policy of the guest for V(sev) and V(sev-snp), which need it, as a number such as V(0x3).
        type: str
      cbitpos:
        description:
          - The place of the bit that marks encrypted memory. libvirt takes the host's unless given.
        type: int
      reduced_phys_bits:
        description:
          - How many bits of physical addresses encryption takes. libvirt takes the host's unless given.
        type: int
      kernel_hashes:
        description:
          - Whether the kernel of O(direct_boot) is a part of what is measured.
        type: bool
      dh_cert:
        description:
          - For V(sev), the guest owner's Diffie-Hellman key, in base64. An empty one removes it.
        type: str
      session:
        description:
          - For V(sev), the guest owner's session blob, in base64. An empty one removes it.
        type: str
      guest_visible_workarounds:
        description:
          - For V(sev-snp), hypervisor-defined workarounds, 16 bytes in base64. An empty one removes it.
        type: str
      id_block:
        description:
          - For V(sev-snp), the ID block, 96 bytes in base64. An empty one removes it.
        type: str
      id_auth:
        description:
          - For V(sev-snp), the ID authentication structure, 4096 bytes in base64. An empty one removes it.
        type: str
      host_data:
        description:
          - For V(sev-snp), data that the attestation report repeats, 32 bytes in base64. An empty one removes it.
        type: str
      author_key:
        description:
          - For V(sev-snp), whether O(launch_security.id_auth) has an author key.
        type: bool
      vcek:
        description:
          - For V(sev-snp), whether the guest may get reports that are signed by the processor's own key. It may unless
            given.
        type: bool
  smbios:
    description:
      - What the guest reads in its SMBIOS tables. An empty text removes an entry.
    type: dict
    suboptions:
      mode:
        description:
          - Whether the tables are the hypervisor's own, copied from the host, or as given here. V(sysinfo) when another
            option of O(smbios) is given.
        type: str
        choices: [emulate, host, sysinfo]
      bios:
        description:
          - The firmware.
        type: dict
        suboptions:
          vendor: {description: [Its vendor.], type: str}
          version: {description: [Its version.], type: str}
          date: {description: ['Its date, such as V(12/31/2026).'], type: str}
          release: {description: ['Its release, such as V(1.2).'], type: str}
      system:
        description:
          - The computer. Its UUID is the guest's own.
        type: dict
        suboptions:
          manufacturer: {description: [Its manufacturer.], type: str}
          product: {description: [Its name.], type: str}
          version: {description: [Its version.], type: str}
          serial: {description: [Its serial number.], type: str}
          sku: {description: [The number it is sold by.], type: str}
          family: {description: [The family of products.], type: str}
      baseboard:
        description:
          - The main board.
        type: dict
        suboptions:
          manufacturer: {description: [Its manufacturer.], type: str}
          product: {description: [Its name.], type: str}
          version: {description: [Its version.], type: str}
          serial: {description: [Its serial number.], type: str}
          asset: {description: [Its asset tag.], type: str}
          location: {description: [Its place in the chassis.], type: str}
      chassis:
        description:
          - The chassis.
        type: dict
        suboptions:
          manufacturer: {description: [Its manufacturer.], type: str}
          version: {description: [Its version.], type: str}
          serial: {description: [Its serial number.], type: str}
          asset: {description: [Its asset tag.], type: str}
          sku: {description: [The number it is sold by.], type: str}
      oem_strings:
        description:
          - Free texts, all of them.
        type: list
        elements: str
  clock:
    description:
      - The clock that the guest finds at its boot, and its timers.
    type: dict
    suboptions:
      offset:
        description:
          - What the clock shows. V(timezone) when O(clock.timezone) is given.
        type: str
        choices: [utc, localtime, timezone]
      timezone:
        description:
          - The time zone, such as V(Europe/Paris).
        type: str
      timers:
        description:
          - The timers to change, by their names; the others stay.
        type: list
        elements: dict
        suboptions:
          name:
            description:
              - The timer.
            type: str
            required: true
            choices: [rtc, pit, hpet, tsc, kvmclock, hypervclock, platform, armvtimer]
          present:
            description:
              - Whether the guest has it.
            type: bool
          tickpolicy:
            description:
              - What happens to ticks that the guest missed.
            type: str
            choices: [delay, catchup, merge, discard]
          track:
            description:
              - What the timer follows.
            type: str
            choices: [boot, guest, wall, realtime]
          frequency:
            description:
              - The frequency in Hz.
            type: int
          mode:
            description:
              - How the timer is made, for V(tsc).
            type: str
            choices: [auto, native, emulate, paravirt, smpsafe]
  hyperv:
    description:
      - What the hypervisor offers a Windows guest that takes it for Hyper-V, on x86.
    type: dict
    suboptions:
      mode:
        description:
          - V(passthrough) offers all that the host can; V(custom), which is taken unless given, what is listed.
        type: str
        choices: [custom, passthrough]
      enlightenments:
        description:
          - The enlightenments that are on, all of them; those that are not listed are as the hypervisor has them.
          - V(synic), V(tlbflush) and V(ipi) need V(vpindex), V(stimer) needs V(synic).
        type: list
        elements: str
        choices:
          - relaxed
          - vapic
          - vpindex
          - runtime
          - synic
          - stimer
          - reset
          - frequencies
          - reenlightenment
          - tlbflush
          - ipi
          - evmcs
          - avic
          - emsr_bitmap
          - xmm_input
      spinlocks:
        description:
          - How often the guest tries a spinlock before it tells the hypervisor, 4095 or more; 0 for never.
        type: int
      vendor_id:
        description:
          - What the guest reads as the hypervisor's vendor, 12 characters at most. An empty one removes it.
        type: str
  title:
    description:
      - A short title. An empty one removes it.
    type: str
  description:
    description:
      - A description. An empty one removes it.
    type: str
  image:
    description:
      - The image that a new guest's root disk V(vda) is made from, by its name in the image store (see
        M(kvmfleet.compute.vm_image)).
      - It is put before O(disks). An existing guest keeps the disk it has; naming another image than it was made from
        fails.
    type: str
  image_pool:
    description:
      - The storage pool that is the image store.
    type: str
    default: images
  root_disk:
    description:
      - The size of the root disk, such as V(10GiB); the image's own size, or the flavor's, unless given. It can grow,
        never shrink.
      - Without O(image) it makes an empty root disk.
      - The root disk of a guest that exists is the one that was made for it, else its first disk.
    type: str
  pool:
    description:
      - The storage pool in which the guest's volumes are made, unless a disk names its own.
    type: str
    default: default
  disks:
    description:
      - The guest's disks. An item names a disk by its O(disks[].target), else by its O(disks[].serial), else by its
        O(disks[].source) or O(disks[].volume).
      - An item that names no disk means the disk that this module made for its place in the list. An empty CD-ROM drive without
        a name means a drive that is already as the item says. Any other item is a new disk. A disk that is already there is never
        taken over.
      - The bus, format and serial of a disk change only where O(disks[].target) is given, and so does the medium of a CD-ROM drive.
      - A new disk is made from an image, made empty with a size, or taken as it is from a volume or a source.
        A disk that the guest has keeps its data whatever is given; it only grows.
      - Disks that are not listed stay, unless O(purge) has V(disks).
    type: list
    elements: dict
    suboptions:
      target:
        description:
          - The device name, such as V(vda). The next free one of the disk's bus unless given.
        type: str
      device:
        description:
          - The kind of device. A V(cdrom) without volume and source is an empty drive. It is not changed once the guest has the
            disk.
        type: str
        choices: [disk, cdrom]
      bus:
        description:
          - The bus. A new disk is V(virtio), a new CD-ROM drive V(sata) or V(ide) by the machine type.
          - With V(scsi), a guest without a SCSI controller gets one, of the model C(virtio-scsi).
          - A disk or drive on V(sata) or V(ide) comes and goes at the guest's next boot only.
        type: str
        choices: [virtio, scsi, sata, ide, usb]
      image:
        description:
          - The image in the image store that a new disk is made from.
        type: str
      image_mode:
        description:
          - V(overlay) makes a qcow2 file that holds the differences from the image; V(copy) copies the image whole.
          - V(overlay) unless given.
        type: str
        choices: [overlay, copy]
      size:
        description:
          - The size, such as V(20GiB). A larger one than the disk has grows it, also while the guest runs.
          - A disk does not grow while it is the base of an overlay, or another guest writes to it and it is not
            O(disks[].shareable). Nor does an image of the image store.
        type: str
      pool:
        description:
          - The storage pool of this disk's volume. O(pool) unless given.
        type: str
      volume:
        description:
          - An existing volume of the pool, used as it is and not removed with the guest's own storage.
        type: str
      source:
        description:
          - An existing file or block device of the host, used as it is and not removed with the guest's own storage.
          - An empty text V("") ejects the medium of a CD-ROM drive, at once from a guest that runs. Give O(disks[].target), too.
        type: path
      format:
        description:
          - The format. A new volume is qcow2 (raw in a pool of block devices). A file is never probed, as its guest
            could make it look
            like another format - it is V(qcow2) when its name ends so, V(raw) otherwise.
        type: str
        choices: [qcow2, raw]
      serial:
        description:
          - The serial number that the guest sees. Disks that are plugged into a running guest are named there as it finds
            them, whatever their O(disks[].target) is; C(/dev/disk/by-id/virtio-SERIAL) names the one that is meant.
        type: str
      cache:
        description:
          - The cache mode. V(default) leaves it to QEMU.
        type: str
        choices: [default, none, writeback, writethrough, directsync, unsafe]
      io:
        description:
          - The I/O mode. V(default) leaves it to QEMU.
        type: str
        choices: [default, native, threads, io_uring]
      discard:
        description:
          - Whether the guest's discards reach the storage. V(default) leaves it to QEMU.
        type: str
        choices: [default, unmap, ignore]
      iothread:
        description:
          - The number of the I/O thread that does the disk's work, beginning with 1; see O(iothreads). V(0) is for none.
        type: int
      readonly:
        description:
          - Whether the guest may only read.
          - The base of an overlay, and an image of the image store, can only be a disk with V(true).
        type: bool
      shareable:
        description:
          - Whether other guests may use the disk at the same time.
        type: bool
      boot_order:
        description:
          - The place in the order of devices to boot from, beginning with 1. V(0) is for none.
        type: int
      state:
        description:
          - Whether the guest is to have the disk. V(absent) takes it away, at once from a guest that runs; its volume is kept.
        type: str
        choices: [present, absent]
        default: present
  interfaces:
    description:
      - The guest's network interfaces. An item names an interface by its O(interfaces[].mac) or O(interfaces[].alias).
      - An item that names no interface means one that is already as the item says, else one that this module made for it. Any
        other item is a new interface. An interface of another tool is never changed without being named.
      - Interfaces that are not listed stay, unless O(purge) has V(interfaces).
    type: list
    elements: dict
    suboptions:
      network:
        description:
          - The libvirt network that it is on. Either this or O(interfaces[].bridge) is needed.
        type: str
      bridge:
        description:
          - The host's bridge that it is on.
        type: str
      mac:
        description:
          - The MAC address. A new interface gets a random one and keeps it.
          - An address that a running guest of the host has is refused; that of a guest that is off is warned of.
        type: str
      alias:
        description:
          - A name of your own for the interface, which must begin with C(ua-).
        type: str
      model:
        description:
          - The device model. A new interface is V(virtio).
        type: str
      mtu:
        description:
          - The MTU in bytes. V(0) leaves it to the network.
        type: int
      boot_order:
        description:
          - The place in the order of devices to boot from, beginning with 1. V(0) is for none.
        type: int
      state:
        description:
          - Whether the guest is to have the interface. V(absent) takes it away, at once from a guest that runs; it is named
            by O(interfaces[].mac) or O(interfaces[].alias).
        type: str
        choices: [present, absent]
        default: present
  filesystems:
    description:
      - Directories of the host that the guest mounts by virtiofs (C(mount -t virtiofs TARGET DIRECTORY)), found again by
        their O(filesystems[].target). The role C(kvmfleet.compute.compute) installs what the host needs.
      - They need memory that is shared, see O(memory_backing), which is given with them. A guest that runs without it
        gets them at its next boot.
      - File systems that are not listed stay, unless O(purge) has V(filesystems).
      - A directory that the guest has by 9p is changed and removed by its tag as others are, and stays one by 9p.
    type: list
    elements: dict
    suboptions:
      target:
        description:
          - The tag by which the guest mounts it.
        type: str
      source:
        description:
          - The directory of the host.
        type: path
      readonly:
        description:
          - Whether the guest may only read. This needs libvirt 11.0 or newer.
        type: bool
      state:
        description:
          - Whether the guest is to have it. V(absent) takes it away, at once from a guest that runs.
        type: str
        choices: [present, absent]
        default: present
  host_devices:
    description:
      - Devices of the host that the guest has to itself, found again by their address.
      - Those that are not listed stay, unless O(purge) has V(host_devices).
      - A PCI or USB device that the host uses is refused. That is a network card that has an address or is in a bridge, and a disk that
        is mounted, swapped to, or part of a volume.
      - This is tested against libvirt's own checks alone, not on such hardware.
    type: list
    elements: dict
    suboptions:
      pci:
        description:
          - The address of a PCI device, such as V(0000:01:00.0). One of this, O(host_devices[].usb) and
            O(host_devices[].mdev) is needed.
        type: str
      usb:
        description:
          - A USB device by vendor and product, such as V(046d:c52b), or by the numbers of bus and device, such as V(1/4).
        type: str
      mdev:
        description:
          - The UUID of a mediated device, such as a virtual GPU.
        type: str
      managed:
        description:
          - Whether libvirt takes a PCI device from its host's driver when the guest starts and gives it back afterwards.
            A new one is.
        type: bool
      state:
        description:
          - Whether the guest is to have it. V(absent) takes it away, at once from a guest that runs.
        type: str
        choices: [present, absent]
        default: present
  inputs:
    description:
      - What a person at the console points and types with, besides the mouse and the keyboard that x86 machines have.
      - Those that are not listed stay, unless O(purge) has V(inputs).
    type: list
    elements: dict
    suboptions:
      type:
        description:
          - The kind of device. A V(tablet) keeps the pointers of console and guest together.
        type: str
        required: true
        choices: [tablet, mouse, keyboard]
      bus:
        description:
          - The bus that it is on.
        type: str
        choices: [usb, virtio]
        default: usb
      state:
        description:
          - Whether the guest is to have it. V(absent) takes it away, at once from a guest that runs.
        type: str
        choices: [present, absent]
        default: present
  serial_console:
    description:
      - The serial console, interactive (C(virsh console)) and recorded at the same time. A new guest has one.
      - Of several serial ports it is the first.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether the guest has it. V(false) is refused for a guest with several serial ports.
        type: bool
      log_file:
        description:
          - The file on the host that its output is recorded in, begun anew with each boot.
          - A file that is there already, or that is the log of another guest, is refused, since libvirt would empty it. The guest's
            own log, and an empty file, are allowed.
          - For a new guest of C(qemu:///system) it is C(/var/log/libvirt/qemu/NAME-serial0.log).
          - V("") is for no file.
        type: path
  vnc:
    description:
      - The VNC console. A new guest has one that only its host can reach.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether the guest has it. V(true) when another option of O(vnc) is given.
        type: bool
      listen:
        description:
          - The address of the host that it listens on. V(127.0.0.1) for a new console.
        type: str
      port:
        description:
          - The port, or V(auto) for a free one at each start.
        type: str
      password:
        description:
          - The password, 8 characters at most (VNC knows no longer ones).
        type: str
  video:
    description:
      - The video device. A new guest has a V(vga), or a V(virtio) where there is none.
      - Of several, it is the primary one, else the first. The others stay.
    type: dict
    suboptions:
      model:
        description:
          - The device model. Another one begins with its own values for the other options.
        type: str
        choices: [vga, virtio, qxl, bochs, cirrus, ramfb, none]
      vram:
        description:
          - The size of the video memory, a power of two of MiB, of the models V(vga), V(qxl) and V(bochs).
        type: str
      heads:
        description:
          - How many screens the models V(virtio) and V(qxl) have.
        type: int
  sound:
    description:
      - The sound device.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether the guest has it. V(true) when another option of O(sound) is given.
        type: bool
      model:
        description:
          - The device model. A new one is V(ich9). V(virtio) needs libvirt 10.4 or newer.
        type: str
        choices: [ich9, ich6, ac97, es1370, sb16, pcspk, usb, virtio]
  watchdog:
    description:
      - The watchdog, which acts when the guest's system does not speak to it in time. The one that newer versions of
        libvirt show in each q35 machine (C(itco)) is left alone, except for its action.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether the guest has it. V(true) when another option of O(watchdog) is given.
        type: bool
      model:
        description:
          - The device model. A new one is V(i6300esb), or V(diag288) on s390x. V(ib700) is for the machine type V(pc).
        type: str
        choices: [i6300esb, ib700, diag288]
      action:
        description:
          - What happens to the guest. V(reset) for a new one. A guest has one action for all its watchdogs.
        type: str
        choices: [reset, shutdown, poweroff, pause, none, dump, inject-nmi]
  panic:
    description:
      - The device by which the guest's system tells that it has crashed.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether the guest has it. V(true) when another option of O(panic) is given.
        type: bool
      model:
        description:
          - The device model. A new one is what the architecture has, V(isa) on x86. V(pvpanic), for machines with PCI,
            needs libvirt 9.1 or newer.
        type: str
        choices: [isa, hyperv, pseries, s390, pvpanic]
  memory_balloon:
    description:
      - The memory balloon, by which the guest gives memory back. A new guest has one.
    type: dict
    suboptions:
      model:
        description:
          - Whether there is one. When another option of O(memory_balloon) is given, a guest without a balloon gets a V(virtio) one.
        type: str
        choices: [virtio, none]
      free_page_reporting:
        description:
          - Whether the guest tells which of its pages are free, so that the host can use them.
        type: bool
      deflate_on_oom:
        description:
          - Whether the guest takes memory back by itself before it kills processes for the lack of it.
        type: bool
      stats_period:
        description:
          - How often the guest reports how it uses its memory, such as V(5s). V(0) means never.
        type: str
  vsock:
    description:
      - The virtual socket, by which programs of guest and host talk without a network. The host needs the kernel module
        C(vhost_vsock).
    type: dict
    suboptions:
      enabled:
        description:
          - Whether the guest has it. V(true) when another option of O(vsock) is given.
        type: bool
      cid:
        description:
          - The guest's address, a number of 3 or more, or V(auto) for a free one at each start. V(auto) for a new one.
        type: str
  agent:
    description:
      - Whether the guest has the channel of the QEMU guest agent. A new guest has it.
    type: bool
  pci_root_ports:
    description:
      - How many PCIe root ports the guest has at least, between 0 and 128. On machines with PCI Express each device that is
        plugged in while the guest runs takes a free one.
      - A new guest of the machine type V(q35) gets 16 unless given, of which its first devices take about six.
    type: int
  rng:
    description:
      - Whether the guest has a random number generator. A new guest has one.
    type: bool
  autostart:
    description:
      - Whether the guest is started with its host.
    type: bool
  tags:
    description:
      - The guest's tags, all of them.
    type: list
    elements: str
  metadata:
    description:
      - Free keys and values that are kept with the guest, all of them.
    type: dict
  delete_protection:
    description:
      - Whether O(state=absent) is refused. To remove a protected guest, give V(false) together with O(state=absent).
    type: bool
  xml_patch:
    description:
      - Changes of the definition for what has no option, applied after all options, in their order. Each changes nothing when its
        meaning is there already. What has the same meaning is libvirt's to tell, such as a MAC address in capitals or a number in
        hexadecimal. Through a O(uri) of another host the texts are compared.
    type: list
    elements: dict
    suboptions:
      xpath:
        description:
          - The place below C(<domain>), such as C(devices/memballoon/@model). The prefix C(qemu) is known.
        type: str
        required: true
      set:
        description:
          - The text of the elements, or the value of the attributes, that are selected. A plain path that is missing is
            made.
        type: str
      add:
        description:
          - An element, as XML, to be added to the one element that is selected, unless it has one that contains all of
            it. A plain path that is missing is made.
        type: str
      remove:
        description:
          - Whether to remove what is selected.
        type: bool
  apply:
    description:
      - What happens to changes of a guest that runs. Unless given, what libvirt can change while it runs is changed at
        once (devices, CPUs and memory up to their maximum, growing disks, tags), and RV(restart_required) names the rest.
      - V(live) refuses the whole task when a change would need a restart.
      - V(restart) restarts the guest, as O(restart) says, when a change needs it.
      - V(next_boot) leaves alone the guest that runs and changes its definition for the next boot.
    type: str
    choices: [live, restart, next_boot]
  unplug_timeout:
    description:
      - How long a guest has to release a device that is taken away from it. It is asked again every ten seconds.
      - When it does not, the task fails and the guest keeps the device.
    type: str
    default: 60s
  purge:
    description:
      - The kinds of device of which only those listed are to stay. Volumes are never deleted by it.
    type: list
    elements: str
    choices: [disks, filesystems, host_devices, inputs, interfaces]
  restart:
    description:
      - How O(state=restarted) and O(apply=restart) restart. V(soft) shuts down as O(shutdown) says and starts; V(hard) cuts the power and
        starts.
        Both apply what was pending for the next boot.
    type: str
    choices: [soft, hard]
    default: soft
  shutdown:
    description:
      - How a guest is shut down.
    type: dict
    suboptions:
      method:
        description:
          - Whether the guest is asked through its agent, by the ACPI power button, by whichever of them libvirt finds,
            or not at all.
            V(force) cuts the power.
        type: str
        choices: [auto, agent, acpi, force]
        default: auto
      timeout:
        description:
          - How long the guest may take, such as V(90s).
        type: str
        default: 120s
      retry_interval:
        description:
          - How often the request is sent again, since a guest that still boots misses it.
        type: str
        default: 10s
      on_timeout:
        description:
          - What to do with a guest that did not shut down in time - cut its power, or fail and leave it running.
        type: str
        choices: [force, fail]
        default: force
  discard_saved_state:
    description:
      - Whether to drop the saved memory of a suspended guest, like cutting its power, instead of restoring it.
    type: bool
    default: false
  rescue:
    description:
      - The system that a guest with O(state=rescued) boots. Its disk is an overlay on an image in O(pool), appended to the
        guest's own disks, which stay in their order; it is deleted when the guest is brought back.
      - The guest must be managed, since its metadata keeps how it boots by itself.
    type: dict
    suboptions:
      image:
        description:
          - The image of the rescue system. The guest's own image unless given.
        type: str
      root_password:
        description:
          - A password for root in the rescue system, set by its guest agent.
        type: str
      authorized_keys:
        description:
          - SSH keys that let root into the rescue system, set by its guest agent.
        type: list
        elements: str
      timeout:
        description:
          - How long the guest agent of the rescue system has to answer.
        type: str
        default: 300s
  remove_storage:
    description:
      - What O(state=absent) deletes besides the guest. V(owned) is the volumes that this module made for it, V(all) is
        all volumes of its
        disks, V(none) is nothing.
      - Never deleted are CD-ROMs, shared and read-only disks, backing files, and what another guest or overlay needs;
        the task fails
        before anything is changed when a volume that is to be deleted is needed elsewhere.
      - A file that has taken the place of a volume since the volume was made is not deleted, either, and neither is what an interrupted
        task was to make and is not known to have made.
    type: str
    choices: [none, owned, all]
    default: owned
  config_drive:
    description:
      - What the guest's system is to be like after its first boot, as cloud-init or cloudbase-init reads it from a small read-only
        disk. The drive is made anew, and its medium changed, when its content changes, also while the guest runs; whether
        the system takes notice of that is said by O(config_drive.instance_id).
      - It is a volume of O(pool), a storage pool of files, that only root and the guest can read. It goes with the guest.
      - The host needs C(xorriso), for VFAT C(mkfs.vfat) and C(mcopy), which the role P(kvmfleet.compute.compute#role) installs.
      - With C(purge) of disks, a task that has no config drive takes it away.
    type: dict
    suboptions:
      label:
        description:
          - The layout and the label of the drive. V(config-2) is OpenStack's config drive, V(cidata) that of NoCloud.
        type: str
        choices: [config-2, cidata]
        default: config-2
      format:
        description:
          - The file system. V(iso9660) is a CD-ROM, whose medium can be changed while the guest runs; V(vfat) a disk, which
            is changed at its next boot.
        type: str
        choices: [iso9660, vfat]
        default: iso9660
      instance_id:
        description:
          - By another instance ID cloud-init knows that it is to do its work again, at the next boot. V(keep) has the guest's
            UUID, whatever changes; V(new_on_change) has another ID with each other content.
        type: str
        choices: [keep, new_on_change]
        default: keep
      hostname:
        description:
          - The host name, perhaps with its domain. Unless given, the guest's name, with V(-) for each character that a host name
            can't have, as V(_).
        type: str
      ssh_keys:
        description:
          - The ssh keys that may log in as the image's own user.
        type: list
        elements: str
        default: []
      users:
        description:
          - Users to make beside the image's own.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description:
              - The user's name.
            type: str
            required: true
          password_hash:
            description:
              - The password as a hash of C(crypt(3)). Without one no password opens the account.
            type: str
          ssh_keys:
            description:
              - The ssh keys that may log in.
            type: list
            elements: str
            default: []
          groups:
            description:
              - Further groups of the user.
            type: list
            elements: str
            default: []
          shell:
            description:
              - The login shell, an absolute path.
            type: str
          sudo:
            description:
              - Whether the user may do all by C(sudo), without a password.
            type: bool
            default: false
      admin_user:
        description:
          - The user whom O(config_drive.admin_password_hash) is for.
        type: str
        default: root
      admin_password_hash:
        description:
          - A password as a hash of C(crypt(3)), such as the filter P(ansible.builtin.password_hash#filter) makes it with a salt that
            stays. A password in clear is not put on a drive.
        type: str
      network:
        description:
          - The guest's interfaces, which are found by their MAC addresses. Without any, the image configures its network.
        type: list
        elements: dict
        default: []
        suboptions:
          mac:
            description:
              - The MAC address of the interface, as in O(interfaces).
            type: str
            required: true
          name:
            description:
              - The name that the interface gets in the guest.
            type: str
          mtu:
            description:
              - The largest packet in bytes.
            type: int
          dhcp4:
            description:
              - Whether to take an IPv4 address by DHCP.
            type: bool
            default: false
          dhcp6:
            description:
              - Whether to take an IPv6 address by DHCP.
            type: bool
            default: false
          addresses:
            description:
              - Static addresses with their prefixes, such as V(192.0.2.10/24).
            type: list
            elements: str
            default: []
          routes:
            description:
              - Static routes.
            type: list
            elements: dict
            default: []
            suboptions:
              to:
                description:
                  - The network, such as V(10.0.0.0/8), or V(default).
                type: str
                required: true
              via:
                description:
                  - The address of the router, in the network of one of the interface's own addresses. With
                    O(config_drive.label=cidata) it may be another one where an own address has the prefix V(/32) or V(/128).
                type: str
                required: true
              metric:
                description:
                  - The metric, 0 to 4294967294; of two routes to a network the one with the smaller counts.
                  - Default routes of two interfaces need different metrics. An interface has one default route of each IP version.
                type: int
          dns_servers:
            description:
              - The addresses of name servers.
            type: list
            elements: str
            default: []
          dns_search:
            description:
              - The domains that names without one are looked up in.
            type: list
            elements: str
            default: []
          vlans:
            description:
              - VLANs on the interface.
            type: list
            elements: dict
            default: []
            suboptions:
              id:
                description:
                  - The VLAN's number, 1 to 4094.
                type: int
                required: true
              mtu:
                description:
                  - The largest packet in bytes.
                type: int
              dhcp4:
                description:
                  - Whether to take an IPv4 address by DHCP.
                type: bool
                default: false
              dhcp6:
                description:
                  - Whether to take an IPv6 address by DHCP.
                type: bool
                default: false
              addresses:
                description:
                  - Static addresses with their prefixes, such as V(192.0.2.10/24).
                type: list
                elements: str
                default: []
              routes:
                description:
                  - Static routes.
                type: list
                elements: dict
                default: []
                suboptions:
                  to:
                    description:
                      - The network, such as V(10.0.0.0/8), or V(default).
                    type: str
                    required: true
                  via:
                    description:
                      - The address of the router, in the network of one of the interface's own addresses. With
                        O(config_drive.label=cidata) it may be another one where an own address has the prefix V(/32) or V(/128).
                    type: str
                    required: true
                  metric:
                    description:
                      - The metric, 0 to 4294967294; of two routes to a network the one with the smaller counts.
                      - Default routes of two interfaces need different metrics. An interface has one default route of each IP version.
                    type: int
              dns_servers:
                description:
                  - The addresses of name servers.
                type: list
                elements: str
                default: []
              dns_search:
                description:
                  - The domains that names without one are looked up in.
                type: list
                elements: str
                default: []
      write_files:
        description:
          - Files to write at the first boot.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description:
              - The absolute path in the guest, without V(..).
            type: str
            required: true
          content:
            description:
              - What is in the file.
              - One of O(config_drive.write_files[].content) and O(config_drive.write_files[].content_base64) is needed.
            type: str
          content_base64:
            description:
              - What is in the file, in Base64.
            type: str
          owner:
            description:
              - Its owner, or its owner and group with C(:) between them.
            type: str
            default: root:root
          mode:
            description:
              - Its mode as an octal number in quotes.
            type: str
            default: "0644"
      swap:
        description:
          - A disk of O(disks) to swap to. It is formatted unless something is on it.
        type: dict
        suboptions:
          serial:
            description:
              - The disk's C(serial).
            type: str
            required: true
      ephemeral:
        description:
          - Disks of O(disks) to format, unless something is on them, and to mount.
        type: list
        elements: dict
        default: []
        suboptions:
          serial:
            description:
              - The disk's C(serial).
            type: str
            required: true
          mount:
            description:
              - Where it is mounted, an absolute path without spaces and backslashes.
            type: str
            required: true
          filesystem:
            description:
              - The file system.
            type: str
            choices: [ext4, xfs]
            default: ext4
          label:
            description:
              - The file system's label, C(ephemeral) and the place in the list unless given.
            type: str
      user_data:
        description:
          - User data of any kind that cloud-init knows, as a text; a mapping becomes a cloud-config. 65535 bytes at most.
            What the other options ask for is joined with it.
          - A text begins with a header of cloud-init, such as C(#cloud-config) or C(#!/bin/sh). A byte order mark and the line ends of
            Windows are removed. JSON and scripts for cloudbase-init, such as C(#ps1), are passed on unchanged.
          - It is no secret, and may stand in the host's log of what was run; put hashes of passwords there.
        type: raw
      vendor_data:
        description:
          - The same as O(config_drive.user_data), for what the provider says; the user's counts more.
        type: raw
      metadata:
        description:
          - Pairs of names and values for the guest to read.
        type: dict
        default: {}
  clone_from:
    description:
      - Another guest of the host, of which a new guest is a clone. A guest that is there already is not cloned anew.
      - The clone has the definition of its source, overlaid with what the task says, and an identity of its own, so another
        UUID, MAC addresses, NVRAM (a copy), generation ID, vsock CID, ports of displays, and logs and sockets under its own
        name. It begins with an empty TPM. Tags, flavor and metadata are taken over, autostart and delete protection are not.
      - What the system in the guest knows of itself stays as it is on the disks, such as its machine ID, its SSH host keys and
        its host name. Make the clone with O(state=present), give it a host name and a machine ID by
        M(kvmfleet.compute.vm_inject), and start it; C(virt-sysprep) on its volumes resets all there is.
      - Disks that only the source writes to are copied, in the pool where they are; CD-ROMs, shared and read-only disks are the
        same. O(root_disk) and C(size) of O(disks) can make them larger.
    type: dict
    suboptions:
      name:
        description:
          - The name or the UUID of the guest to clone. It must be stopped.
        type: str
        required: true
      mode:
        description:
          - V(full) copies the disks. V(linked) bases those of the clone on them, which takes no time and little space.
          - A guest with linked clones can't be started, and its volumes can't be removed, until they are gone. It must be managed
            by this module, which refuses both; other tools do not know.
        type: str
        choices: [full, linked]
        default: full
  rebuild:
    description:
      - Whether to make the root disk anew of O(image), so that the guest boots a fresh system. All that was on the disk is
        lost. The guest keeps its UUID, MAC addresses, NVRAM, TPM, metadata and other disks.
      - With V(changed) when the disk is not based on what O(image) means now, since the task names another image or the image
        store has a newer version; with V(always) in each run; with V(never) another image is refused.
      - The disk must be a file that this module made for the guest. The new one is as large as O(root_disk) or O(flavor) say,
        else as the old one, and never smaller than the image.
      - It is made beside the old one. Then the guest is shut down as O(shutdown) says, whatever O(apply) is, and gets it. The
        old one is deleted once the guest has started; a failure before that brings it back.
    type: str
    choices: [never, changed, always]
    default: never
  resize:
    description:
      - Resizes the guest cold and with a way back. When C(vcpus), C(max_vcpus), C(memory), C(max_memory), the flavor or
        the root disk's size differ, the guest is shut down as O(shutdown) says and started with the new sizes, and what it
        had is kept until the resize is confirmed. Without this option sizes change as O(apply) says, and for good.
      - A root disk that grows stays as it is; the guest runs on a larger overlay of it in the same storage pool, which must be
        one of files. To confirm is to write the overlay into the disk while the guest runs. Disks are never shrunk.
      - While a resize is pending, other sizes and a rescue are refused.
    type: dict
    suboptions:
      action:
        description:
          - V(resize) begins a resize, or goes on with one that was interrupted. V(confirm) makes the new sizes the
            guest's only ones. V(revert) gives it the old ones and the old root disk back; what was written to that disk
            since the resize is lost, of which the task warns.
          - V(confirm) and V(revert) go with no other change. They change nothing when the last resize of the guest has ended so, and
            fail when there is no resize of the guest.
        type: str
        choices: [resize, confirm, revert]
        default: resize
      confirm:
        description:
          - With V(auto) the task watches the guest, confirms the resize when O(resize.check) is seen, and else reverts it and
            fails. With V(manual) the resize stays pending until a task has O(resize.action=confirm) or
            O(resize.action=revert).
        type: str
        choices: [auto, manual]
        default: auto
      check:
        description:
          - What shows that the guest is back; each that is given must be seen. The guest agent, unless anything is given.
        type: dict
        suboptions:
          agent:
            description:
              - The guest agent answers.
            type: bool
          address:
            description:
              - The guest has an address, as O(wait_for.address) finds it.
            type: bool
          cidr:
            description:
              - The guest has an address in this network.
            type: str
          console:
            description:
              - A regular expression that something in the log of the serial console matches.
            type: str
      timeout:
        description:
          - How long the guest may take to be back, such as V(5m).
        type: str
        default: 300s
  wait_for:
    description:
      - What to wait for once the guest runs. Each that is given must be seen.
    type: dict
    suboptions:
      agent:
        description:
          - The guest agent answers.
        type: bool
      address:
        description:
          - The guest has an address, by its agent or by a DHCP lease of a libvirt network.
          - A DHCP lease may be from an earlier boot. It counts when the guest has renewed it since the task started the guest, or
            when the guest answers at the address.
          - The host asks the guest for an answer by ARP or IPv6 neighbour discovery, which takes root. With a O(uri) of another host
            it does not ask, and the lease of a guest that was running before the task counts.
        type: bool
      cidr:
        description:
          - The guest has an address in this network.
        type: str
      console:
        description:
          - A regular expression that is found in the output of the serial console since the boot. A console whose log is appended
            to (C(append='on')) can't be used, as the log has earlier boots as well.
        type: str
      timeout:
        description:
          - How long to wait, for all of them together.
        type: str
        default: 300s
notes:
  - An option that is not given changes nothing. To take away what an option gave, give its empty value. That is V("") for a text,
    V(0) for a number, V([]) for a list, V(false) for a switch, V(default) where there are choices, and C(enabled=false) for a device
    such as O(tpm). A device of a list is taken away with C(state=absent).
  - The planned definition is checked before anything is changed, in check mode too. The QEMU driver of the host's libvirt takes it in
    a process of its own. Where that can't be done, as with a O(uri) of another host, libvirt decides when the guest is defined.
seealso:
  - module: kvmfleet.compute.vm_instance_info
  - module: kvmfleet.compute.vm_image
"""

EXAMPLES = r"""
- name: Launch a guest and wait until it can be worked with
  kvmfleet.compute.vm_instance:
    name: web01
    flavor: m1.small
    image: debian-13
    interfaces:
      - network: default
    tags: [web]
    wait_for:
      agent: true
      address: true
      timeout: 3m

- name: The same with sizes of one's own and a second disk
  kvmfleet.compute.vm_instance:
    name: db01
    memory: 4GiB
    vcpus: 2
    image: debian-13
    root_disk: 20GiB
    disks:
      - target: vdb
        size: 100GiB
        serial: data
        cache: none
    autostart: true
    delete_protection: true

- name: Launch a UEFI guest as Windows wants it
  kvmfleet.compute.vm_instance:
    name: win01
    memory: 8GiB
    vcpus: 4
    machine: q35
    firmware: uefi
    secure_boot: true
    tpm:
      version: "2.0"
    clock:
      offset: localtime
      timers:
        - name: hypervclock
          present: true
    hyperv:
      enlightenments: [relaxed, vapic, vpindex, synic, stimer]
      spinlocks: 8191
    smbios:
      system:
        manufacturer: Example
        serial: WIN-0001
    root_disk: 80GiB
    disks:
      - device: cdrom
        source: /srv/iso/windows.iso
        boot_order: 1

- name: Restart a guest; cut its power if it does not shut down within a minute
  kvmfleet.compute.vm_instance:
    name: web01
    state: restarted
    shutdown:
      timeout: 60s

- name: Save a guest's memory to disk
  kvmfleet.compute.vm_instance:
    name: web01
    state: suspended

- name: Launch a guest that has a part of its host to itself, and a directory
  kvmfleet.compute.vm_instance:
    name: calc01
    memory: 8GiB
    vcpus: 4
    image: debian-13
    numa:
      cells:
        - {cpus: 0-1, memory: 4GiB, nodeset: "0"}
        - {cpus: 2-3, memory: 4GiB, nodeset: "1"}
    cpu_pinning:
      vcpus:
        - {vcpu: 0, cpus: "2"}
        - {vcpu: 1, cpus: "3"}
        - {vcpu: 2, cpus: "10"}
        - {vcpu: 3, cpus: "11"}
      emulator: 0-1
    host_devices:
      - pci: "0000:01:00.0"
    filesystems:
      - target: data
        source: /srv/data
    watchdog:
      action: reset

- name: Give a guest a device that helps to read its crash dumps, for which there is no option
  kvmfleet.compute.vm_instance:
    name: web01
    state: present
    xml_patch:
      # <features> is made if the guest has none.
      - xpath: features
        add: <vmcoreinfo state="on"/>

- name: Take a guest that virsh or virt-manager made under management, in whatever state it is
  kvmfleet.compute.vm_instance:
    name: legacy01
    state: present
    adopt: true

- name: Launch a guest that is configured by cloud-init, with a disk to swap to
  kvmfleet.compute.vm_instance:
    name: web03
    flavor: m1.small
    image: debian-13
    interfaces:
      - network: lan
        mac: "52:54:00:12:34:56"
    disks:
      - {target: vdb, size: 1GiB, serial: swap}
    config_drive:
      hostname: web03.example.com
      users:
        - name: operator
          sudo: true
          ssh_keys:
            - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
      network:
        - mac: "52:54:00:12:34:56"
          addresses: [192.0.2.10/24]
          routes:
            - {to: default, via: 192.0.2.1}
          dns_servers: [192.0.2.53]
      swap:
        serial: swap
      user_data:
        packages: [nginx]

- name: Clone a guest that is stopped, with more memory
  kvmfleet.compute.vm_instance:
    name: web02
    clone_from:
      name: web01
      mode: linked
    memory: 8GiB

- name: Have the guest on the newest version of its image; its data is on other disks
  kvmfleet.compute.vm_instance:
    name: web01
    image: debian-13
    rebuild: changed

- name: Resize a guest; when it does not come back within five minutes, it gets its old sizes and its old disk back
  kvmfleet.compute.vm_instance:
    name: web01
    flavor: m1.large
    resize:
      check:
        agent: true
        cidr: 10.20.0.0/16
      timeout: 5m

- name: Resize a guest, and leave it to somebody to confirm
  kvmfleet.compute.vm_instance:
    name: db01
    memory: 16GiB
    resize:
      confirm: manual

- name: Go back
  kvmfleet.compute.vm_instance:
    name: db01
    resize:
      action: revert

- name: Boot a guest that is broken from a rescue system
  kvmfleet.compute.vm_instance:
    name: web01
    state: rescued
    rescue:
      image: debian-13
      authorized_keys:
        - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"

- name: Bring it back to its own system
  kvmfleet.compute.vm_instance:
    name: web01
    state: running

- name: Remove a guest and the volumes that were made for it
  kvmfleet.compute.vm_instance:
    name: web01
    state: absent
"""

RETURN = r"""
instance:
  description:
    - The guest as it is after the task (in check mode, as it is), as M(kvmfleet.compute.vm_instance_info) returns it;
      null when there is none.
  returned: success
  type: dict
  sample:
    name: web01
    uuid: 8a53e7c5-6f0e-4b5a-9f53-0d8c8f2e2a10
    state: running
actions:
  description:
    - What was done, in its order; in check mode and after a failure, what was planned. Each has C(action) and C(subject).
  returned: always, once the plan was made
  type: list
  elements: dict
  sample:
    - action: define
      subject: web01
    - action: start
      subject: web01
done:
  description:
    - The actions that were carried out before the failure. Those that were undone are not listed.
    - C(changed) is true when there is one, and when the action that failed may be half done.
  returned: failure, once the plan was made
  type: list
  elements: dict
  sample:
    - action: define
      subject: web01
restart_required:
  description:
    - The options whose values the running guest gets at its next cold boot only.
  returned: success
  type: list
  elements: str
  sample: [memory, vcpus]
"""

from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import resource
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.argspec import instance_options
from ansible_collections.kvmfleet.compute.plugins.module_utils._runner import run_resource


def main():
    run_resource(instance_options(), resource)


if __name__ == "__main__":
    main()
