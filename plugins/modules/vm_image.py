#!/usr/bin/python
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_image
short_description: Put images that guests are made from into the image store, and remove them
description:
  - Brings an image from a file of the host, from a URL, from Glance or from a guest's disk into the image store, a libvirt
    storage pool of files, from which M(kvmfleet.compute.vm_instance) makes guests' disks.
  - Each content is a version of its own, the file C(NAME.<12 hex digits of its SHA-256>.<qcow2|raw>). A newer version
    never takes the place of one that guests' disks are based on. The version that was put last is the current one,
    which an image's name means; C(NAME.<12 hex digits>) means that one version.
  - Images are not trusted. The format is told from the content alone, and an image that names other files of the host
    (a backing file, an external data file), is encrypted, truncated or of another format than qcow2 and raw is
    refused.
  - An image that is compressed with xz, gzip, bzip2 or zstd is unpacked. For zstd the managed host needs the program C(zstd).
  - An image appears whole or not at all. When a task fails, or is killed, the current image stays what it was; what a
    killed run has left is removed by the next one. Of several runs for one image at the same time one downloads, the
    others wait for it.
  - What is known about a version (its checksum, its source) is kept in the directory C(image-info) beside the
    store's.
  - A download from a URL or from Glance that breaks off is resumed until it has got no further for a minute. What
    came from a URL is kept as long as its server sends the rest of the same content, which O(checksum) or a strong
    C(ETag) is needed to tell; else the download starts afresh.
  - The module works on the file system of the managed host, so O(uri) must be libvirt on that host.
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
    details:
      - Without O(checksum) the server is asked whether the content of O(url) has changed. Where a server can't tell,
        check mode says that the image would be downloaded; the task itself says changed only when the content was
        another one. So it is with O(instance.refresh).
  diff_mode:
    support: full
    details:
      - Shows which version is the current one. The name of a version that has yet to be downloaded is not known; its
        URL and checksum stand for it.
  platform:
    support: full
options:
  name:
    description:
      - The image's name, of letters, digits and the characters V(.), V(_) and V(-), beginning with a letter or digit.
    type: str
    required: true
  state:
    description:
      - V(present), the content of O(src), O(url), O(glance) or O(instance) is the current version. When the store has that
        content as an older version, that becomes the current one again.
      - V(absent), all versions of the image are removed. It fails before anything is removed when a volume of an
        active storage pool is based on one of them, or a guest has one as a disk.
    type: str
    choices: [present, absent]
    default: present
  src:
    description:
      - The file on the managed host that is copied into the store.
      - One of this, O(url), O(glance) and O(instance) is needed with O(state=present).
    type: path
  url:
    description:
      - The HTTP or HTTPS URL that is downloaded into the store. Proxies are taken from the environment.
    type: str
  mirrors:
    description:
      - Further URLs of the same content, which O(checksum) is needed to tell. They are tried in their order when O(url)
        can't be reached, answers with an error, breaks off for good, or sends content with another checksum.
      - The image's C(source) is the URL that has delivered it.
    type: list
    elements: str
    default: []
  instance:
    description:
      - The guest of whose disk the image is made, as a qcow2 file that needs no other.
      - The disk of a guest that runs is copied as it is at one moment, while the guest goes on. That of a suspended guest is
        not whole without its memory, and is refused.
      - It is made once. When the store has a version that was made of this disk of this O(instance.name), that is
        the current one, whatever has become of the guest.
    type: dict
    suboptions:
      name:
        description:
          - The guest's name, or its UUID.
        type: str
        required: true
      disk:
        description:
          - The device name of the disk, such as V(vdb). The first one that is no CD-ROM unless given.
        type: str
      quiesce:
        description:
          - V(auto), the agent of a guest that runs holds its file systems still for the moment, so that they are clean in
            the image and have all that was written. Where no agent answers, or it can not do that, the image has what was on
            the disk, as after a power failure, and a warning says so.
          - V(always), the task fails where that is not possible.
          - V(never), the agent is not asked.
        type: str
        choices: [auto, always, never]
        default: auto
      refresh:
        description:
          - Whether the image is made anew in each run of the task. It has a new version where the disk has changed.
        type: bool
        default: false
  checksum:
    description:
      - The checksum that the content must have, as C(sha256:HEX) or C(sha512:HEX), or the URL of a file that has it, such as
        V(https://images.example.com/SHA256SUMS). The file has lines as C(sha256sum) writes them, with or without C(--tag); the line
        with the file name of O(url) or O(src) is taken.
      - The checksum of a compressed image is that of the compressed file.
      - A file of checksums is read in each run. It is worth as much as the server and the way to it are trusted.
      - When it is the checksum of the current version, neither the file nor the server is looked at.
      - It is needed for O(url) unless O(allow_unverified) is V(true). An image of O(glance) is verified by the hash that
        Glance has of it (C(os_hash_algo), C(os_hash_value)); this is verified, too.
    type: str
  allow_unverified:
    description:
      - Whether O(url) may be given without O(checksum). The current version is kept as long as the server says that
        its content is unchanged, by C(ETag) or C(Last-Modified).
      - Whether an image of O(glance) that Glance has only an MD5 checksum of may be taken.
    type: bool
    default: false
  format:
    description:
      - The format that the image must have; V(auto) allows both. An image is never converted.
    type: str
    choices: [auto, qcow2, raw]
    default: auto
  pool:
    description:
      - The active storage pool of files that is the image store. The role P(kvmfleet.compute.compute#role) makes
        V(images).
    type: str
    default: images
  max_size:
    description:
      - The most that is downloaded, or unpacked from a compressed image, such as V(20GiB). Whatever this says, a download ends
        before the store is full.
    type: str
    default: 100GiB
  timeout:
    description:
      - How long the task may wait for another run that is busy with the same image, and then for the whole content,
        such as V(30m). A server that is silent for a minute fails the task before.
    type: str
    default: 30m
  url_username:
    description:
      - The user name for a server that asks for one, by basic or digest authentication. It is not sent to another
        server that the URL is redirected to, nor to O(mirrors) but those with the same scheme, host and port as O(url).
    type: str
  url_password:
    description:
      - The password to O(url_username).
    type: str
  validate_certs:
    description:
      - Whether the certificate of an HTTPS server is validated, those of Keystone and Glance included.
    type: bool
    default: true
  ca_path:
    description:
      - A file on the managed host with the certificates of authorities to trust, in PEM format.
    type: path
seealso:
  - module: kvmfleet.compute.vm_instance
"""

EXAMPLES = r"""
- name: Download an image, once
  kvmfleet.compute.vm_image:
    name: debian-13
    url: https://images.example.com/debian-13-amd64.qcow2
    checksum: sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865

- name: Download an image from the first server that has it
  kvmfleet.compute.vm_image:
    name: debian-13
    url: https://images.example.com/debian-13-amd64.qcow2
    mirrors:
      - https://mirror.example.net/debian/debian-13-amd64.qcow2
      - https://mirror.example.org/images/debian-13-amd64.qcow2
    checksum: sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865

- name: Follow an image that is published with a file of checksums, and is compressed
  kvmfleet.compute.vm_image:
    name: appliance
    url: https://images.example.com/appliance.qcow2.xz
    checksum: https://images.example.com/SHA256SUMS

- name: Put a file of the host into the store
  kvmfleet.compute.vm_image:
    name: appliance
    src: /srv/images/appliance.raw
    format: raw

- name: Follow what a server of one's own publishes
  kvmfleet.compute.vm_image:
    name: nightly
    url: https://builds.example.com/nightly.qcow2
    allow_unverified: true
    url_username: builder
    url_password: "{{ vault_builds_password }}"
    ca_path: /etc/ssl/private-ca.pem

- name: Take an image from Glance
  kvmfleet.compute.vm_image:
    name: ubuntu
    glance:
      image: ubuntu-24.04
      cloud: production
  register: ubuntu

- name: Launch a guest as the image's properties in Glance want it
  kvmfleet.compute.vm_instance:
    name: web01
    image: ubuntu
    memory: "{{ ubuntu.image.guest.min_memory | default('1GiB') }}"
    root_disk: "{{ ubuntu.image.guest.min_disk | default(omit) }}"
    firmware: "{{ ubuntu.image.guest.firmware | default(omit) }}"
    machine: "{{ ubuntu.image.guest.machine | default(omit) }}"
    agent: "{{ ubuntu.image.guest.agent | default(omit) }}"

- name: Log in without clouds.yaml
  kvmfleet.compute.vm_image:
    name: ubuntu
    glance:
      image: 7b4f2c0e-1f6a-4d7e-9a53-6f0f8f5c2d11
      auth:
        auth_url: https://cloud.example.com:5000/v3
        application_credential_id: 5a0b7d4c2b6f4c0e8f3f7f0a9e1d2c3b
        application_credential_secret: "{{ vault_credential_secret }}"

- name: Make an image of a guest that runs
  kvmfleet.compute.vm_image:
    name: golden
    instance:
      name: web01
      quiesce: always

- name: Remove an image that nothing is based on
  kvmfleet.compute.vm_image:
    name: appliance
    state: absent
"""

RETURN = r"""
image:
  description:
    - The current version of the image after the task (in check mode, as it is); null when there is none.
    - Of a version that this module has not put there, C(virtual_size), C(checksum), C(source) and C(created) are
      null.
  returned: success
  type: dict
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
        - The file that it was made from, the URL that has delivered it, or the image in Glance and its cloud.
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
actions:
  description:
    - What was done, in its order; in check mode and after a failure, what was planned. Each has C(action) and C(subject).
  returned: always, once the plan was made
  type: list
  elements: dict
  sample:
    - action: download
      subject: debian-13 from https://images.example.com/debian-13-amd64.qcow2
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
    - action: download
      subject: debian-13 from https://images.example.com/debian-13-amd64.qcow2
restart_required:
  description:
    - Always empty; an image has nothing that is to be restarted.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.kvmfleet.compute.plugins.module_utils._image import resource
from ansible_collections.kvmfleet.compute.plugins.module_utils._image.spec import OPTIONS, RULES
from ansible_collections.kvmfleet.compute.plugins.module_utils._runner import run_resource


def main():
    run_resource(OPTIONS, resource, **RULES)


if __name__ == "__main__":
    main()
