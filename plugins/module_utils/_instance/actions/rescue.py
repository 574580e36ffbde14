# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Let somebody into a rescue system: its root password and keys, by the guest's agent."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.wait import await_agent

USER = "root"


def _open_rescue(run, action):
    """Source: virDomainSetUserPassword, virDomainAuthorizedSSHKeysSet."""
    wanted, domain = run.spec.rescue, run.domain()
    await_agent(run.conn, domain, wanted.timeout)
    if wanted.root_password is not None:
        domain.setUserPassword(USER, wanted.root_password, 0)
    if wanted.authorized_keys:
        domain.authorizedSSHKeysSet(
            USER, list(wanted.authorized_keys), libvirt.VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_APPEND
        )


ACTIONS = {"open_rescue": _open_rescue}
