# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What a guest's memory is made of on its host: huge pages, memory that other processes share, memory that stays in RAM.

Source: libvirt domain XML, "Memory Backing".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _units, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet
from ansible_collections.kvmfleet.compute.plugins.module_utils._ranges import RANGES, parse_ranges


class MemoryField(_field.Field):
    """An attribute in KiB, beside an attribute `unit` that says so."""

    def read(self, root: _xml.Element) -> Any:
        number = _xml.get(root, self.path)
        unit = _xml.get(root, self._unit()) or "KiB"
        return self.empty if number is None else int(number) * _units.LIBVIRT_UNITS[unit] // 1024

    def write(self, root: _xml.Element, value: int) -> None:
        _xml.put(root, self._unit(), None if value == self.empty else "KiB")
        _xml.put(root, self.path, None if value == self.empty else str(value))

    def _unit(self) -> str:
        return "{}@unit".format(self.path.split("@")[0])


def _complete_huge_pages(pages: facet.Values) -> None:
    facet.enable_by_use("huge_pages", pages)
    if "size" in pages:
        pages["size"] = _units.parse_memory("huge_pages.size", pages["size"])
    if pages.get("nodes"):
        pages["nodes"] = parse_ranges("huge_pages.nodes", pages["nodes"])
        if "size" not in pages:
            raise _errors.InvalidInput.of("huge_pages.nodes", pages["nodes"], "it needs huge_pages.size")


HUGE_PAGES = facet.mapping_facet(
    "huge_pages",
    {"enabled": {"type": "bool"}, "size": {"type": "str"}, "nodes": {"type": "str"}},
    (
        _field.Presence("enabled", "memoryBacking/hugepages"),
        MemoryField("size", "memoryBacking/hugepages/page/@size"),
        _field.Field("nodes", "memoryBacking/hugepages/page/@nodeset", RANGES, empty=""),
    ),
    _complete_huge_pages,
)

_ACCESS = "memoryBacking/access/@mode"
_SOURCE = "memoryBacking/source/@type"


def is_shared(root: _xml.Element) -> bool:
    """Tell whether other processes, such as virtiofsd, can share all of the guest's memory."""
    cells = root.findall("cpu/numa/cell")
    default = _xml.get(root, _ACCESS)
    return all(access == "shared" for access in ([cell.get("memAccess", default) for cell in cells] or [default]))


def _prepare_backing(root: _xml.Element, backing: facet.Values) -> None:
    """Memory can be shared from a file; one that is nobody's, and needs no disk, serves unless another is there."""
    if (
        backing.get("access") == "shared"
        and "source" not in backing
        and _xml.get(root, _SOURCE) in (None, "anonymous")
        and root.find("memoryBacking/hugepages") is None
    ):
        _xml.put(root, _SOURCE, "memfd")


_BACKING = facet.mapping_facet(
    "memory_backing",
    {
        "source": {"type": "str", "choices": ["anonymous", "file", "memfd"]},
        "access": {"type": "str", "choices": ["private", "shared"]},
        "locked": {"type": "bool"},
    },
    (
        _field.Field("source", _SOURCE, empty="anonymous"),
        _field.Field("access", _ACCESS, empty="private"),
        _field.Presence("locked", "memoryBacking/locked"),
    ),
    prepare=_prepare_backing,
)


def _parse_backing(params: facet.Values) -> facet.Values:
    """Shared file systems imply memory that virtiofsd can share."""
    if params.get("filesystems"):
        backing = facet.given_keys(params.get("memory_backing"))
        if backing.setdefault("access", "shared") != "shared":
            raise _errors.InvalidInput.of(
                "memory_backing.access", backing["access"], "filesystems need it to be shared"
            )
        params = dict(params, memory_backing=backing)
    return _BACKING.parse(params)


MEMORY_BACKING = replace(_BACKING, parse=_parse_backing)
