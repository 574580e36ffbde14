# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The processor that the guest sees: mode, model and topology."""

from __future__ import annotations

from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facet import Values, mapping_facet
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._field import INTEGER, Field, read_all
from ansible_collections.kvmfleet.compute.plugins.module_utils._units import parse_count
from ansible_collections.kvmfleet.compute.plugins.module_utils._xml import Element

_OPTIONS = {
    "mode": {"type": "str", "choices": ["host-model", "host-passthrough", "maximum", "custom"]},
    "model": {"type": "str"},
    "sockets": {"type": "int"},
    "cores": {"type": "int"},
    "threads": {"type": "int"},
}
_FIELDS = (
    Field("mode", "cpu/@mode"),
    Field("model", "cpu/model"),
    Field("sockets", "cpu/topology/@sockets", INTEGER),
    Field("cores", "cpu/topology/@cores", INTEGER),
    Field("threads", "cpu/topology/@threads", INTEGER),
)
_TOPOLOGY = ("sockets", "cores", "threads")


def _complete(cpu: Values) -> None:
    if "model" in cpu and cpu.setdefault("mode", "custom") != "custom":
        raise InvalidInput.of("cpu.model", cpu["model"], "a model is given with mode custom alone")
    if cpu.get("mode") == "custom" and "model" not in cpu:
        raise InvalidInput.of("cpu.mode", "custom", "it needs cpu.model, such as x86_64-v2 or Skylake-Server")
    if any(key in cpu for key in _TOPOLOGY):
        for key in _TOPOLOGY:
            cpu[key] = parse_count(f"cpu.{key}", cpu.get(key, 1), key)


def _prepare(root: Element, cpu: Values) -> None:
    mode = cpu.get("mode")
    if mode is not None and _xml.get(root, "cpu/@mode") not in (None, mode):
        # What belongs to another mode (its model, match and check) would contradict this one.
        for name in ("match", "check", "migratable"):
            _xml.put(root, f"cpu/@{name}", None)
        _xml.drop(root, "cpu/model")
    if mode == "custom":
        _xml.put(root, "cpu/@mode", mode)
        if _xml.get(root, "cpu/@match") is None:
            _xml.put(root, "cpu/@match", "exact")


def launch(wanted: Values, guest: Any) -> Values:
    # Under KVM a named host CPU keeps guests movable between like hosts; emulation has no host CPU to follow.
    return {"cpu": {"mode": "host-model"}} if guest.virt_type == "kvm" else {}


FACET = mapping_facet(
    "cpu",
    _OPTIONS,
    _FIELDS,
    _complete,
    _prepare,
    launch=launch,
    describe=lambda root: {"cpu": read_all(_FIELDS, root)},
)
