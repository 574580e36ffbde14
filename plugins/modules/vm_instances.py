#!/usr/bin/python
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_instances
short_description: Launch, change, stop and remove many guests in one task
description:
  - Does for a list of guests of one libvirt host what M(kvmfleet.compute.vm_instance) does for one, by one connection and
    one bulk read. Guests are started in parallel.
  - Each guest has an outcome of its own. One that fails does not keep the others from being brought to their state; the task
    fails in the end and says which failed and why.
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
      - Shows each guest's definition for the next boot before and after, passwords redacted.
  platform:
    support: full
options:
  instances:
    description:
      - The guests, each with the options of M(kvmfleet.compute.vm_instance) but C(uri). C(name) is required.
    type: list
    elements: dict
    required: true
  defaults:
    description:
      - Options for all of the guests. What a guest of O(instances) says itself takes the place of the whole option here.
    type: dict
    default: {}
  parallel:
    description:
      - How many guests are worked on at a time.
    type: int
    default: 4
  purge:
    description:
      - Whether to remove the managed guests of the host that O(instances) does not list, with the storage that was made for
        them. Guests that this collection does not manage are never removed, and a guest with delete protection is an error.
    type: bool
    default: false
  purge_tags:
    description:
      - Limits O(purge) to guests that have all of these tags, for a host whose guests are in several lists.
    type: list
    elements: str
    default: []
seealso:
  - module: kvmfleet.compute.vm_instance
notes:
  - The parameters are not written to the managed host's log, and passwords among them are hidden in results.
"""

EXAMPLES = r"""
- name: Launch three web servers and a database
  kvmfleet.compute.vm_instances:
    defaults:
      flavor: m1.small
      image: debian-13
      interfaces:
        - network: default
      tags: [shop]
    instances:
      - name: web01
      - name: web02
      - name: web03
      - name: db01
        flavor: m1.medium
        disks:
          - target: vdb
            size: 100GiB

- name: Stop everything, eight at a time
  kvmfleet.compute.vm_instances:
    defaults:
      state: stopped
    instances:
      - name: web01
      - name: web02
    parallel: 8

- name: Have these guests of the shop and no others
  kvmfleet.compute.vm_instances:
    instances: "{{ shop_instances }}"
    purge: true
    purge_tags: [shop]
"""

RETURN = r"""
instances:
  description:
    - The outcome of each guest, in the order of the task, followed by those that were purged.
  returned: always, once the host was read
  type: list
  elements: dict
  contains:
    name:
      description: The guest's name.
      type: str
      returned: always
    changed:
      description: Whether it was changed, or in check mode would be.
      type: bool
      returned: always
    failed:
      description: Whether it failed.
      type: bool
      returned: always
    msg:
      description: Why it failed.
      type: str
      returned: failure
    actions:
      description: What was done, in its order, as M(kvmfleet.compute.vm_instance) returns it.
      type: list
      elements: dict
      returned: always
    done:
      description: What was done before the failure and was not undone.
      type: list
      elements: dict
      returned: failure
    restart_required:
      description: The options whose values the running guest gets at its next cold boot only.
      type: list
      elements: str
      returned: always
    instance:
      description: The guest as M(kvmfleet.compute.vm_instance) returns it; null when there is none or it failed.
      type: dict
      returned: always
actions:
  description: All actions of all guests, in the order of the guests; after a failure, those that were planned.
  returned: always, once the host was read
  type: list
  elements: dict
  sample:
    - action: start
      subject: web01
done:
  description:
    - The actions that were carried out before the failure. Those that were undone are not listed.
    - C(changed) is true when there is one, and when the action that failed may be half done.
  returned: failure, once the host was read
  type: list
  elements: dict
  sample:
    - action: start
      subject: web01
restart_required:
  description: The names of the guests that have a change waiting for their next cold boot.
  returned: success
  type: list
  elements: str
  sample: [web02]
"""

from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import batch
from ansible_collections.kvmfleet.compute.plugins.module_utils._runner import run_resource


def main():
    run_resource(batch.OPTIONS, batch)


if __name__ == "__main__":
    main()
