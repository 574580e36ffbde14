# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What a description asks of cloud-init beyond names, keys and network, as the content of a cloud-config. Pure.

Source: cloud-init, "Module reference".
"""

from __future__ import annotations

import base64

DISK = "/dev/disk/by-id/virtio-{}"


def content(description):
    """Return the content of our cloud-config, {} when nothing is asked for."""
    found = {}
    if description.users:
        # With a list of users, cloud-init makes the image's own only when it is named.
        found["users"] = ["default", *map(_user, description.users)]
    if description.admin_password_hash is not None:
        password = {"name": description.admin_user, "password": description.admin_password_hash, "type": "hash"}
        found["chpasswd"] = {"expire": False, "users": [password]}
    if description.files:
        found["write_files"] = [_file(file) for file in description.files]
    if description.swap or description.ephemeral:
        found.update(_disks(description))
    return found


def _user(user):
    found = {"name": user.name}
    if user.password_hash is not None:
        found.update(hashed_passwd=user.password_hash, lock_passwd=False)
    if user.ssh_keys:
        found["ssh_authorized_keys"] = list(user.ssh_keys)
    if user.groups:
        found["groups"] = list(user.groups)
    if user.shell is not None:
        found["shell"] = user.shell
    if user.sudo:
        found["sudo"] = "ALL=(ALL) NOPASSWD:ALL"
    return found


def _file(file):
    found = {
        "path": file.path,
        "encoding": "b64",
        "content": base64.b64encode(file.content).decode(),
        "owner": file.owner,
        "permissions": file.mode,
    }
    # Files are written before users are made, unless they are deferred.
    return found if file.owner.split(":")[0] == "root" else {**found, "defer": True}


def _disks(description):
    """`auto` formats a disk that nothing is on, and leaves alone one that has the file system already, or another."""
    setups, mounts = [], []
    if description.swap:
        device = DISK.format(description.swap)
        setups.append({"device": device, "filesystem": "swap", "label": "swap"})
        mounts.append([device, "none", "swap", "sw,nofail", "0", "0"])
        # Of a config drive, cloud-init takes any disk with swap for one that it is to turn on, which this is already.
        mounts.append(["swap"])
    for disk in description.ephemeral:
        device = DISK.format(disk.serial)
        setups.append({"device": device, "filesystem": disk.filesystem, "label": disk.label})
        mounts.append([device, disk.mount, disk.filesystem, "defaults,nofail", "0", "2"])
    return {"fs_setup": [{**setup, "partition": "auto", "overwrite": False} for setup in setups], "mounts": mounts}
