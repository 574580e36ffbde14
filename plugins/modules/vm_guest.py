#!/usr/bin/python
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_guest
short_description: Work on the system in a guest through its agent
description:
  - Sets a password, ssh keys, files, the host name and the clock of the system in a guest, grows file systems, runs a command
    there, reads files and freezes file systems, by way of the QEMU guest agent. The guest needs neither a network nor Python.
  - What is there is looked at first, and only what differs is done. A password in clear can't be compared, so it is set in
    each run; its hash can.
  - The agent must be connected and may not block the commands that are needed; the error names the guest's setting to change.
  - To run many tasks in a guest, take the connection plugin
    P(kvmfleet.compute.guest_agent#connection).
version_added: 0.1.0
author:
  - kvmfleet developers (@kvmfleet)
extends_documentation_fragment:
  - kvmfleet.compute.attributes
  - kvmfleet.compute.connection
attributes:
  check_mode:
    support: full
  diff_mode:
    support: partial
    details: It shows neither passwords nor the contents of files, of which it shows the checksum.
  platform:
    support: full
options:
  name:
    description:
      - The guest's name, or its UUID.
    type: str
    required: true
  agent_timeout:
    description:
      - How long the agent may take for each of its answers, such as V(30s), rounded up to whole seconds.
    type: str
    default: 30s
  password:
    description:
      - The password of a user who exists in the guest.
      - One of O(password.password) and O(password.hash) is needed.
    type: dict
    suboptions:
      user:
        description:
          - The user's name. On Windows it is mostly V(Administrator).
        type: str
        default: root
      password:
        description:
          - The password in clear. It reaches the guest through libvirt and is kept nowhere.
        type: str
      hash:
        description:
          - The password as a hash of C(crypt(3)), such as the filter P(ansible.builtin.password_hash#filter) makes it. On
            Linux it is compared with C(/etc/shadow).
        type: str
      update_password:
        description:
          - V(always) sets it whenever it may differ. V(on_create) sets it only while the user has none.
        type: str
        choices: [always, on_create]
        default: always
  authorized_keys:
    description:
      - The ssh keys that may log in as a user who exists in the guest.
    type: dict
    suboptions:
      user:
        description:
          - The user's name.
        type: str
        default: root
      keys:
        description:
          - The keys, as lines of C(authorized_keys).
        type: list
        elements: str
        required: true
      exclusive:
        description:
          - Whether no other key may log in; other keys are removed.
        type: bool
        default: false
  files:
    description:
      - Files to write. A file is compared by its checksum, written beside its place and renamed. Its directory must exist.
    type: list
    elements: dict
    suboptions:
      path:
        description:
          - The absolute path in the guest.
        type: str
        required: true
      content:
        description:
          - What is in the file.
        type: str
        required: true
      mode:
        description:
          - Its mode as an octal number in quotes.
        type: str
        default: "0600"
      owner:
        description:
          - Its owner.
        type: str
        default: root
      group:
        description:
          - Its group.
        type: str
        default: root
  command:
    description:
      - A command to run as root, after all else is done. It is run in each run, unless O(command.creates) says otherwise.
      - One of O(command.argv) and O(command.cmd) is needed.
    type: dict
    suboptions:
      argv:
        description:
          - The program and its arguments.
        type: list
        elements: str
      cmd:
        description:
          - A line for the guest's C(/bin/sh).
        type: str
      stdin:
        description:
          - What it reads from its standard input.
        type: str
      creates:
        description:
          - The absolute path of a file that it makes. It is not run when that is there.
        type: str
      timeout:
        description:
          - How long it may take, such as V(5m). It is then killed with all that it started. As long as it likes, unless given.
        type: str
  sync_time:
    description:
      - Whether to set the guest's clock to this host's, when it is off by more than a second, as after a long pause.
    type: bool
    default: false
  hostname:
    description:
      - The guest's host name, now and after its next boot.
    type: str
  grow:
    description:
      - The mount points of file systems that shall fill their disks, as after O(kvmfleet.compute.vm_instance#module:disks) has
        grown one.
      - The partition grows when it is the last of its disk, then the LVM physical and logical volumes, if there are
        such, and the file system, all while it is in use. It can be ext2, ext3, ext4, xfs or btrfs on one device.
      - The guest needs C(growpart) and the tools of the file system and of LVM.
    type: list
    elements: str
    default: []
  frozen:
    description:
      - Whether the guest's file systems are frozen, so that what is on its disks is consistent. While they are, whoever
        writes in the guest waits, and the agent does nothing else; so it goes with no other work.
    type: bool
  read:
    description:
      - The absolute paths of files to read, after all else is done.
    type: list
    elements: str
    default: []
notes:
  - Shutting down and restarting through the agent is done by M(kvmfleet.compute.vm_instance).
seealso:
  - module: kvmfleet.compute.vm_instance
  - module: kvmfleet.compute.vm_instance_info
  - plugin: kvmfleet.compute.guest_agent
    plugin_type: connection
"""

EXAMPLES = r"""
- name: Let the operators in
  kvmfleet.compute.vm_guest:
    name: web01
    password:
      hash: "{{ root_password | password_hash('sha512', root_salt) }}"
    authorized_keys:
      keys:
        - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHpXhWq3rdnnmpMUZ2gIXBG7dEyj6qD9PLCqyDJnbpwE operator
      exclusive: true

- name: Give the guest its name server
  kvmfleet.compute.vm_guest:
    name: web01
    files:
      - path: /etc/resolv.conf
        content: "nameserver 192.0.2.53\n"
        mode: "0644"

- name: Initialise a database once
  kvmfleet.compute.vm_guest:
    name: web01
    command:
      argv: [/usr/local/bin/init-database, --quiet]
      creates: /var/lib/database/version
      timeout: 5m

- name: Set the clock of a guest that was paused
  kvmfleet.compute.vm_guest:
    name: web01
    sync_time: true

- name: Let the root file system fill the disk that has grown
  kvmfleet.compute.vm_guest:
    name: web01
    grow: [/]

- name: Freeze the file systems for a backup
  kvmfleet.compute.vm_guest:
    name: web01
    frozen: true
"""

RETURN = r"""
command:
  description: What the command left. When it fails, so does the task, and has this key too.
  returned: the command ran
  type: dict
  contains:
    rc:
      description: Its exit code, 128 and the number of the signal when a signal ended it.
      type: int
      returned: always
      sample: 0
    stdout:
      description: What it printed.
      type: str
      returned: always
    stderr:
      description: What it complained of.
      type: str
      returned: always
contents:
  description: The files that O(read) names, in its order.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The path.
      type: str
      returned: always
    size:
      description: The size in bytes, null when there is no such file.
      type: int
      returned: always
    content:
      description: The content in Base64, null when there is no such file.
      type: str
      returned: always
guest:
  description: What the agent tells of the system inside the guest.
  returned: success
  type: dict
  contains:
    error:
      description: Why the agent could not be asked, null if it answered. The rest is empty while file systems are frozen.
      returned: always
      type: str
    hostname:
      description: The host name.
      returned: always
      type: str
    os:
      description: The operating system, such as C(id), C(name), C(pretty_name), C(version_id) and C(kernel_release).
      returned: always
      type: dict
    timezone:
      description: The time zone, C(name) and C(offset) in seconds.
      returned: always
      type: dict
    users:
      description: The users that are logged in, each with C(name) and C(login_time) in milliseconds since 1970.
      returned: always
      type: list
      elements: dict
    filesystems:
      description: The mounted file systems, each with C(name), C(mountpoint), C(fstype), C(total_bytes), C(used_bytes) and C(disks).
      returned: always
      type: list
      elements: dict
    interfaces:
      description: All network interfaces inside the guest, each with C(name), C(mac) and C(addresses).
      returned: always
      type: list
      elements: dict
actions:
  description:
    - What was done, in its order; in check mode and after a failure, what was planned. Each has C(action) and C(subject).
  returned: always, once the plan was made
  type: list
  elements: dict
  sample:
    - action: write_file
      subject: /etc/resolv.conf
done:
  description:
    - The actions that were carried out before the failure. Those that were undone are not listed.
    - C(changed) is true when there is one, and when the action that failed may be half done.
  returned: failure, once the plan was made
  type: list
  elements: dict
  sample:
    - action: write_file
      subject: /etc/resolv.conf
restart_required:
  description: Always empty.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import resource, spec
from ansible_collections.kvmfleet.compute.plugins.module_utils._runner import run_resource


def main():
    run_resource(spec.OPTIONS, resource)


if __name__ == "__main__":
    main()
