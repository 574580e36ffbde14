# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The files of a config drive: OpenStack's layout, and that of NoCloud. Pure: same description, same bytes.

Source: OpenStack, "Metadata" (config drives); cloud-init, data sources ConfigDrive and NoCloud.
"""

from __future__ import annotations

import base64
import json
import uuid
from hashlib import sha256

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._firstboot import (
    cloud_config,
    network_config,
    network_data,
    user_data,
    yaml_text,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._firstboot.description import hostname_of

CONFIG_DRIVE = "config-2"
NOCLOUD = "cidata"
# As large as OpenStack's VFAT drives are.
LIMIT = 64 * 1024 * 1024
_META_DATA = "openstack/latest/meta_data.json"


def check(label, description, name):
    """Refuse what a drive of this label can't say of the guest with a name. Raises InvalidInput."""
    _hostname(description, name)
    if label == CONFIG_DRIVE:
        network_data.check(description.interfaces)


def files(label, description, name, guest_uuid, instance_id="keep"):
    """Return {path: bytes} of the drive with this label, CONFIG_DRIVE or NOCLOUD, of the guest with a name and UUID.

    instance_id: `keep` has the guest's UUID, so that cloud-init does its work once in the guest's life;
    `new_on_change` a UUID of what is described, so that it does it again whenever that changes. Raises InvalidInput.
    """
    layout = {CONFIG_DRIVE: _openstack, NOCLOUD: _nocloud}[label]
    found = layout(description, name, guest_uuid)
    if instance_id == "new_on_change":
        found = layout(description, name, str(uuid.uuid5(uuid.UUID(guest_uuid), digest(label, found))))
    size = sum(len(content) for content in found.values())
    if size > LIMIT:
        raise _errors.InvalidInput(f"write_files: the config drive would have {size} bytes; {LIMIT} bytes are allowed")
    return found


def with_random_seed(label, found, seed):
    """Return the files with random bytes for the guest's generator, which only OpenStack's layout has a place for."""
    if label != CONFIG_DRIVE:
        return found
    meta_data = json.loads(found[_META_DATA])
    meta_data["random_seed"] = base64.b64encode(seed).decode()
    return {**found, _META_DATA: yaml_text.write(meta_data).encode()}


def digest(label, found):
    """Return a text of hexadecimal digits that says what is on a drive, by which it can be named."""
    whole = sha256(label.encode())
    for path in sorted(found):
        whole.update(f"\0{path}\0{len(found[path])}\0".encode())
        whole.update(found[path])
    return whole.hexdigest()


def _openstack(description, name, identity):
    meta_data = {
        "uuid": identity,
        "name": name,
        "hostname": _hostname(description, name),
        "launch_index": 0,
        "meta": description.metadata,
    }
    if description.ssh_keys:
        keys = {f"key{index}": key for index, key in enumerate(description.ssh_keys)}
        meta_data["public_keys"] = keys
        meta_data["keys"] = [{"name": key, "type": "ssh", "data": keys[key]} for key in keys]
    found = {"meta_data.json": yaml_text.write(meta_data)}
    if description.interfaces:
        found["network_data.json"] = yaml_text.write(network_data.render(description.interfaces))
    if description.vendor_data is not None:
        found["vendor_data.json"] = yaml_text.write({"cloud-init": description.vendor_data})
    text = _user_data(description)
    if text is not None:
        found["user_data"] = text
    return {f"openstack/latest/{path}": text.encode() for path, text in found.items()}


def _nocloud(description, name, identity):
    meta_data = {"instance-id": identity, "local-hostname": _hostname(description, name)}
    if description.ssh_keys:
        meta_data["public-keys"] = list(description.ssh_keys)
    if description.metadata:
        meta_data["meta"] = description.metadata
    # cloud-init takes a drive for one of NoCloud only when it has both.
    found = {"meta-data": yaml_text.write(meta_data), "user-data": _user_data(description) or ""}
    if description.interfaces:
        found["network-config"] = yaml_text.write(network_config.render(description.interfaces))
    if description.vendor_data is not None:
        found["vendor-data"] = description.vendor_data
    return {path: text.encode() for path, text in found.items()}


def _hostname(description, name):
    return description.hostname or hostname_of(name)


def _user_data(description):
    return user_data.joined("user_data", description.user_data, cloud_config.content(description))
