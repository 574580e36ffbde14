# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The memory balloon, by which a guest gives memory back to its host.

Source: libvirt domain XML, "Memory balloon device".
"""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _units, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet

_BALLOON = "devices/memballoon"


def _check(balloon: facet.Values) -> None:
    if balloon.get("model") == "none" and len(balloon) > 1:
        raise _errors.InvalidInput.of(
            "memory_balloon.model", "none", "the other options of memory_balloon need a balloon"
        )
    if "stats_period" in balloon:
        given = balloon["stats_period"]
        period = _units.parse_duration("memory_balloon.stats_period", given)
        if period != int(period):
            raise _errors.InvalidInput.of(
                "memory_balloon.stats_period", given, "whole seconds, or 0 for none, are needed"
            )
        balloon["stats_period"] = int(period)


def _prepare(root: _xml.Element, balloon: facet.Values) -> None:
    """libvirt gives a balloon to a guest that names none, so that to have none is said by its model.

    Another model is another device. To give another key needs a balloon, of whatever model.
    """
    found = _xml.get(root, f"{_BALLOON}/@model")
    if found != balloon.get("model", "virtio" if found in (None, "none") else found):
        _xml.drop(root, _BALLOON)
        found = None
    if found is None:
        _xml.put(root, f"{_BALLOON}/@model", balloon.get("model", "virtio"))


FACET = facet.mapping_facet(
    "memory_balloon",
    {
        "model": {"type": "str", "choices": ["virtio", "none"]},
        "free_page_reporting": {"type": "bool"},
        "deflate_on_oom": {"type": "bool"},
        "stats_period": {"type": "str"},
    },
    (
        _field.Field("model", f"{_BALLOON}/@model"),
        _field.Field("free_page_reporting", f"{_BALLOON}/@freePageReporting", _field.ON_OFF, empty=False),
        _field.Field("deflate_on_oom", f"{_BALLOON}/@autodeflate", _field.ON_OFF, empty=False),
        _field.Field("stats_period", f"{_BALLOON}/stats/@period", _field.INTEGER, empty=0),
    ),
    _check,
    _prepare,
)
