#!/usr/bin/python
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_inject
short_description: Put files, keys and a host name into the disks of a guest that is off
description:
  - Writes into the root file system of a Linux guest that is stopped, such as one whose image has no cloud-init, before its first
    boot; or repairs one that does not boot any more. It can grow the root file system to its disk, too.
  - The disks are opened in libguestfs, a small virtual machine, so neither their partition tables nor their file systems ever
    reach the host's kernel. The system is found by inspection, on partitions, on LVM and on what LUKS encrypted.
  - What is there is looked at first, without writing, and only what differs is done. A file is compared by its checksum, written
    beside its place and renamed; what the task says nothing of, such as an existing file's owner and mode, is kept.
  - The disks of a guest that is on are never opened. While they are open here, the guest can't be started.
  - A disk that something else needs is not written to. Such a disk is the base of a linked clone, is also the disk of another guest,
    or is an image of the image store. The task fails before anything is changed when there is something to write.
  - With SELinux in the guest a new file makes its next boot label all files anew (C(/.autorelabel)).
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
    support: none
  platform:
    support: full
options:
  name:
    description:
      - The guest's name, or its UUID. Its disks that are files or devices of the host are opened, but those that are read-only or
        shared.
    type: str
    required: true
  files:
    description:
      - Files to write. Directories that are missing are made, as root's with mode C(0755).
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description:
          - The absolute path in the guest, without V(..). Links of directories are followed inside the guest; a file that is a
            symbolic link is refused.
        type: str
        required: true
      content:
        description:
          - What is in the file.
          - One of O(files[].content) and O(files[].src) is needed.
        type: str
      src:
        description:
          - The absolute path of a file on the managed host, which is copied.
        type: path
      mode:
        description:
          - Its mode as an octal number in quotes. A new file gets V(0600), unless given.
        type: str
      owner:
        description:
          - Its owner, by a name that the guest has or by number. A new file is C(root)'s, unless given.
        type: str
      group:
        description:
          - Its group, by a name that the guest has or by number. A new file is C(root)'s, unless given.
        type: str
  users:
    description:
      - What opens accounts that the guest has. No user is made.
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
          - The password as a hash of C(crypt(3)), such as the filter P(ansible.builtin.password_hash#filter) makes it with a salt
            that stays.
        type: str
      authorized_keys:
        description:
          - Lines for the user's C(authorized_keys).
        type: list
        elements: str
        default: []
      exclusive:
        description:
          - Whether no other key may log in; other keys are removed.
        type: bool
        default: false
  hostname:
    description:
      - The host name, in C(/etc/hostname).
    type: str
  machine_id:
    description:
      - Whether C(/etc/machine-id) is the guest's UUID, as systemd chooses it at a first boot. A clone of another guest has
        an ID of its own that way.
    type: bool
    default: false
  grow_root:
    description:
      - Whether to grow the root file system to all of its disk, with the partition and the logical volume that it is on.
      - The partition must be the disk's last one, the file system ext2 to ext4, xfs or btrfs.
    type: bool
    default: false
  luks_key:
    description:
      - The passphrase, when the guest's system is encrypted. It is needed for looking, too.
    type: str
  when_on:
    description:
      - What to do about a guest that is not stopped. V(fail) refuses the task. V(leave) leaves the guest alone, so that a play
        which launches it can be run again.
    type: str
    choices: [fail, leave]
    default: fail
requirements:
  - python3-guestfs and a kernel in C(/boot) on the managed host; with C(inject) in C(compute_features) the role
    P(kvmfleet.compute.compute#role) installs the library.
notes:
  - Starting libguestfs takes some seconds, without hardware virtualisation half a minute.
seealso:
  - module: kvmfleet.compute.vm_guest
    description: The same for a guest that runs.
  - module: kvmfleet.compute.vm_instance
"""

EXAMPLES = r"""
- name: Clone a guest
  kvmfleet.compute.vm_instance:
    name: web02
    state: present
    clone_from:
      name: web01

- name: Let the clone know that it is another one, before its first boot
  kvmfleet.compute.vm_inject:
    name: web02
    hostname: web02
    machine_id: true

- name: Define a guest
  kvmfleet.compute.vm_instance:
    name: web01
    state: present
    disks:
      - image: alpine
        size: 20GiB

- name: Make it ours before its first boot
  kvmfleet.compute.vm_inject:
    name: web01
    hostname: web01
    users:
      - name: root
        password_hash: "{{ root_password | password_hash('sha512', root_salt) }}"
        authorized_keys:
          - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHpXhWq3rdnnmpMUZ2gIXBG7dEyj6qD9PLCqyDJnbpwE operator
    files:
      - path: /etc/network/interfaces
        content: "{{ lookup('ansible.builtin.template', 'interfaces.j2') }}"
        mode: "0644"
    grow_root: true
    when_on: leave

- name: Start it
  kvmfleet.compute.vm_instance:
    name: web01
    state: running

- name: Repair the mounts of a guest that does not boot
  kvmfleet.compute.vm_inject:
    name: db01
    luks_key: "{{ db01_luks_key }}"
    files:
      - path: /etc/fstab
        src: /srv/repair/db01.fstab
"""

RETURN = r"""
state:
  description: The guest's state, V(stopped) unless it was left alone.
  returned: success
  type: str
  sample: stopped
system:
  description: The system that was found in the disks; null for a guest that was left alone.
  returned: success
  type: dict
  contains:
    product:
      description: What it calls itself.
      type: str
      returned: always
      sample: Debian GNU/Linux 13 (trixie)
    root:
      description: The device of its root file system, as libguestfs names it.
      type: str
      returned: always
      sample: /dev/sda1
    filesystem:
      description: The type of its root file system.
      type: str
      returned: always
      sample: ext4
    size:
      description: The size of its root file system in bytes, null for another type than ext2 to ext4, xfs and btrfs.
      type: int
      returned: always
      sample: 21473771520
actions:
  description:
    - What was done, in its order; in check mode and after a failure, what was planned. Each has C(action) and C(subject).
  returned: always, once the plan was made
  type: list
  elements: dict
  sample:
    - action: grow_partition
      subject: /dev/sda1
    - action: grow_filesystem
      subject: /dev/sda1
    - action: write_file
      subject: /etc/hostname
done:
  description:
    - The actions that were carried out before the failure. Those that were undone are not listed.
    - C(changed) is true when there is one, and when the action that failed may be half done.
  returned: failure, once the plan was made
  type: list
  elements: dict
  sample:
    - action: grow_partition
      subject: /dev/sda1
restart_required:
  description: Always empty.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.kvmfleet.compute.plugins.module_utils._inject import resource
from ansible_collections.kvmfleet.compute.plugins.module_utils._inject.spec import OPTIONS
from ansible_collections.kvmfleet.compute.plugins.module_utils._runner import run_resource


def main():
    run_resource(OPTIONS, resource)


if __name__ == "__main__":
    main()
