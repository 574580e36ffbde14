# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""An emulated TPM.

Source: libvirt domain XML, "TPM device".
"""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet


def _complete(tpm: facet.Values) -> None:
    facet.enable_by_use("tpm", tpm)
    if tpm.get("version") == "1.2" and tpm.get("model", "tpm-tis") != "tpm-tis":
        raise _errors.InvalidInput.of("tpm.version", "1.2", f"a {tpm['model']} is a TPM 2.0")


def _prepare(root: _xml.Element, tpm: facet.Values) -> None:
    """Make the device. Its state, on the host, is libvirt's to make and, when the guest is removed, to delete."""
    device = root.find("devices/tpm")
    if device is None and tpm["enabled"]:
        version = tpm.get("version", "2.0")
        is_pc = _xml.get(root, "os/type/@arch") in ("x86_64", "i686")
        device = _xml.element_of("tpm", {"model": "tpm-crb" if is_pc and version == "2.0" else None})
        device.append(_xml.element_of("backend", {"type": "emulator", "version": version}))
        root.find("devices").append(device)
    elif device is not None and len(tpm) > 1 and _xml.get(device, "backend/@type") != "emulator":
        raise _errors.Conflict(
            f"tpm: the guest has a TPM with the backend {_xml.get(device, 'backend/@type')}, which these options are not for"
        )


_MODEL = _field.Field("model", "devices/tpm/@model")
_BACKEND = _field.Field("backend", "devices/tpm/backend/@type")
_VERSION = _field.Field("version", "devices/tpm/backend/@version")


def _describe(root: _xml.Element) -> facet.Values:
    return {"tpm": None if root.find("devices/tpm") is None else _field.read_all((_MODEL, _BACKEND, _VERSION), root)}


FACET = facet.mapping_facet(
    "tpm",
    {
        "enabled": {"type": "bool"},
        "model": {"type": "str", "choices": ["tpm-crb", "tpm-tis", "tpm-spapr"]},
        "version": {"type": "str", "choices": ["1.2", "2.0"]},
        "persistent_state": {"type": "bool"},
    },
    (
        _field.Presence("enabled", "devices/tpm"),
        _MODEL,
        _VERSION,
        _field.Field("persistent_state", "devices/tpm/backend/@persistent_state", _field.YES_NO, empty=False),
    ),
    _complete,
    _prepare,
    describe=_describe,
)
