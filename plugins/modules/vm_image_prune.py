#!/usr/bin/python
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_image_prune
short_description: Delete versions of images that are old and not used
description:
  - Deletes from the image store the versions of images that are as old as O(older_than) or older, except for the newest ones and for
    those that are needed.
  - A version is needed when a guest, running or not, has it as a disk, or when any file is based on it. That is told by
    libvirt's definitions and volumes, and by the headers of guests' disks and of the files in active storage pools, and
    looked at again just before a version is deleted.
  - The module works on the file system of the managed host, so O(uri) must be libvirt on that host.
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
    support: full
    details:
      - Shows the files of the versions.
  platform:
    support: full
options:
  older_than:
    description:
      - How long ago a version must have been put into the store, or have become the current one again, such as V(30d).
        V(0s) means all.
    type: str
    required: true
  keep:
    description:
      - How many of the newest versions of each image stay, however old. With V(0) an image that nobody needs goes altogether.
    type: int
    default: 1
  name:
    description:
      - The image whose versions are looked at; all images unless given.
    type: str
  pool:
    description:
      - The storage pool that is the image store.
    type: str
    default: images
  timeout:
    description:
      - How long the task may wait for other runs that are busy with the same images, such as V(5m).
    type: str
    default: 5m
seealso:
  - module: kvmfleet.compute.vm_image
  - module: kvmfleet.compute.vm_image_info
"""

EXAMPLES = r"""
- name: Delete what is older than a month and not needed
  kvmfleet.compute.vm_image_prune:
    older_than: 30d

- name: Keep three versions of the nightly image
  kvmfleet.compute.vm_image_prune:
    name: nightly
    older_than: 0s
    keep: 3
"""

RETURN = r"""
pruned:
  description:
    - The versions that were deleted; in check mode, those that would be.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description:
        - The image's name.
      type: str
      sample: debian-13
    volume:
      description:
        - The name of the version's file, which is its volume in the pool.
      type: str
      sample: debian-13.4355a46b19d3.qcow2
    path:
      description:
        - The path of the version's file.
      type: str
      sample: /var/lib/kvmfleet/images/debian-13.4355a46b19d3.qcow2
    pool:
      description:
        - The storage pool.
      type: str
      sample: images
    format:
      description:
        - The format, V(qcow2) or V(raw).
      type: str
      sample: qcow2
    size:
      description:
        - The size of the file in bytes.
      type: int
      sample: 433127424
    virtual_size:
      description:
        - The size in bytes of the disk that a guest sees.
      type: int
      sample: 3221225472
    checksum:
      description:
        - The SHA-256 of the file.
      type: str
      sample: sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865
    source:
      description:
        - The file or URL that it was made from, or the image in Glance and its cloud.
      type: str
      sample: https://images.example.com/debian-13-amd64.qcow2
    created:
      description:
        - When it was put into the store, in UTC.
      type: str
      sample: "2026-03-01T12:00:00Z"
    properties:
      description:
        - The image's properties in Glance, with C(min_disk) in GiB and C(min_ram) in MiB where it has them. Empty for an
          image that is not from Glance.
      type: dict
      sample:
        hw_disk_bus: scsi
        hw_firmware_type: uefi
        hw_qemu_guest_agent: "yes"
        min_disk: 3
        os_admin_user: ubuntu
    guest:
      description:
        - What the properties mean for a guest. C(firmware), C(secure_boot), C(machine), C(arch), C(agent),
          C(boot_menu), C(cpu), C(tpm), C(video) and C(watchdog) are values of the options of
          M(kvmfleet.compute.vm_instance) of these names.
        - C(disk_bus) and C(cdrom_bus) are buses, C(interface_model) is the model of a network interface,
          C(admin_user) the user to log in as, C(min_disk) and C(min_memory) are the least sizes of the root disk and the
          memory.
        - A property that the image does not have, or that means nothing here, has no key.
      type: dict
      sample:
        admin_user: ubuntu
        agent: true
        disk_bus: scsi
        firmware: uefi
        min_disk: 3GiB
    current:
      description:
        - Whether the image's name means this version.
      type: bool
      sample: true
    age:
      description:
        - The seconds since it was put into the store, or became the current version again.
      type: int
      sample: 86400
    used_by:
      description:
        - Who needs the version. Nothing deletes a version that has guests or overlays.
      type: dict
      contains:
        guests:
          description:
            - The names of the guests that have it, or an overlay on it, as a disk.
          type: list
          elements: str
          sample: [web01]
        overlays:
          description:
            - The paths of the files that are based on it.
          type: list
          elements: str
          sample: [/var/lib/libvirt/images/web01-vda.qcow2]
actions:
  description:
    - What was done, in its order; in check mode and after a failure, what was planned. Each has C(action) and C(subject).
  returned: always, once the plan was made
  type: list
  elements: dict
  sample:
    - action: delete
      subject: debian-13.4355a46b19d3.qcow2
    - action: refresh_pool
      subject: images
done:
  description:
    - The actions that were carried out before the failure. Those that were undone are not listed.
    - C(changed) is true when there is one, and when the action that failed may be half done.
  returned: failure, once the plan was made
  type: list
  elements: dict
  sample:
    - action: delete
      subject: debian-13.4355a46b19d3.qcow2
restart_required:
  description:
    - Always empty; an image has nothing that is to be restarted.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.kvmfleet.compute.plugins.module_utils._image import prune
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.prune import OPTIONS
from ansible_collections.kvmfleet.compute.plugins.module_utils._runner import run_resource


def main():
    run_resource(OPTIONS, prune)


if __name__ == "__main__":
    main()
