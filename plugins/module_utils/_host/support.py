# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Ask for what only some hypervisors have."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import unless_gone
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt


def if_supported(call):
    """Return what a libvirt call returns, None where the hypervisor's driver does not have it."""
    return unless_gone(call, libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_CONFIG_UNSUPPORTED)
