# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Devices that a guest either has or has not: the guest agent's channel and the random number generator."""

from __future__ import annotations

from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _field, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet

OPTIONS = {
    "agent": {"type": "bool"},
    "rng": {"type": "bool"},
}
AGENT_CHANNEL = "org.qemu.guest_agent.0"
_AGENT_PATH = f"devices/channel/target[@name='{AGENT_CHANNEL}']/.."


def agent_channel(root: _xml.Element) -> _xml.Element | None:
    """Return the element of the guest agent's channel, None if the guest has none."""
    return root.find(_AGENT_PATH)


def agent_connected(root: _xml.Element) -> bool:
    """Tell from a running guest's XML whether an agent is connected to the channel."""
    channel = agent_channel(root)
    return channel is not None and _xml.get(channel, "target/@state") == "connected"


def _new_agent_channel() -> _xml.Element:
    channel = _xml.element_of("channel", {"type": "unix"})
    channel.append(_xml.element_of("target", {"type": "virtio", "name": AGENT_CHANNEL}))
    return channel


def _new_rng() -> _xml.Element:
    rng = _xml.element_of("rng", {"model": "virtio"})
    rng.append(_xml.element_of("backend", {"model": "random"}, "/dev/urandom"))
    return rng


_NEW = {"agent": _new_agent_channel, "rng": _new_rng}


class _Device(_field.Presence):
    def write(self, root: _xml.Element, value: bool) -> None:
        if value:
            root.find("devices").append(_NEW[self.option]())
        else:
            super().write(root, value)


def launch(wanted: facet.Values, guest: Any) -> facet.Values:
    return {option: True for option in OPTIONS if option not in wanted and guest.is_qemu}


FACET = facet.scalar_facet(OPTIONS, (_Device("agent", _AGENT_PATH), _Device("rng", "devices/rng")), launch=launch)
