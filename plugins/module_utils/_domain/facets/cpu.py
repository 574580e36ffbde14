# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The processor that the guest sees: mode, model and topology."""

from __future__ import annotations

import math
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _units, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet

_OPTIONS = {
    "mode": {"type": "str", "choices": ["host-model", "host-passthrough", "maximum", "custom"]},
    "model": {"type": "str"},
    "sockets": {"type": "int"},
    "cores": {"type": "int"},
    "threads": {"type": "int"},
}
_FIELDS = (
    _field.Field("mode", "cpu/@mode"),
    _field.Field("model", "cpu/model"),
    _field.Field("sockets", "cpu/topology/@sockets", _field.INTEGER),
    _field.Field("cores", "cpu/topology/@cores", _field.INTEGER),
    _field.Field("threads", "cpu/topology/@threads", _field.INTEGER),
)
_TOPOLOGY = ("sockets", "cores", "threads")


def _complete(cpu: facet.Values) -> None:
    if "model" in cpu and cpu.setdefault("mode", "custom") != "custom":
        raise _errors.InvalidInput.of("cpu.model", cpu["model"], "a model is given with mode custom alone")
    if cpu.get("mode") == "custom" and "model" not in cpu:
        raise _errors.InvalidInput.of("cpu.mode", "custom", "it needs cpu.model, such as x86_64-v2 or Skylake-Server")
    if any(key in cpu for key in _TOPOLOGY) and not any(cpu.get(key) for key in _TOPOLOGY):
        cpu.update(dict.fromkeys(_TOPOLOGY))
    elif any(key in cpu for key in _TOPOLOGY):
        for key in _TOPOLOGY:
            cpu[key] = _units.parse_count(f"cpu.{key}", cpu.get(key, 1), key, 65535)


def _prepare(root: _xml.Element, cpu: facet.Values) -> None:
    if "sockets" in cpu and cpu["sockets"] is None:
        # With it goes what libvirt has added to it, such as the number of dies.
        _xml.drop(root, "cpu/topology")
    mode = cpu.get("mode")
    # libvirt: an element without a mode is of the mode custom.
    present = _xml.get(root, "cpu/@mode") or ("custom" if root.find("cpu/model") is not None else None)
    if mode is not None and present not in (None, mode):
        # What belongs to another mode (its model, match and check) would contradict this one.
        for name in ("match", "check", "migratable", "deprecated_features"):
            _xml.put(root, f"cpu/@{name}", None)
        _xml.drop(root, "cpu/model")
        _xml.drop(root, "cpu/vendor")
    elif "model" in cpu and _xml.get(root, "cpu/model") != cpu["model"]:
        # The vendor of the host that the other model wanted.
        _xml.drop(root, "cpu/vendor")
    if mode == "custom":
        _xml.put(root, "cpu/@mode", mode)
        if _xml.get(root, "cpu/@match") is None:
            _xml.put(root, "cpu/@match", "exact")


def launch(wanted: facet.Values, guest: Any) -> facet.Values:
    # Under KVM a named host CPU keeps guests movable between like hosts; emulation has no host CPU to follow.
    return {"cpu": {"mode": "host-model"}} if guest.virt_type == "kvm" else {}


def check(before: _xml.Element, after: _xml.Element, wanted: facet.Values) -> None:
    """QEMU takes a topology that has as many CPUs as the guest can have, and no other."""
    topology = after.find("cpu/topology")
    if not wanted.get("cpu", {}).get("sockets") or topology is None or after.get("type") not in ("qemu", "kvm"):
        return
    count = int(_xml.get(after, "vcpu") or 1)
    has = math.prod(int(value) for value in topology.attrib.values())
    if has != count:
        shape = " x ".join(f"{value} {name}" for name, value in topology.attrib.items())
        raise _errors.InvalidInput(
            f"cpu: {shape} is not allowed; that makes {has} virtual CPUs, and the guest has {count} (the larger of vcpus and max_vcpus)"
        )


FACET = facet.mapping_facet(
    "cpu",
    _OPTIONS,
    _FIELDS,
    _complete,
    _prepare,
    launch=launch,
    check=check,
    describe=lambda root: {"cpu": _field.read_all(_FIELDS, root)},
)
