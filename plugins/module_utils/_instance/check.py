# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""check: refuse a planned definition that libvirt would refuse, and name the option that is to blame. Writes nothing.

libvirt is asked what definitions mean, too.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _validation, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import definition, patch
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.plan import plan

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils import _plan
    from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facet import Values
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedure import InstanceSpec, Observed

    Planned = tuple[InstanceSpec, Observed, _plan.Plan]

# A new guest can't do without these.
_LEAST = {"memory": 64 * 1024, "vcpus": 1}
_SECRET = {option for facet in definition.FACETS for option in facet.secret}


def refusals(conn: Conn, planned: Sequence[Planned]) -> list[_errors.InvalidInput | None]:
    """Return, for each plan that defines its guest, the error when libvirt would refuse that; None where it would not."""
    found = _validation.refusals(conn, [the_plan.after for _spec, _observed, the_plan in planned])
    return [
        None if message is None else _error(conn, message, spec, observed)
        for message, (spec, observed, _the_plan) in zip(found, planned)
    ]


def is_patched(conn: Conn, root: _xml.Element, patches: Sequence[patch.Patch]) -> bool:
    """Tell whether libvirt reads a definition in the same way with and without patches that change its text."""
    after = copy.deepcopy(root)
    try:
        patch.apply(after, patches)
    except _errors.InvalidInput:
        # They may need what the options of the task make; the plan says so if they don't.
        return False
    if _xml.to_text(after) == _xml.to_text(root) or _xml.secrets(after) != _xml.secrets(root):
        return False
    return _validation.mean_the_same(conn, _xml.redacted_text(root), _xml.redacted_text(after))


def _error(conn: Conn, message: str, spec: InstanceSpec, observed: Observed) -> _errors.InvalidInput | None:
    """Name the options without which libvirt takes the definition. What the guest had before is not for the task to mend."""
    fewer = list(_with_one_less(spec, observed))
    found = _validation.refusals(conn, [_xml.redacted_text(observed.inactive), *(text for _what, text in fewer)])
    blamed = [what for (what, _text), refused in zip(fewer, found[1:]) if refused is None]
    # Of a list and an item of it, the item says more.
    blamed = [what for what in blamed if not any(other.startswith((f"{what}[", f"{what}.")) for other in blamed)]
    if not blamed and observed.exists and found[0] is not None:
        return None
    shown = [_shown(what, spec) for what in blamed] or [f"the definition of {spec.name!r}"]
    others = f" with {' and '.join(shown[:-1])}" if len(shown) > 1 else ""
    return _errors.InvalidInput(f"{shown[-1]} is not allowed{others}; libvirt refuses it: {message}")


def _shown(what: str, spec: InstanceSpec) -> str:
    option, _dot, key = what.partition(".")
    value = spec.wanted.get(option)
    value = value.get(key) if key and isinstance(value, dict) else value
    return f"{what}: {value!r}" if isinstance(value, (str, int)) and what not in _SECRET else what


def _with_one_less(spec: InstanceSpec, observed: Observed) -> Iterator[tuple[str, str]]:
    """Yield (option, definition) for each part of the task: the definition that is planned without it, where that can be."""
    for what, fewer in _parts(spec):
        try:
            yield what, plan(fewer, observed).after
        except (_errors.KvmfleetError, KeyError):
            # The rest makes no sense without it, such as a new guest without its memory.
            continue


def _parts(spec: InstanceSpec) -> Iterator[tuple[str, InstanceSpec]]:
    for option, value in spec.wanted.items():
        rest = _but(spec.wanted, option)
        yield option, replace(spec, wanted=dict(rest, **{option: _LEAST[option]}) if option in _LEAST else rest)
        for key in value if isinstance(value, dict) else ():
            yield f"{option}.{key}", replace(spec, wanted=dict(rest, **{option: _but(value, key)}))
        if isinstance(value, tuple) and len(value) > 1:
            for index in range(len(value)):
                yield f"{option}[{index}]", replace(spec, wanted=dict(rest, **{option: _without(value, index)}))
    for index, disk in enumerate(spec.disks):
        yield disk.option, replace(spec, disks=_without(spec.disks, index))
    for index, change in enumerate(spec.patches):
        yield change.option, replace(spec, patches=_without(spec.patches, index))


def _but(values: Values, left_out: str) -> Values:
    return {name: value for name, value in values.items() if name != left_out}


def _without(items: Sequence[Any], index: int) -> tuple[Any, ...]:
    return (*items[:index], *items[index + 1 :])
