# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Cold resize: a guest is shut down, given its new sizes and started, and what it had is kept until that is confirmed.

A root disk that grows is kept as it is: the guest runs on a larger overlay of it. To revert is to drop the overlay, to confirm
is to write it into the old disk.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors, _plan, _units, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import applied, metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets import compute
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.guest_devices import agent_channel
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.recorded import retired, update_metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._events import DomainWatch
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import wait
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.wait_for import WaitFor, parse_wait
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import power, procedure, storage
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.actions.definition import define
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.actions.power import boot, power_off
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.actions.storage import drop_volume
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.targets import root_target
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import lookup, proof, source, volumes
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.source import DiskSource

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.metadata import InstanceMetadata

# How a resize ends by which action.
ENDS = {"confirm": "confirmed", "revert": "reverted"}
SIZES = ("vcpus", "max_vcpus", "memory", "max_memory")


# A metadata.Resize with a disk that grows: all of what it says of the disk is there.
Grown = Any
# Seconds that QEMU may take to write an overlay into the disk below it.
COMMIT_TIMEOUT = 3600


@dataclass(frozen=True)
class ResizeSpec:
    """How a guest is resized; check is what shows that it is back, None when a later task confirms or reverts."""

    action: str
    check: WaitFor | None = None


@dataclass(frozen=True)
class ResizeFacts:
    """The pool of the root disk that is to grow, None when it does not or is in none.

    taken: there is something of the overlay's name, and it is not ours. need: the words for why the overlay can't be
    written into the old disk, as far as it is to be.
    """

    pool: volumes.PoolFacts | None = None
    taken: bool = False
    need: str | None = None


def parse(params: facet.Values) -> ResizeSpec:
    """Return the ResizeSpec of a task. Raises InvalidInput."""
    given = params["resize"]
    if params["state"] != "running":
        raise _errors.InvalidInput.of(
            "state", params["state"], "a guest that is resized runs afterwards: state running"
        )
    if params["rebuild"] != "never":
        raise _errors.InvalidInput.of(
            "rebuild", params["rebuild"], "a task either resizes a guest or makes its root disk anew"
        )
    if params.get("apply") in ("live", "next_boot"):
        raise _errors.InvalidInput.of("apply", params["apply"], "with resize the guest is restarted")
    check = given.get("check") or {}
    watched = given["action"] == "resize" and given["confirm"] == "auto"
    if any(check.values()) and not watched:
        raise _errors.InvalidInput.of(
            "resize.check", check, "the guest is watched with action: resize and confirm: auto alone"
        )
    if not watched:
        return ResizeSpec(given["action"])
    seen = parse_wait("resize.check", check)
    timeout = _units.parse_duration("resize.timeout", given.get("timeout") or "300s")
    return ResizeSpec(given["action"], replace(seen, timeout=timeout, agent=seen.agent or not seen.anything))


def _wanted(spec: procedure.InstanceSpec) -> Any:
    return spec.procedures.get("resize")


def needs(reading: procedure.Reading) -> procedure.Needs:
    """Return the Needs: the size of a root disk whose overlay was never made can't be read."""
    unmade = metadata.unmade_overlay(reading.record)
    return procedure.Needs(unmade=frozenset() if unmade is None else frozenset({unmade}))


def observe(reading: procedure.Reading, _needs: procedure.Needs) -> ResizeFacts:
    """Return the ResizeFacts."""
    spec, inactive = reading.spec, reading.inactive
    if _wanted(spec) is None or inactive is None:
        return ResizeFacts()
    need = _need_of_old_disk(reading)
    begun = metadata.resize_overlay(reading.record)
    if begun is not None and metadata.unmade_overlay(reading.record):
        pools, _active = lookup.read_pools(reading.conn, [begun.pool])
        base = _base(metadata.of_managed(inactive).resize, begun)
        taken = begun.pool in pools and _is_taken(reading, pools[begun.pool], begun.name, base)
        return ResizeFacts(taken=taken, need=need)
    root = root_target(inactive)
    if root is None or not any(target == root and size > present for target, (size, present) in reading.sizes.items()):
        return ResizeFacts(need=need)
    volume = lookup.volume_of(reading.conn, inactive.find(f"devices/disk/target[@dev='{root}']/../source"))
    if volume is None:
        return ResizeFacts(need=need)
    pool = lookup.read_pool(volume.storagePoolLookupByVolume())
    base = volumes.volume_facts(pool.name, _xml.parse(volume.XMLDesc(0)))
    return ResizeFacts(pool, _is_taken(reading, pool, volume_name(spec.name, root), base), need)


def _is_taken(reading: procedure.Reading, pool: volumes.PoolFacts, name: str, base: storage.VolumeFacts) -> bool:
    there = proof.read_place(reading.conn, pool, name)
    overlay = storage.NewVolume("", pool.name, name, "", "qcow2", 0, "overlay", base)
    return there is not None and not proof.is_ours(
        reading.conn, metadata.recorded_volume(reading.record, overlay), overlay, there
    )


def _need_of_old_disk(reading: procedure.Reading) -> str | None:
    record = reading.record
    overlay = metadata.resize_overlay(record)
    if record is None or record.resize is None or overlay is None or not _confirms(reading.spec, record.resize):
        return None
    return reading.users().against_writing(record.resize.path, reading.spec.name, without=[overlay.path])


def excludes(spec: procedure.InstanceSpec, observed: procedure.Observed) -> dict[str, str]:
    """Return what can't be done while a resize is pending, and why."""
    if _pending(observed) is None:
        return {}
    return {"rescue": f"a resize of the guest {spec.name!r} is pending; confirm or revert it before a rescue"}


def _pending(observed: procedure.Observed) -> metadata.Resize | None:
    """Return the record of a resize that is neither confirmed nor reverted, None when there is none."""
    record = observed.metadata.resize if observed.metadata else None
    return None if record is None or record.settled else record


def place(spec: procedure.InstanceSpec, draft: procedure.Draft) -> procedure.Draft:
    """A root disk that is on an overlay for the time being is not asked where its data is."""
    record = draft.observed.metadata.resize if draft.observed.metadata else None
    disks = [
        (replace(disk, volume=None, source=None, format=None), target)
        if record and target == record.target
        else (disk, target)
        for disk, target in draft.targets
    ]
    return replace(draft, targets=tuple(disks))


def shape(spec: procedure.InstanceSpec, draft: procedure.Draft) -> procedure.Draft:
    """Begin, go on with, confirm or revert a resize. Raises InvalidInput, Conflict."""
    observed, wanted = draft.observed, _wanted(spec)
    record = observed.metadata.resize if observed.metadata else None
    pending = _pending(observed)
    if pending is not None:
        return _continue(spec, draft, pending)
    if wanted is None:
        return _finished(spec, draft)
    if wanted.action != "resize":
        if record is not None and record.status == ENDS[wanted.action]:
            return _finished(spec, draft)
        if record is None and observed.metadata and observed.metadata.resized == ENDS[wanted.action]:
            return draft
        raise _errors.Conflict(f"resize.action: there is no resize of the guest {spec.name!r} to {wanted.action}")
    if not observed.exists or not _differs(draft):
        return _finished(spec, draft) if record is not None else draft
    _check_devices(spec, observed)
    draft, overlay = _begin(spec, draft)
    return _carry_out(spec, draft, overlay, boots=True, stops=_stops(spec, observed))


def _finished(spec: procedure.InstanceSpec, draft: procedure.Draft) -> procedure.Draft:
    return replace(draft, finish=(*draft.finish, _plan.Action("finish_resize", spec.name)))


def volume_name(guest: str, target: str) -> str:
    return f"{guest}-{target}.resize.qcow2"


def reverted(root: _xml.Element) -> _xml.Element:
    """Return a definition with the sizes and the disk that it had before its resize; the overlay is obsolete then."""
    after, found = copy.deepcopy(root), metadata.of_managed(root)
    record: Grown = found.resize
    compute.write(after, {name: int(getattr(record, name)) for name in SIZES})
    if record.target is not None:
        put_disk(after, record.target, DiskSource(record.type, path=record.path), record.format)
    metadata.write(after, replace(settled(found, "reverted"), flavor=record.flavor))
    return after


def settled(found: InstanceMetadata, status: str) -> InstanceMetadata:
    """Return the metadata of a guest whose resize is confirmed or reverted: its overlay is obsolete."""
    overlay = metadata.resize_overlay(found)
    found = metadata.with_resize_status(found, status)
    return found if overlay is None else replace(found, volumes=retired(found.volumes, overlay))


def put_disk(root: _xml.Element, target: str, where: DiskSource, disk_format: str) -> None:
    """Have a disk get its data from another DiskSource."""
    disk = root.find(f"devices/disk/target[@dev='{target}']/..")
    for chain in disk.findall("backingStore"):
        disk.remove(chain)
    source.write(disk, where)
    _xml.put(disk, "driver/@type", disk_format)


def is_booted(record: metadata.Resize, live: _xml.Element | None) -> bool:
    """Tell whether a running guest, by its live definition, was started since its resize was recorded."""
    return live is not None and live.get("id") != record.boot


def _differs(draft: procedure.Draft) -> bool:
    inactive = draft.observed.inactive
    if compute.read(inactive, SIZES) != compute.read(draft.definition, SIZES):
        return True
    return any(name == root_target(inactive) for name, _size in draft.growth)


def _check_devices(spec: procedure.InstanceSpec, observed: procedure.Observed) -> None:
    """The check must be possible: the guest needs an agent's channel, or a console's log."""
    check = _wanted(spec).check
    if check is None:
        return
    if check.agent and agent_channel(observed.inactive) is None:
        raise _errors.InvalidInput.of(
            "resize.check.agent", True, "the guest has no agent channel; give another check, or confirm: manual"
        )
    if check.console and observed.inactive.find("devices/serial/log") is None:
        raise _errors.InvalidInput.of(
            "resize.check.console", check.console, "the guest's serial console has no log_file"
        )
    if check.console and _xml.get(observed.inactive, "devices/serial/log/@append") == "on":
        raise _errors.InvalidInput.of("resize.check.console", check.console, wait.APPENDED)


def _stops(spec: procedure.InstanceSpec, observed: procedure.Observed) -> tuple[str, ...]:
    return power.transitions(
        observed.state, "stopped", spec.stop.force or spec.hard_restart, False, spec.discard_saved_state
    )


def _begin(spec: procedure.InstanceSpec, draft: procedure.Draft) -> tuple[procedure.Draft, metadata.Volume | None]:
    """Return (draft, overlay): the definition with the new sizes and the record of the old ones."""
    observed = draft.observed
    after = copy.deepcopy(draft.definition)
    before = compute.read(observed.inactive, SIZES)
    record = metadata.Resize(
        boot=observed.live.get("id") if observed.active else None,
        flavor=observed.metadata.flavor if observed.metadata else None,
        **{name: str(value) for name, value in before.items()},
    )
    found = metadata.read(after) or metadata.InstanceMetadata()
    root, overlay = root_target(observed.inactive), None
    for name, size in draft.growth:
        if name == root:
            disk = observed.inactive.find(f"devices/disk/target[@dev='{root}']/..")
            found_source = source.read(disk)
            if found_source is None or found_source.type not in ("file", "block"):
                raise _errors.Conflict(
                    f"resize: the root disk {root} can't be resized with a way back, as the guest does not name it by a path of the host; "
                    f"give it in disks with target: {root} and its volume, or grow it in place, without resize"
                )
            kind, path = found_source.type, found_source.path
            disk_format = _xml.get(disk, "driver/@type") or "raw"
            record = replace(record, target=root, type=kind, path=path, format=disk_format, size=str(size))
            overlay = _new_overlay(spec, observed, root)
            put_disk(after, root, DiskSource("file", path=overlay.path), "qcow2")
            others = tuple(
                volume
                for volume in found.volumes
                if volume.target != overlay.target and not metadata.is_same(volume, overlay)
            )
            found = replace(found, volumes=(*others, overlay))
    metadata.write(after, replace(found, resize=record, resized=None))
    growth = tuple(item for item in draft.growth if item[0] != root)
    return replace(draft, definition=after, growth=growth), overlay


def _new_overlay(spec: procedure.InstanceSpec, observed: procedure.Observed, target: str) -> metadata.Volume:
    facts, name = observed.procedures["resize"], volume_name(spec.name, target)
    pool = facts.pool
    if pool is None or pool.type in storage.BLOCK_POOLS:
        raise _errors.Conflict(
            f"resize: the root disk {target} can't be resized with a way back, as it is not in an active storage pool of files; "
            "without resize it grows in place"
        )
    overlay = metadata.Volume(f"{target}.resize", pool.name, name, f"{pool.path}/{name}", "planned")
    _check_place(observed, overlay)
    record = metadata.recorded_volume(observed.metadata, overlay)
    return replace(overlay, proof=record.proof or volumes.CREATED) if record and record.is_made else overlay


def _check_place(observed: procedure.Observed, overlay: metadata.Volume) -> None:
    if observed.procedures["resize"].taken:
        raise _errors.Conflict(
            f"resize: the volume {overlay.name!r} exists in pool {overlay.pool!r} and was not made for this guest"
        )


def _continue(spec: procedure.InstanceSpec, draft: procedure.Draft, pending: metadata.Resize) -> procedure.Draft:
    """A resize is pending: continue it, end it, or leave it alone."""
    observed, wanted = draft.observed, _wanted(spec)
    if wanted is not None and observed.lost_memory is not None:
        raise _errors.Conflict(
            f"resize: whether the guest {spec.name!r} was started with its new sizes is not known, as its saved memory can't be read "
            f"({observed.lost_memory}); drop it first: state: stopped and discard_saved_state: true, without resize"
        )
    # The memory of a guest that was saved is taken for one with the new sizes.
    booted = is_booted(pending, observed.live) and (observed.active or observed.state == "suspended")
    if wanted is None:
        _refuse_sizes(spec, draft)
        return _without_boot(spec, draft)
    if wanted.action == "revert":
        if pending.status == "confirming":
            raise _errors.Conflict(
                f"resize.action: 'revert' is not possible any more; the resize of the guest {spec.name!r} is being confirmed, "
                "which resize.action: confirm completes"
            )
        _refuse_other_changes(spec, draft)
        return _revert(spec, draft, booted)
    if wanted.action == "confirm":
        _refuse_other_changes(spec, draft)
    else:
        _refuse_sizes(spec, draft)
        _check_devices(spec, observed)
    stops = _stops(spec, observed) if observed.active and not booted else ()
    return _carry_out(spec, draft, metadata.resize_overlay(observed.metadata), boots=not booted, stops=stops)


def _without_boot(spec: procedure.InstanceSpec, draft: procedure.Draft) -> procedure.Draft:
    """A guest whose new root disk was never made can't boot."""
    unmade = metadata.unmade_overlay(metadata.read(draft.definition))
    if unmade and any(action.name in power.BOOTS for action in draft.power):
        raise _errors.Conflict(
            f"resize: the resize of {spec.name!r} did not come as far as its disk {unmade}; run it again, or give "
            "resize.action: revert"
        )
    return draft


def _carry_out(
    spec: procedure.InstanceSpec,
    draft: procedure.Draft,
    overlay: metadata.Volume | None,
    boots: bool,
    stops: Iterable[str],
) -> procedure.Draft:
    """Start the guest with its new sizes, unless it runs with them, and confirm where that is wanted."""
    record: Grown = metadata.of_managed(draft.definition).resize
    moves = list(draft.power)
    if boots:
        moves = [_plan.Action(name, spec.name) for name in stops]
        if overlay is not None and overlay.status == "planned":
            _check_place(draft.observed, overlay)
            moves.append(_create(record, overlay))
        moves.append(_plan.Action("start_resized", spec.name))
    begins = _pending(draft.observed) is None
    draft = replace(
        draft, power=tuple(moves), define="resize" if begins else draft.define, drops_first=begins or draft.drops_first
    )
    if _confirms(spec, record):
        _check_old_disk(spec, draft.observed, record)
        check = _wanted(spec).check
        last = (*draft.last, _plan.Action("confirm_resize", spec.name, check), *_drop(overlay))
        return _finished(spec, replace(draft, last=last))
    return draft


def _confirms(spec: procedure.InstanceSpec, record: metadata.Resize) -> bool:
    """Tell whether a run for a resize, begun or to begin, is to make the new sizes the only ones."""
    return _wanted(spec).action == "confirm" or _wanted(spec).check is not None or record.status == "confirming"


def _check_old_disk(spec: procedure.InstanceSpec, observed: procedure.Observed, record: metadata.Resize) -> None:
    need = observed.procedures["resize"].need
    if need is not None:
        raise _errors.Conflict(
            f"resize: the resize of {spec.name!r} can't be confirmed; that writes to its old disk {record.path!r}, which is {need}"
        )


def _create(record: Grown, overlay: metadata.Volume) -> _plan.Action:
    base = _base(record, overlay)
    volume = storage.NewVolume(
        overlay.target, overlay.pool, overlay.name, overlay.path, "qcow2", int(record.size), "overlay", base
    )
    return _plan.Action("create_volume", volume.subject, volume)


def _base(record: Grown, overlay: metadata.Volume) -> storage.VolumeFacts:
    return storage.VolumeFacts(overlay.pool, record.path.rpartition("/")[2], record.path, record.format, 0)


def _drop(overlay: metadata.Volume | None) -> tuple[_plan.Action, ...]:
    return () if overlay is None else (_plan.Action("drop_volume", f"{overlay.pool}/{overlay.name}", overlay),)


def _revert(spec: procedure.InstanceSpec, draft: procedure.Draft, booted: bool) -> procedure.Draft:
    observed = draft.observed
    overlay = metadata.resize_overlay(observed.metadata)
    stops: tuple[str, ...] = ()
    if booted:
        # What is on the overlay is dropped; what a guest without one has in its memory still belongs on its disk.
        stops = power.transitions(observed.state, "stopped", spec.stop.force or overlay is not None)
    starts = ("start",) if booted or not observed.active else ()
    warnings = draft.warnings
    if overlay is not None and booted:
        disk = overlay.target.removesuffix(".resize")
        warnings = (
            *warnings,
            f"resize: what the guest {spec.name!r} wrote to the disk {disk} since its resize is dropped",
        )
    draft = replace(
        draft,
        definition=reverted(observed.inactive),
        power=tuple(_plan.Action(name, spec.name) for name in (*stops, "revert_resize", *starts)),
        last=(*draft.last, *_drop(overlay)),
        warnings=warnings,
    )
    return _finished(spec, draft)


def _refuse_sizes(spec: procedure.InstanceSpec, draft: procedure.Draft) -> None:
    if not _differs(draft):
        return
    before, after = (compute.read(root, SIZES) for root in (draft.observed.inactive, draft.definition))
    values: list[tuple[str, Any]] = [(name, after[name]) for name in SIZES if after[name] != before[name]]
    values += [("root_disk", _units.format_size(size)) for name, size in draft.growth]
    option, value = values[0]
    if option.endswith("memory"):
        value = _units.format_size(value * 1024)
    raise _errors.InvalidInput.of(
        option, value, f"a resize of the guest {spec.name!r} is pending; confirm or revert it first"
    )


def _refuse_other_changes(spec: procedure.InstanceSpec, draft: procedure.Draft) -> None:
    options = [change.option for change in draft.changes]
    options += [f"disks[{volume.target}]" for volume in draft.made]
    options += [f"disks[{name}].size" for name, _size in draft.growth]
    if options:
        raise _errors.InvalidInput.of(
            "resize.action",
            _wanted(spec).action,
            f"it goes with no other change, and this task changes {', '.join(options)}",
        )


def _inactive(run: procedure.Run) -> _xml.Element:
    return _xml.parse(run.domain().XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))


def _live(run: procedure.Run) -> _xml.Element:
    return _xml.parse(run.domain().XMLDesc(0))


def _resize(run: procedure.Run, action: _plan.Action) -> None:
    """Define the new sizes, with the record of the old ones. libvirt refuses here what it can't do, and the guest runs on."""
    run.on_failure(lambda: _undo(run))
    define(run, action.data)


def _undo(run: procedure.Run) -> bool:
    """Take back what did not come as far as a guest that runs with its new sizes. Return whether it is taken back."""
    found = metadata.read(_inactive(run))
    # A resize that libvirt refused has left no record.
    reverts = not any(action.name == "resize" for action in run.done)
    if found is not None and found.resize is not None:
        reverts = not found.resize.settled
        if reverts and run.domain().isActive() and is_booted(found.resize, _live(run)):
            return False
        _revert_resize(run, None)
    if run.observed.active:
        boot(run, 0)
    if found is not None:
        _tidy_up(run)
    return reverts


def _start_resized(run: procedure.Run, action: _plan.Action) -> None:
    try:
        boot(run, 0, _wanted(run.spec).check)
    except libvirt.libvirtError as exc:
        _go_back(run, f"resize: the guest {run.spec.name!r} can't be started with its new sizes: {exc}")


def _confirm_resize(run: procedure.Run, action: _plan.Action) -> None:
    """Wait until the guest is back, when that is to be seen, and make its new sizes its only ones."""
    record = metadata.of_managed(_inactive(run)).resize
    if record is None or record.settled:
        return
    if action.data is not None and record.status == "pending":
        _watch(run, action.data)
    if record.target is not None:
        _commit(run, record)
    update_metadata(run.domain(), lambda found: settled(found, "confirmed"))
    applied.record(run.domain())


def _watch(run: procedure.Run, check: WaitFor) -> None:
    try:
        with _connection.doing(f"watching {run.spec.name}"):
            before = run.leases_before
            if before is None and check.address:
                # An earlier run has started the guest. Which leases are older is not known, so none counts as it is.
                before = wait.lease_ends(run.conn)
            wait.wait_for(run.conn, run.domain(), check, "resize.check", before)
    except _errors.KvmfleetError as exc:
        _go_back(run, exc.message)


def _go_back(run: procedure.Run, reason: str) -> NoReturn:
    """Have the guest run with its old sizes again, and fail with the reason."""
    try:
        power_off(run, None)
        _revert_resize(run, None)
        boot(run, 0)
        _tidy_up(run)
    except libvirt.libvirtError as exc:
        raise _errors.LibvirtFailed(f"{reason}; and to revert the resize failed: {exc}") from exc
    raise _errors.TimedOut(f"{reason}; the resize was reverted and the guest runs with its old sizes")


def _revert_resize(run: procedure.Run, action: _plan.Action | None) -> None:
    root = _inactive(run)
    found = metadata.read(root)
    if found is not None and found.resize is not None and not found.resize.settled:
        define(run, reverted(root))


def _tidy_up(run: procedure.Run) -> None:
    for volume in metadata.of_managed(_inactive(run)).volumes:
        if volume.status == "obsolete":
            drop_volume(run, volume)
    _finish_resize(run, None)


def _finish_resize(run: procedure.Run, action: _plan.Action | None) -> None:
    update_metadata(run.domain(), metadata.without_resize)


def _commit(run: procedure.Run, record: Grown) -> None:
    """Write the overlay into the old disk while the guest runs, and have it run on that.

    A run that died here left the job going, or left it done: whatever is missing is done.
    Source: virDomainBlockCommit (VIR_DOMAIN_BLOCK_COMMIT_ACTIVE), virDomainBlockJobAbort (VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT).
    """
    domain, target = run.domain(), record.target
    if _path(_disk(_live(run), target)) != record.path:
        update_metadata(domain, lambda found: metadata.with_resize_status(found, "confirming"))
        if not domain.blockJobInfo(target, 0):
            domain.blockCommit(target, record.path, None, 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE)
        with DomainWatch(run.conn, domain) as watch:
            if not watch.wait_until(lambda: _is_ready(run, target), COMMIT_TIMEOUT):
                raise _errors.TimedOut(
                    f"resize: the disk {target} is still being written after {COMMIT_TIMEOUT} s; run this again"
                )
        domain.blockJobAbort(target, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
    if domain.blockInfo(target, 0)[0] < int(record.size):
        domain.blockResize(target, int(record.size), libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
    root = _inactive(run)
    if _path(_disk(root, target)) != record.path:
        put_disk(root, target, DiskSource(record.type, path=record.path), record.format)
        define(run, root)


def _is_ready(run: procedure.Run, target: str) -> bool:
    """Tell whether all is written and the disks mirror each other. Raises LibvirtFailed when the job ended before."""
    if _xml.get(_disk(_live(run), target), "mirror/@ready") == "yes":
        return True
    if not run.domain().blockJobInfo(target, 0):
        raise _errors.LibvirtFailed(
            f"resize: QEMU could not write the overlay of the disk {target} into it; the guest runs on, and running this again "
            "tries again"
        )
    return False


def _disk(root: _xml.Element, target: str) -> _xml.Element:
    return root.find(f"devices/disk/target[@dev='{target}']/..")


def _path(disk: _xml.Element) -> str | None:
    place = source.read(disk)
    return None if place is None else place.path


PROCEDURE = procedure.Procedure(
    parse=parse,
    needs=needs,
    observe=observe,
    excludes=excludes,
    place=place,
    shape=shape,
    actions={
        "resize": _resize,
        "start_resized": _start_resized,
        "confirm_resize": _confirm_resize,
        "revert_resize": _revert_resize,
        "finish_resize": _finish_resize,
    },
)
