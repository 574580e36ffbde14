# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What the guest is: machine type, title and description."""

from __future__ import annotations

import re

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet

OPTIONS = {
    "machine": {"type": "str"},
    "title": {"type": "str"},
    "description": {"type": "str"},
}
# libvirt expands these names to the newest version that QEMU has; the version is kept for the life of the guest.
MACHINE_ALIASES = {"q35": r"pc-q35-.+", "pc": r"pc-i440fx-.+", "virt": r"virt-.+"}


class _Machine(_field.Field):
    """The machine type. An alias is satisfied by any version of its kind of machine."""

    def read_like(self, root: _xml.Element, wanted: str) -> str | None:
        machine = self.read(root)
        return wanted if machine and re.fullmatch(MACHINE_ALIASES.get(wanted, "(?!)"), machine) else machine

    def write(self, root: _xml.Element, value: str) -> None:
        """Another version of the same kind of machine is the operator's choice; another kind would need other devices."""
        current = self.read(root)
        if current and _kind(current) != _kind(value):
            raise _errors.InvalidInput.of(
                "machine", value, f"the guest is a {current}, and can't become another kind of machine"
            )
        super().write(root, value)


def _kind(machine: str) -> str:
    for alias, versions in MACHINE_ALIASES.items():
        if machine == alias or re.fullmatch(versions, machine):
            return alias
    return machine


FIELDS = (
    _Machine("machine", "os/type/@machine"),
    _field.Field("title", "title", empty=""),
    _field.Field("description", "description", empty=""),
)
_SHOWN = (*FIELDS, _field.Field("virt_type", "@type"), _field.Field("arch", "os/type/@arch"))


def _parse(params: facet.Values) -> facet.Values:
    wanted = facet.given_options(OPTIONS, params)
    # Source: libvirt's schema of a domain.
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", wanted.get("machine", "q35")):
        raise _errors.InvalidInput.of("machine", wanted["machine"], "a machine type is needed, such as q35")
    return wanted


FACET = facet.scalar_facet(
    OPTIONS, FIELDS, _parse, live=("title", "description"), describe=lambda root: _field.read_all(_SHOWN, root)
)
