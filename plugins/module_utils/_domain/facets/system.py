# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What the guest is: machine type, title and description."""

from __future__ import annotations

import re

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facet import Facet
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput

OPTIONS = {
    "machine": {"type": "str"},
    "title": {"type": "str"},
    "description": {"type": "str"},
}
# libvirt expands these names to the newest version that QEMU has; the version is kept for the life of the guest.
MACHINE_ALIASES = {"q35": r"pc-q35-.+", "pc": r"pc-i440fx-.+", "virt": r"virt-.+"}


def parse(params):
    return {option: params[option] for option in OPTIONS if params.get(option) is not None}


def read(root, wanted):
    values = {
        "machine": _machine(root, wanted.get("machine")),
        "title": _xml.get(root, "title") or "",
        "description": _xml.get(root, "description") or "",
    }
    return {option: values[option] for option in wanted}


def _machine(root, wanted):
    machine = _xml.get(root, "os/type/@machine")
    if machine and re.fullmatch(MACHINE_ALIASES.get(wanted, "(?!)"), machine):
        return wanted
    return machine


def write(root, wanted):
    current = read(root, wanted)
    for option, value in wanted.items():
        if current[option] != value:
            _WRITERS[option](root, value)


def _write_machine(root, value):
    """Another version of the same kind of machine is the operator's choice; another kind would need other devices."""
    current = _xml.get(root, "os/type/@machine")
    if current and _kind(current) != _kind(value):
        raise InvalidInput.of("machine", value, f"the guest is a {current}, and can't become another kind of machine")
    _xml.put(root, "os/type/@machine", value)


def _kind(machine):
    for alias, versions in MACHINE_ALIASES.items():
        if machine == alias or re.fullmatch(versions, machine):
            return alias
    return machine


def _write_title(root, value):
    _xml.put(root, "title", value or None)


def _write_description(root, value):
    _xml.put(root, "description", value or None)


_WRITERS = {
    "machine": _write_machine,
    "title": _write_title,
    "description": _write_description,
}

FACET = Facet(options=OPTIONS, parse=parse, read=read, write=write, live=("title", "description"))
