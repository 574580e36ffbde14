# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Ask for what a task can do without: not every host has every part of libvirt, and not everything can be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.common import warnings
from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt


def if_available(call: Callable[[], Any]) -> Any:
    """Return what a libvirt call returns, None where the driver that it needs is missing or its daemon is not there."""
    try:
        return call()
    except libvirt.libvirtError as exc:
        if _is_missing(exc):
            return None
        raise


def unless_unreadable(what: str, call: Callable[[], Any]) -> Any:
    """Return what a read returns, None when it fails: then the task goes on, with a warning that says why.

    What a host lacks is no failure of a read: see if_available().
    """
    try:
        return call()
    except libvirt.libvirtError as exc:
        if _is_missing(exc):
            raise
        reason = str(exc)
    except _errors.KvmfleetError as exc:
        reason = exc.message
    warnings.warn(f"{what} can't be read: {reason}")
    return None


def _is_missing(exc: Any) -> bool:
    # Where each driver has a daemon of its own, a missing one is a socket that can't be connected to.
    no_daemon = (libvirt.VIR_FROM_RPC, libvirt.VIR_ERR_SYSTEM_ERROR)
    return (exc.get_error_domain(), exc.get_error_code()) == no_daemon or exc.get_error_code() in (
        libvirt.VIR_ERR_NO_SUPPORT,
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
    )
