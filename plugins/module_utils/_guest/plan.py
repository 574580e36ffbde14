# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""plan: from what is wanted and what is there to every action of the run, before the first write. Pure."""

from __future__ import annotations

import hashlib

from ansible_collections.kvmfleet.compute.plugins.module_utils._plan import Action, Plan

# Seconds that a clock may be wrong; so much may a call to a busy guest take.
DRIFT = 1
# What stands in /etc/shadow where no password opens the account.
_LOCKED = ("!", "*")


def plan(spec, observed):
    """Return the Plan that brings what was observed to what is wanted; the command comes last."""
    actions = []
    if spec.frozen is not None and spec.frozen != observed.frozen:
        actions.append(Action("freeze" if spec.frozen else "thaw", spec.name))
    if observed.drift is not None and abs(observed.drift) > DRIFT:
        actions.append(Action("set_time", spec.name))
    if spec.password and _sets_password(spec.password, observed.shadow):
        actions.append(Action("set_password", spec.password.user))
    if spec.authorized_keys:
        actions += _keys(spec.authorized_keys, observed.keys)
    for file in spec.files:
        actions += _file(file, observed.files[file.path])
    if spec.command and not observed.created:
        actions.append(Action("run_command", spec.name, spec.command))
    return Plan(actions=tuple(actions))


def _sets_password(password, shadow):
    if password.on_create:
        return not shadow or shadow.startswith(_LOCKED)
    # What a password in clear was hashed with, only its hash tells.
    return not password.hashed or password.secret != shadow


def _keys(wanted, keys):
    missing = [key for key in wanted.keys if key not in keys]
    if wanted.exclusive and set(keys) != set(wanted.keys):
        return [Action("replace_authorized_keys", wanted.user, wanted.keys)]
    return [Action("add_authorized_keys", wanted.user, tuple(missing))] if missing else []


def _file(file, state):
    if state is None or state.checksum != hashlib.sha256(file.content).hexdigest():
        return [Action("write_file", file.path, file)]
    if (state.mode, state.owner, state.group) != (file.mode, file.owner, file.group):
        return [Action("set_file_mode", file.path, file)]
    return []
