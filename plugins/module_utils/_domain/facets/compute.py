# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Memory and virtual CPUs."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facet import Facet
from ansible_collections.kvmfleet.compute.plugins.module_utils._units import parse_count, parse_memory

OPTIONS = {
    "memory": {"type": "str"},
    "vcpus": {"type": "str"},
}


def parse(params):
    wanted = {}
    if params.get("memory") is not None:
        wanted["memory"] = parse_memory("memory", params["memory"])
    if params.get("vcpus") is not None:
        wanted["vcpus"] = parse_count("vcpus", params["vcpus"], "virtual CPUs")
    return wanted


def read(root, wanted):
    values = {"memory": int(_xml.get(root, "memory") or 0), "vcpus": _vcpus(root)}
    return {option: values[option] for option in wanted}


def _vcpus(root):
    current = _xml.get(root, "vcpu/@current")
    return int(current or _xml.get(root, "vcpu") or 0)


def write(root, wanted):
    if "memory" in wanted:
        for path in ("memory", "currentMemory"):
            _xml.put(root, path, str(wanted["memory"]))
            _xml.put(root, f"{path}/@unit", "KiB")
    if "vcpus" in wanted:
        _write_vcpus(root, wanted["vcpus"])


def _write_vcpus(root, count):
    """Set the CPUs that are on. A maximum above them (made for hot-plug) is kept when it is large enough."""
    maximum = int(_xml.get(root, "vcpu") or 0)
    if _xml.get(root, "vcpu/@current") is not None and count < maximum:
        _xml.put(root, "vcpu/@current", str(count))
    else:
        _xml.put(root, "vcpu/@current", None)
        _xml.put(root, "vcpu", str(count))


FACET = Facet(options=OPTIONS, parse=parse, read=read, write=write)
