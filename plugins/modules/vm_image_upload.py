#!/usr/bin/python
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_image_upload
short_description: Put an image of a host, or the disk of a stopped guest, into Glance
description:
  - Uploads an image of the image store, a file of the host or a guest's disk to an OpenStack image service (Glance).
  - What is there is told by its content. The image's hash in Glance (C(os_hash_value)) is compared with that of the content,
    and the content is uploaded only when the project has no image of the name with it.
  - A guest's disk is made into one file that needs no other, in the image store's directory, for each run of the task, and
    removed again. The same content makes the same file as long as QEMU stays the same.
  - An image has the property C(kvmfleet_unfinished) until its content is whole and verified. When the upload fails, the image
    is deleted; what a killed run has left is deleted by the next one on the same host.
version_added: 0.1.0
author:
  - kvmfleet developers (@kvmfleet)
extends_documentation_fragment:
  - kvmfleet.compute.attributes
  - kvmfleet.compute.connection
  - kvmfleet.compute.lock
  - kvmfleet.compute.glance
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  platform:
    support: full
options:
  glance:
    description:
      - The name that the image has in Glance, and the cloud. Only images of the user's own project are looked at.
    required: true
  image:
    description:
      - The image of the image store that is uploaded, by its name, or C(NAME.<12 hex digits>) for one version of it.
      - One of this, O(src) and O(instance) is needed.
    type: str
  src:
    description:
      - The file of the managed host that is uploaded, a whole qcow2 or raw image.
    type: path
  instance:
    description:
      - The name or the UUID of the guest whose O(disk) is uploaded, as a qcow2 image. It must be stopped;
        M(kvmfleet.compute.vm_image) makes an image of a running one, which O(image) uploads.
    type: str
  disk:
    description:
      - The target of the guest's disk.
    type: str
    default: vda
  pool:
    description:
      - The storage pool that is the image store.
    type: str
    default: images
  properties:
    description:
      - Properties of the image, such as V(hw_disk_bus), with C(min_disk) in GiB and C(min_ram) in MiB among them. Others
        that the image has stay.
    type: dict
    default: {}
  visibility:
    description:
      - Who may use the image. What Glance gives a new image, unless given.
    type: str
    choices: [private, shared, community, public]
  replace:
    description:
      - Whether an image of the name with other content is replaced. The new one is uploaded, and then each other image of the
        name that the project has is deleted. Without it the task fails when there is such an image.
    type: bool
    default: false
  validate_certs:
    description:
      - Whether the certificates of Keystone and Glance are validated.
    type: bool
    default: true
  ca_path:
    description:
      - A file on the managed host with the certificates of authorities to trust, in PEM format.
    type: path
seealso:
  - module: kvmfleet.compute.vm_image
"""

EXAMPLES = r"""
- name: Give others what this host has
  kvmfleet.compute.vm_image_upload:
    image: appliance
    glance:
      image: appliance
      cloud: production
    properties:
      hw_firmware_type: uefi
      min_disk: 3
    visibility: shared

- name: Make an image of a guest
  kvmfleet.compute.vm_image_upload:
    instance: golden
    glance:
      image: golden
      cloud: production
    replace: true
"""

RETURN = r"""
image:
  description:
    - The image in Glance after the task (in check mode, as it is); null when there is none with the content.
  returned: success
  type: dict
  contains:
    id:
      description:
        - Its ID.
      type: str
      sample: 7b4f2c0e-1f6a-4d7e-9a53-6f0f8f5c2d11
    name:
      description:
        - Its name.
      type: str
      sample: golden
    size:
      description:
        - Its size in bytes.
      type: int
      sample: 433127424
    format:
      description:
        - Its format, V(qcow2) or V(raw).
      type: str
      sample: qcow2
    checksum:
      description:
        - The hash that Glance has of it.
      type: str
      sample: sha512:cf83e1357eefb8bd...
    visibility:
      description:
        - Who may use it.
      type: str
      sample: shared
    properties:
      description:
        - Its properties, with C(min_disk) and C(min_ram) where it has them.
      type: dict
      sample:
        hw_firmware_type: uefi
        min_disk: 3
actions:
  description:
    - What was done, in its order; in check mode and after a failure, what was planned. Each has C(action) and C(subject).
  returned: always, once the plan was made
  type: list
  elements: dict
  sample:
    - action: upload
      subject: golden to the cloud production from golden
done:
  description:
    - The actions that were carried out before the failure. Those that were undone are not listed.
    - C(changed) is true when there is one, and when the action that failed may be half done.
  returned: failure, once the plan was made
  type: list
  elements: dict
  sample:
    - action: upload
      subject: golden to the cloud production from golden
restart_required:
  description:
    - Always empty; an image has nothing that is to be restarted.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.kvmfleet.compute.plugins.module_utils._runner import run_resource
from ansible_collections.kvmfleet.compute.plugins.module_utils._upload import resource
from ansible_collections.kvmfleet.compute.plugins.module_utils._upload.spec import OPTIONS, RULES


def main():
    run_resource(OPTIONS, resource, **RULES)


if __name__ == "__main__":
    main()
