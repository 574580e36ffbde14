# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Checks of what a user gives to a filter, which has no argument spec. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput


def mapping(option, value, keys=None):
    """Return a mapping, {} for None. `keys` are those that it may have. Raises InvalidInput."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput.of(option, value, "a mapping is needed")
    for key in value:
        if keys is not None and key not in keys:
            raise InvalidInput.of(f"{option}.{key}", value[key], "known keys are {}".format(", ".join(keys)))
    return value


def names(option, value):
    """Return a list of names as a tuple, () for None. Raises InvalidInput."""
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise InvalidInput.of(option, value, "a list of names is needed")
    return tuple(value)


def choice(option, value, choices):
    """Return one of the choices. Raises InvalidInput."""
    if value not in choices:
        raise InvalidInput.of(option, value, "it is one of {}".format(", ".join(choices)))
    return value
