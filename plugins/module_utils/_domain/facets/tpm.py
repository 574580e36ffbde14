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


def _find(root: _xml.Element) -> _xml.Element | None:
    return root.find("devices/tpm")


def _check(before: _xml.Element, after: _xml.Element, wanted: facet.Values) -> None:
    model = _xml.get(after, "devices/tpm/@model")
    if wanted.get("tpm", {}).get("version") == "1.2" and model not in (None, "tpm-tis"):
        raise _errors.InvalidInput.of("tpm.version", "1.2", f"a {model} is a TPM 2.0; give model: tpm-tis")


class _Model(_field.Field):
    """Another model is another device, with another place."""

    def write(self, root: _xml.Element, value: str) -> None:
        super().write(root, value)
        _xml.drop(root, "address")


class _Version(_field.Field):
    def write(self, root: _xml.Element, value: str) -> None:
        super().write(root, value)
        if value == "1.2":
            # Only a TPM 2.0 has banks of registers that can be chosen.
            _xml.drop(root, "backend/active_pcr_banks")


def _prepare(root: _xml.Element, tpm: facet.Values) -> None:
    """Make the device. Its state, on the host, is libvirt's to make and, when the guest is removed, to delete."""
    device = _find(root)
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


_MODEL = _Model("model", "@model")
_VERSION = _Version("version", "backend/@version")
_SHOWN = (_MODEL, _field.Field("backend", "backend/@type"), _VERSION)


def _describe(root: _xml.Element) -> facet.Values:
    device = _find(root)
    return {"tpm": None if device is None else _field.read_all(_SHOWN, device)}


FACET = facet.mapping_facet(
    "tpm",
    {
        "enabled": {"type": "bool"},
        "model": {"type": "str", "choices": ["tpm-crb", "tpm-tis", "tpm-spapr"]},
        "version": {"type": "str", "choices": ["1.2", "2.0"]},
        "persistent_state": {"type": "bool"},
    },
    (
        facet.Has("enabled", _find),
        *facet.within(
            _find,
            (
                _MODEL,
                _VERSION,
                _field.Field("persistent_state", "backend/@persistent_state", _field.YES_NO, empty=False),
            ),
        ),
    ),
    _complete,
    _prepare,
    check=_check,
    describe=_describe,
)
