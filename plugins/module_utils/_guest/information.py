# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What the QEMU guest agent tells of the system inside a guest."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _typed_params
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.addresses import agent_limit


def information(domain, timeout):
    """Ask the agent of a guest; return what it knows, and under `error` why it could not be asked (None otherwise).

    timeout: whole seconds for each answer.
    Source: virDomainGetGuestInfo.
    """
    try:
        with agent_limit(domain, timeout):
            # No kind is named: an agent that lacks one tells the others.
            answer = domain.guestInfo(0, 0)
    except libvirt.libvirtError as exc:
        return dict(facts({}), error=str(exc))
    return dict(facts(answer), error=None)


def facts(answer):
    """Return the typed parameters of an agent's answer in their documented shape."""
    return {
        "hostname": answer.get("hostname"),
        "os": _typed_params.mapping(answer, "os"),
        "timezone": _typed_params.mapping(answer, "timezone"),
        "users": [_typed_params.mapping(values) for _number, values in _typed_params.items(answer, "user")],
        "filesystems": [_filesystem(values) for _number, values in _typed_params.items(answer, "fs")],
        "interfaces": [_interface(values) for _number, values in _typed_params.items(answer, "if")],
    }


def _filesystem(values):
    disks = [_typed_params.mapping(disk) for _number, disk in _typed_params.items(values, "disk")]
    return dict(_typed_params.mapping(values), disks=disks)


def _interface(values):
    addresses = [
        {"address": item.get("addr"), "prefix": item.get("prefix"), "family": item.get("type")}
        for _number, item in _typed_params.items(values, "addr")
    ]
    return {"name": values.get("name"), "mac": values.get("hwaddr"), "addresses": addresses}
