# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Confidential guests, whose memory their host can't read.

Source: libvirt domain XML, "Launch Security".
"""

from __future__ import annotations

import re

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet

_SEV = ("policy", "cbitpos", "reduced_phys_bits", "kernel_hashes")
_KEYS = {
    "sev": (*_SEV, "dh_cert", "session"),
    "sev-snp": (*_SEV, "guest_visible_workarounds", "id_block", "id_auth", "host_data", "author_key", "vcek"),
    "s390-pv": (),
}

# A position in, and a number of, the bits of an address.
_BITS = 64


def _check_launch_security(security: facet.Values) -> None:
    facet.enable_by_use("launch_security", security)
    for key in ("cbitpos", "reduced_phys_bits"):
        if not 0 <= security.get(key, 0) <= _BITS:
            raise _errors.InvalidInput.of(
                f"launch_security.{key}", security[key], f"a number of 0 to {_BITS} is needed"
            )
    if not security["enabled"]:
        return
    kind = security.get("type")
    if kind is None:
        raise _errors.InvalidInput(
            "launch_security.type: no value is given; one of {} is needed".format(", ".join(_KEYS))
        )
    for key in security:
        if key not in ("enabled", "type", *_KEYS[kind]):
            raise _errors.InvalidInput.of(f"launch_security.{key}", security[key], f"{kind} does not have it")
    if _KEYS[kind]:
        security["policy"] = _parse_policy(kind, security.get("policy"))


def _parse_policy(kind: str, value: str | None) -> int:
    if value is None:
        raise _errors.InvalidInput(f"launch_security.policy: no value is given; {kind} needs one, such as 0x3")
    if not re.fullmatch(r"0[xX][0-9a-fA-F]{1,16}|[0-9]{1,19}", value):
        raise _errors.InvalidInput.of("launch_security.policy", value, "a number is needed, such as 0x3")
    return int(value, 16 if value[1:2] in ("x", "X") else 10)


def _prepare_launch_security(root: _xml.Element, security: facet.Values) -> None:
    """What belongs to another type has no meaning in this one."""
    if _xml.get(root, "launchSecurity/@type") != security.get("type"):
        _xml.drop(root, "launchSecurity")


LAUNCH_SECURITY = facet.mapping_facet(
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
        _field.Presence("enabled", "launchSecurity"),
        _field.Field("type", "launchSecurity/@type"),
        _field.Field("policy", "launchSecurity/policy", _field.HEX),
        _field.Field("cbitpos", "launchSecurity/cbitpos", _field.INTEGER),
        _field.Field("reduced_phys_bits", "launchSecurity/reducedPhysBits", _field.INTEGER),
        _field.Field("kernel_hashes", "launchSecurity/@kernelHashes", _field.YES_NO, empty=False),
        _field.Field("dh_cert", "launchSecurity/dhCert", empty=""),
        _field.Field("session", "launchSecurity/session", empty=""),
        _field.Field("guest_visible_workarounds", "launchSecurity/guestVisibleWorkarounds", empty=""),
        _field.Field("id_block", "launchSecurity/idBlock", empty=""),
        _field.Field("id_auth", "launchSecurity/idAuth", empty=""),
        _field.Field("host_data", "launchSecurity/hostData", empty=""),
        _field.Field("author_key", "launchSecurity/@authorKey", _field.YES_NO, empty=False),
        _field.Field("vcek", "launchSecurity/@vcek", _field.YES_NO, empty=True),
    ),
    _check_launch_security,
    _prepare_launch_security,
)
