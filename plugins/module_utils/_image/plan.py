# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""plan: from what is wanted and what is there to every action of the run, before the first write. Pure."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.naming import file_name

# How what is not in the store gets there, where it is no download.
_FETCHES = {"src": "import", "instance": "copy_disk"}


def plan(spec, observed):
    """Return the Plan that brings what was observed to what is wanted. Raises Conflict, InvalidInput."""
    actions = [_plan.Action("remove_leftover", path) for path in observed.store.leftovers]
    current = observed.store.current
    if spec.state == "absent":
        files = _deletable(observed)
        actions += [_plan.Action("delete", file) for file in files]
        after, refresh = "", any(file in observed.volumes for file in files)
    else:
        stored = _storing(spec, observed)
        actions += stored
        after = _text(spec.name, _coming(spec, observed))
        # A run that died just after it had stored the image has not told the pool.
        refresh = (
            any(action.name != "update_properties" for action in stored) or observed.available not in observed.volumes
        )
    if refresh:
        actions.append(_plan.Action("refresh_pool", spec.pool))
    return _plan.Plan(
        actions=tuple(actions),
        before="" if current is None else _text(spec.name, current.file),
        after=after,
        warnings=_check_disk(spec, observed.disk) if observed.disk else (),
    )


def _check_disk(spec, disk):
    """Return what is to be known of the copy of a guest's disk. Raises Conflict."""
    quiesce = spec.instance.quiesce
    if disk.state == "suspended":
        raise _errors.Conflict(
            f"instance.name: the guest {disk.guest!r} is suspended; without its saved memory its disk is not whole; "
            "resume or stop it first"
        )
    if not disk.is_open or disk.can_freeze or quiesce == "never":
        return ()
    why = (
        f"the guest {disk.guest!r} is {disk.state}"
        if disk.state != "running"
        else f"no agent of the guest {disk.guest!r} answers"
    )
    if quiesce == "always":
        raise _errors.Conflict(f"instance.quiesce: 'always' is not possible, {why}; stop the guest, or allow auto")
    return (power_failure(why),)


def power_failure(why):
    """Return the warning that a copy was made without the file systems being held still."""
    return f"the image has what was on the disk as after a power failure, since {why}"


def _storing(spec, observed):
    if observed.available is None:
        return [_plan.Action(_FETCHES.get(spec.option, "download"), f"{spec.name} from {spec.source}")]
    found = observed.store.versions[observed.available]
    if spec.format not in ("auto", found.format):
        raise _errors.InvalidInput.of("format", spec.format, f"the image {found.file} is {found.format}")
    actions = []
    if found != observed.store.current:
        actions.append(_plan.Action("make_current", observed.available))
    if observed.remote is not None and observed.remote.is_news(found.info):
        actions.append(_plan.Action("update_properties", observed.available))
    return actions


def _coming(spec, observed):
    """Name the version that will be the current one, as far as it is known before it is there."""
    if observed.available is not None:
        return observed.available
    if observed.incoming is not None:
        return file_name(spec.name, observed.digest.hex, observed.incoming.format)
    return f"{spec.source} ({observed.digest or 'not verified'})"


def _text(name, version):
    return f"image: {name}\ncurrent: {version}\n"


def _deletable(observed):
    versions = sorted(observed.store.versions.values(), key=lambda version: version.file)
    for version in versions:
        need = observed.needed.get(version.path)
        if need is not None:
            raise _errors.Conflict(
                f"name: the image {observed.store.name!r} can't be removed; its version {version.file} is {need}"
            )
    return [version.file for version in versions]
