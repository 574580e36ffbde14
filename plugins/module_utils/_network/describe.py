# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What is reported of a network."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._network import definition


def describe(name, found):
    """Return the description of a network that exists, as it is now, from its NetworkFacts."""
    values = definition.read(_xml.parse(found.current))
    values["addresses"] = [subnet.describe() for subnet in values["addresses"]]
    return dict(values, name=name, uuid=found.uuid, active=found.live is not None, autostart=found.autostart)
