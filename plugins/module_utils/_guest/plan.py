# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""plan: from what is wanted and what is there to every action of the run, before the first write. Pure."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from ansible_collections.kvmfleet.compute.plugins.module_utils import _plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import growth

# Seconds that a clock may be wrong; so much may a call to a busy guest take.
DRIFT = 1
# What stands in /etc/shadow where no password opens the account.
_LOCKED = ("!", "*")


class _Step(NamedTuple):
    """An action with what diff mode shows of it: what there is and what there will be, None for what can't be shown."""

    action: _plan.Action
    before: object = None
    after: object = None


def plan(spec, observed):
    """Return the Plan that brings what was observed to what is wanted; the command comes last."""
    steps = [
        *_freezing(spec, observed.frozen),
        *_time(spec, observed.drift),
        *_hostname(spec, observed.hostnames),
        *_password(spec.password, observed.shadow),
        *_keys(spec.authorized_keys, observed.keys),
    ]
    for file in spec.files:
        steps += _file(file, observed.files[file.path])
    for file_system in observed.grow or ():
        steps += [_Step(action) for action in growth.plan(file_system)]
    if spec.command and not observed.created:
        steps.append(_Step(_plan.Action("run_command", spec.name, spec.command)))
    return _plan.Plan(
        actions=tuple(step.action for step in steps),
        before=_text((step.action, step.before) for step in steps),
        after=_text((step.action, step.after) for step in steps),
    )


def _text(shown):
    """Diff mode's text: a line for each thing that differs; never a password, a file's content or a command."""
    lines = [f"{action.name} {action.subject}: {value}\n" for action, value in shown if value is not None]
    return "".join(lines)


def _freezing(spec, frozen):
    if spec.frozen is None or spec.frozen == frozen:
        return []
    words = {True: "frozen", False: "thawed"}
    return [_Step(_plan.Action("freeze" if spec.frozen else "thaw", spec.name), words[frozen], words[spec.frozen])]


def _time(spec, drift):
    if drift is None or abs(drift) <= DRIFT:
        return []
    return [_Step(_plan.Action("set_time", spec.name), f"{drift:+.0f} s", "as the host's")]


def _hostname(spec, names):
    # A guest that has no /etc/hostname gets one.
    if spec.hostname is None or names == (spec.hostname, spec.hostname):
        return []
    return [_Step(_plan.Action("set_hostname", spec.hostname), ", ".join(dict.fromkeys(names)), spec.hostname)]


def _password(password, shadow):
    if password and _sets_password(password, shadow):
        return [_Step(_plan.Action("set_password", password.user))]
    return []


def _sets_password(password, shadow):
    if password.on_create:
        return not shadow or shadow.startswith(_LOCKED)
    # What a password in clear was hashed with, only its hash tells.
    return not password.hashed or password.secret != shadow


def _keys(wanted, keys):
    if not wanted:
        return []
    missing = [key for key in wanted.keys if key not in keys]
    if wanted.exclusive and set(keys) != set(wanted.keys):
        return [_Step(_plan.Action("replace_authorized_keys", wanted.user, wanted.keys), list(keys), list(wanted.keys))]
    if missing:
        return [_Step(_plan.Action("add_authorized_keys", wanted.user, tuple(missing)), list(keys), [*keys, *missing])]
    return []


def _file(file, state):
    checksum = hashlib.sha256(file.content).hexdigest()
    before = "absent" if state is None else _shown(state.checksum, state)
    if state is None or state.checksum != checksum:
        return [_Step(_plan.Action("write_file", file.path, file), before, _shown(checksum, file))]
    if (state.mode, state.owner, state.group) != (file.mode, file.owner, file.group):
        return [_Step(_plan.Action("set_file_mode", file.path, file), before, _shown(checksum, file))]
    return []


def _shown(checksum, file):
    return f"{file.mode:04o} {file.owner}:{file.group} sha256:{checksum}"
