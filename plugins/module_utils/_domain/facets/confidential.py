# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What a guest keeps its secrets with: an emulated TPM, and memory that its host can't read."""

from __future__ import annotations

import re

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facet import enable_by_use, mapping_facet
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import Conflict, InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._field import HEX, INTEGER, YES_NO, Field, Presence
from ansible_collections.kvmfleet.compute.plugins.module_utils._xml import element_of


def _check_tpm(tpm):
    enable_by_use("tpm", tpm)
    if tpm.get("version") == "1.2" and tpm.get("model", "tpm-tis") != "tpm-tis":
        raise InvalidInput.of("tpm.version", "1.2", f"a {tpm['model']} is a TPM 2.0")


def _prepare_tpm(root, tpm):
    """Make the device. Its state, on the host, is libvirt's to make and, when the guest is removed, to delete."""
    device = root.find("devices/tpm")
    if device is None and tpm["enabled"]:
        version = tpm.get("version", "2.0")
        is_pc = _xml.get(root, "os/type/@arch") in ("x86_64", "i686")
        device = element_of("tpm", {"model": "tpm-crb" if is_pc and version == "2.0" else None})
        device.append(element_of("backend", {"type": "emulator", "version": version}))
        root.find("devices").append(device)
    elif device is not None and len(tpm) > 1 and _xml.get(device, "backend/@type") != "emulator":
        raise Conflict(
            f"tpm: the guest has a TPM with the backend {_xml.get(device, 'backend/@type')}, which these options are not for"
        )


# Source: libvirt domain XML, "TPM device".
TPM = mapping_facet(
    "tpm",
    {
        "enabled": {"type": "bool"},
        "model": {"type": "str", "choices": ["tpm-crb", "tpm-tis", "tpm-spapr"]},
        "version": {"type": "str", "choices": ["1.2", "2.0"]},
        "persistent_state": {"type": "bool"},
    },
    (
        Presence("enabled", "devices/tpm"),
        Field("model", "devices/tpm/@model"),
        Field("version", "devices/tpm/backend/@version"),
        Field("persistent_state", "devices/tpm/backend/@persistent_state", YES_NO, empty=False),
    ),
    _check_tpm,
    _prepare_tpm,
)

_SEV = ("policy", "cbitpos", "reduced_phys_bits", "kernel_hashes")
_KEYS = {
    "sev": (*_SEV, "dh_cert", "session"),
    "sev-snp": (*_SEV, "guest_visible_workarounds", "id_block", "id_auth", "host_data", "author_key", "vcek"),
    "s390-pv": (),
}


def _check_launch_security(security):
    enable_by_use("launch_security", security)
    if not security["enabled"]:
        return
    kind = security.get("type")
    if kind is None:
        raise InvalidInput("launch_security.type: no value is given; one of {} is needed".format(", ".join(_KEYS)))
    for key in security:
        if key not in ("enabled", "type", *_KEYS[kind]):
            raise InvalidInput.of(f"launch_security.{key}", security[key], f"{kind} does not have it")
    if _KEYS[kind]:
        security["policy"] = _parse_policy(kind, security.get("policy"))


def _parse_policy(kind, value):
    if value is None:
        raise InvalidInput(f"launch_security.policy: no value is given; {kind} needs one, such as 0x3")
    if not re.fullmatch(r"0[xX][0-9a-fA-F]{1,16}|[0-9]{1,19}", value):
        raise InvalidInput.of("launch_security.policy", value, "a number is needed, such as 0x3")
    return int(value, 16 if value[1:2] in ("x", "X") else 10)


def _prepare_launch_security(root, security):
    """What belongs to another type has no meaning in this one."""
    if _xml.get(root, "launchSecurity/@type") != security.get("type"):
        _xml.drop(root, "launchSecurity")


# Source: libvirt domain XML, "Launch Security".
LAUNCH_SECURITY = mapping_facet(
    "launch_security",
    {
        "enabled": {"type": "bool"},
        "type": {"type": "str", "choices": list(_KEYS)},
        "policy": {"type": "str"},
        "cbitpos": {"type": "int"},
        "reduced_phys_bits": {"type": "int"},
        "kernel_hashes": {"type": "bool"},
        "dh_cert": {"type": "str"},
        "session": {"type": "str"},
        "guest_visible_workarounds": {"type": "str"},
        "id_block": {"type": "str"},
        "id_auth": {"type": "str"},
        "host_data": {"type": "str"},
        "author_key": {"type": "bool", "no_log": False},
        "vcek": {"type": "bool"},
    },
    (
        Presence("enabled", "launchSecurity"),
        Field("type", "launchSecurity/@type"),
        Field("policy", "launchSecurity/policy", HEX),
        Field("cbitpos", "launchSecurity/cbitpos", INTEGER),
        Field("reduced_phys_bits", "launchSecurity/reducedPhysBits", INTEGER),
        Field("kernel_hashes", "launchSecurity/@kernelHashes", YES_NO, empty=False),
        Field("dh_cert", "launchSecurity/dhCert", empty=""),
        Field("session", "launchSecurity/session", empty=""),
        Field("guest_visible_workarounds", "launchSecurity/guestVisibleWorkarounds", empty=""),
        Field("id_block", "launchSecurity/idBlock", empty=""),
        Field("id_auth", "launchSecurity/idAuth", empty=""),
        Field("host_data", "launchSecurity/hostData", empty=""),
        Field("author_key", "launchSecurity/@authorKey", YES_NO, empty=False),
        Field("vcek", "launchSecurity/@vcek", YES_NO, empty=True),
    ),
    _check_launch_security,
    _prepare_launch_security,
)
