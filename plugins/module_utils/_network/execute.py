# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""execute: the one place that writes. Each action is safe to repeat."""

from __future__ import annotations

import contextlib

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _journal, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._execute import Run, carry_out
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.observe import find
from ansible_collections.kvmfleet.compute.plugins.module_utils._network.subnets import reservation_element


def execute(conn, spec, observed, plan):
    """Carry a plan out. Raises LibvirtFailed."""
    carry_out(plan, ACTIONS, Run(conn, spec, observed))
    return {}


def _network(run):
    network = find(run.conn, run.spec.name)
    if network is None:
        raise _errors.LibvirtFailed(f"the network {run.spec.name!r} has vanished meanwhile")
    return network


def _define(run, action):
    run.conn.networkDefineXML(action.data)


def _start(run, action):
    """A network that this run has defined and that does not start is not left behind."""
    network = _network(run)
    if network.isActive():
        return
    start = action.data or {}
    if start.get("autostart"):
        # Once it is active, nothing else would tell the next run that this one was killed before the network got its autostart.
        _journal.record(_journal.AUTOSTART, run.conn.getURI(), network.UUIDString(), {})
    try:
        network.create()
    except libvirt.libvirtError:
        _forget_autostart(run, network)
        if start.get("is_new"):
            with contextlib.suppress(libvirt.libvirtError):
                network.undefine()
                for defined in run.done:
                    run.undone(defined)
        raise


def _forget_autostart(run, network):
    _journal.forget(_journal.AUTOSTART, run.conn.getURI(), network.UUIDString())


def _stop(run, action):
    network = _network(run)
    if network.isActive():
        network.destroy()


def _undefine(run, action):
    """A network that was made without a definition is gone once it is stopped."""
    network = find(run.conn, run.spec.name)
    if network is not None:
        network.undefine()
        _forget_autostart(run, network)


def _enable_autostart(run, action):
    network = _network(run)
    network.setAutostart(1)
    _forget_autostart(run, network)


def _disable_autostart(run, action):
    network = _network(run)
    network.setAutostart(0)
    _forget_autostart(run, network)


def _add_reservation(run, action):
    _update(run, libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, *action.data)


def _remove_reservation(run, action):
    _update(run, libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE, *action.data)


def _update(run, command, index, item):
    """Change what the active network gives out; its definition has it already. Source: virNetworkUpdate."""
    text = _xml.to_text(reservation_element(item))
    section, flags = libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST, libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE
    _network(run).update(command, section, index, text, flags)


ACTIONS = {
    "define_network": _define,
    "start_network": _start,
    "stop_network": _stop,
    "undefine_network": _undefine,
    "enable_autostart": _enable_autostart,
    "disable_autostart": _disable_autostart,
    "add_reservation": _add_reservation,
    "remove_reservation": _remove_reservation,
}
