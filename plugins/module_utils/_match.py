# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Pair the devices that an option lists with the elements that a definition has, by identity."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors


def pair(option: str, identities: Sequence[Any], elements: Iterable[Any]) -> list[Any]:
    """Return for each identity the element that it names, or None.

    An identity is a pair (text for messages, predicate over an element), perhaps with a second predicate, by which one is chosen
    where the first is true of several. An item without a name has a list of predicates
    instead, the strongest first: it means the first element that nobody else means and that one of them is true of.
    Raises InvalidInput when two items name the same device, Conflict when one item names several.
    """
    paired: list[Any] = [None] * len(identities)
    free = list(elements)
    nameless = [index for index, identity in enumerate(identities) if isinstance(identity, list)]
    for index, identity in enumerate(identities):
        if index in nameless:
            continue
        text, matches, *prefers = identity
        found = [element for element in elements if matches(element)]
        if len(found) > 1 and prefers:
            preferred = [element for element in found if prefers[0](element)]
            found = preferred if len(preferred) == 1 else found
        if len(found) > 1:
            raise _errors.Conflict(f"{option}[{text}]: the guest has {len(found)} devices with this identity")
        if found:
            if found[0] not in free:
                raise _errors.InvalidInput(
                    f"{option}[{text}]: two items of the list name the same device; each may be named once"
                )
            free.remove(found[0])
            paired[index] = found[0]
    for predicates in itertools.zip_longest(
        *(identities[index] for index in nameless), fillvalue=lambda element: False
    ):
        for index, matches in zip(nameless, predicates):
            meant = next((element for element in free if matches(element)), None) if paired[index] is None else None
            if meant is not None:
                free.remove(meant)
                paired[index] = meant
    return paired
