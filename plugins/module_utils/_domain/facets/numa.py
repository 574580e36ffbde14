# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""NUMA: the cells that a guest sees, and the nodes of its host that its memory comes from.

Source: libvirt domain XML, "Guest NUMA topology" and "NUMA Node Tuning".
"""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _units, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.memory_backing import MemoryField
from ansible_collections.kvmfleet.compute.plugins.module_utils._ranges import RANGES, numbers, parse_ranges, to_text

_OPTIONS = {
    "cells": {
        "type": "list",
        "elements": "dict",
        "options": {
            "cpus": {"type": "str", "required": True},
            "memory": {"type": "str", "required": True},
            "nodeset": {"type": "str"},
        },
    },
    "mode": {"type": "str", "choices": ["strict", "preferred", "interleave", "restrictive"]},
    "nodeset": {"type": "str"},
}
_CPUS = _field.Field("cpus", "@cpus", RANGES, empty="")
_MEMORY = MemoryField("memory", "@memory", empty=0)
_SIZE = MemoryField("size", "size", empty=0)
_GUEST_MEMORY = MemoryField("memory", "memory", empty=0)
_NODESET = _field.Field("nodeset", "@nodeset", RANGES, empty="")
_MODE = "numatune/memory/@mode"


def _complete(numa: facet.Values) -> None:
    if numa.get("nodeset"):
        numa["nodeset"] = parse_ranges("numa.nodeset", numa["nodeset"])
    elif "nodeset" in numa and "mode" in numa:
        raise _errors.InvalidInput.of("numa.mode", numa["mode"], "it needs numa.nodeset")
    if "cells" in numa:
        numa["cells"] = tuple(_parse_cell(f"numa.cells[{index}]", cell) for index, cell in enumerate(numa["cells"]))
        _check_cpus(numa["cells"])


def _parse_cell(option: str, cell: facet.Values) -> facet.Values:
    return {
        "cpus": parse_ranges(f"{option}.cpus", cell["cpus"]),
        "memory": _units.parse_memory(f"{option}.memory", cell["memory"]),
        "nodeset": parse_ranges(f"{option}.nodeset", cell["nodeset"]) if cell.get("nodeset") else "",
    }


def _check_cpus(cells: tuple[facet.Values, ...]) -> None:
    seen: set[int] = set()
    for index, cell in enumerate(cells):
        both = seen & numbers(cell["cpus"])
        if both:
            raise _errors.InvalidInput.of(
                f"numa.cells[{index}].cpus", cell["cpus"], f"CPU {to_text(both)} is in another cell already"
            )
        seen |= numbers(cell["cpus"])


def _prepare(root: _xml.Element, numa: facet.Values) -> None:
    if numa.get("nodeset") == "":
        _xml.drop(root, "numatune/memory")


class _Tuning(_field.Field):
    def write(self, root: _xml.Element, value: str) -> None:
        _xml.put(root, "numatune/memory/@placement", None)
        super().write(root, value)


class _Cells(_field.Row):
    option = "cells"

    def read(self, root: _xml.Element) -> tuple[facet.Values, ...]:
        return tuple(self._read_cell(root, cell) for cell in root.findall("cpu/numa/cell"))

    def _read_cell(self, root: _xml.Element, cell: _xml.Element) -> facet.Values:
        bound = root.find("numatune/memnode[@cellid='{}']".format(cell.get("id")))
        return {
            "cpus": _CPUS.read(cell),
            "memory": _MEMORY.read(cell),
            "nodeset": "" if bound is None else _NODESET.read(bound),
        }

    def write(self, root: _xml.Element, value: tuple[facet.Values, ...]) -> None:
        """Cells keep what they have besides, such as their distances and the mode of their memory, as long as they are there."""
        present = root.findall("cpu/numa/cell")
        for cell in present[len(value) :]:
            cell.getparent().remove(cell)
        for cell_id in range(len(value), len(present)):
            _forget_cell(root, str(cell_id))
        for index, wanted in enumerate(value):
            if index < len(present):
                cell = present[index]
            else:
                cell = _xml.element_of("cell")
                _xml.ensure(root, "cpu/numa").append(cell)
            cell.set("id", str(index))
            _CPUS.write(cell, wanted["cpus"])
            _MEMORY.write(cell, wanted["memory"])
            bound = root.find(f"numatune/memnode[@cellid='{index}']")
            if bound is not None and not wanted["nodeset"]:
                bound.getparent().remove(bound)
            elif bound is None and wanted["nodeset"]:
                bound = _xml.element_of("memnode", {"cellid": index, "mode": _xml.get(root, _MODE) or "strict"})
                _xml.ensure(root, "numatune").append(bound)
            if wanted["nodeset"] and _NODESET.read(bound) != wanted["nodeset"]:
                _NODESET.write(bound, wanted["nodeset"])
        _xml.prune(root, "cpu/numa")
        _xml.prune(root, "numatune")


def _forget_cell(root: _xml.Element, cell_id: str) -> None:
    """Remove what refers to a cell that is gone."""
    for path in (
        f"numatune/memnode[@cellid='{cell_id}']",
        f"cpu/numa/cell/distances/sibling[@id='{cell_id}']",
        f"cpu/numa/interconnects/*[@initiator='{cell_id}']",
        f"cpu/numa/interconnects/*[@target='{cell_id}']",
    ):
        _xml.drop(root, path)
    for path in ("cpu/numa/cell/distances", "cpu/numa/interconnects"):
        for element in root.findall(path):
            if not len(element):
                element.getparent().remove(element)


_CELLS = _Cells()


def _check(before: _xml.Element, after: _xml.Element, wanted: facet.Values) -> None:
    """The cells have all of the guest's CPUs and memory: libvirt would make them do so, at the first cell's cost."""
    mode = _xml.get(after, _MODE)
    if "numa" in wanted and mode and after.find("numatune/memory[@nodeset]") is None:
        raise _errors.InvalidInput.of("numa.mode", mode, "it needs numa.nodeset")
    cells = _CELLS.read(after)
    if not cells or _whole(before) == _whole(after):
        return
    memory = sum(cell["memory"] for cell in cells)
    # What was plugged in is counted with the guest's memory, and is in no cell's.
    plugged = sum(_SIZE.read(device) for device in after.findall("devices/memory/target"))
    size = _GUEST_MEMORY.read(after) - plugged
    if memory != size:
        raise _errors.InvalidInput.of(
            "numa.cells",
            _units.format_size(memory * 1024),
            f"the memory of the cells together is to be that of the guest, {_units.format_size(size * 1024)}",
        )
    cpus = set().union(*(numbers(cell["cpus"]) for cell in cells))
    count = int(after.findtext("vcpu"))
    if cpus != set(range(count)):
        raise _errors.InvalidInput.of(
            "numa.cells",
            to_text(cpus),
            f"the CPUs of the cells together are to be those of the guest, {to_text(range(count))}",
        )


def _whole(root: _xml.Element) -> tuple[object, ...]:
    return _CELLS.read(root), _GUEST_MEMORY.read(root), root.findtext("vcpu")


FACET = facet.mapping_facet(
    "numa",
    _OPTIONS,
    (_Tuning("mode", _MODE), _Tuning("nodeset", "numatune/memory/@nodeset", RANGES, empty=""), _CELLS),
    _complete,
    _prepare,
    check=_check,
)
