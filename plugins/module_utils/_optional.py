# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Ask for what only some hosts have: not every hypervisor has every part of libvirt, nor every host every daemon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt


def if_available(call: Callable[[], Any]) -> Any:
    """Return what a libvirt call returns, None where the driver that it needs is missing or its daemon is not there."""
    try:
        return call()
    except libvirt.libvirtError as exc:
        if _is_missing(exc):
            return None
        raise


def _is_missing(exc: Any) -> bool:
    # Where each driver has a daemon of its own, a missing one is a socket that can't be connected to.
    no_daemon = (libvirt.VIR_FROM_RPC, libvirt.VIR_ERR_SYSTEM_ERROR)
    return (exc.get_error_domain(), exc.get_error_code()) == no_daemon or exc.get_error_code() in (
        libvirt.VIR_ERR_NO_SUPPORT,
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
    )
