# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""observe: read what the plan needs to know of a guest and its host, with as few calls as possible. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors, _journal, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn, Domain, libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import freeze, lookup, metadata, state
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.definition import NewGuest
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.disks import DiskSpec
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import storage
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedure import (
    InstanceSpec,
    Observed,
    Reading,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.procedures import table
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.targets import (
    Target,
    Volumes,
    assign_targets,
    names,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._optional import unless_unreadable
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.lookup import (
    paths_of,
    read_pools,
    read_volume,
    volume_of,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.volumes import (
    PoolFacts,
    VolumeFacts,
)

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.uses import Uses

# Seconds that libvirt may be busy with a guest before it is taken as it is.
PASSING_TIMEOUT = 60

# Options that can name what others have, besides the MAC address of an interface.
_SHARED = {"vnc", "vsock", "serial_console", "host_devices", "firmware"}
# What tells the Uses of the host, when it is called.
Users = Callable[[], "Uses"]


def find(conn: Any, spec: InstanceSpec) -> Domain | None:
    """Return the domain that a spec names, None when there is none.

    Raises Conflict when name and UUID belong to different guests.
    """
    by_name = lookup.by_name(conn, spec.name)
    if spec.uuid is None:
        return by_name
    if by_name is not None:
        if by_name.UUIDString() != spec.uuid:
            raise _errors.Conflict(
                f"uuid: {spec.uuid!r} is not allowed; a guest {spec.name!r} exists and has the UUID {by_name.UUIDString()}"
            )
        return by_name
    by_uuid = lookup.by_uuid(conn, spec.uuid)
    if by_uuid is not None:
        raise _errors.Conflict(
            f"name: {spec.name!r} is not allowed; the UUID {spec.uuid} belongs to the guest {by_uuid.name()!r}"
        )
    return None


def users_of(conn: Conn) -> Users:
    """Return a function that tells the Uses of the host. They are read when it is first called: most runs write to no disk."""

    def read() -> Uses:
        from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import uses

        return uses.read(conn)

    return lru_cache(maxsize=None)(read)


def observe(conn: Conn, spec: InstanceSpec, known: Any = None, users: Users | None = None) -> Observed:
    """Return the Observed for a spec. Raises Conflict, NotFound, Unsupported, LibvirtFailed.

    known: all guests of the host as bulk.Known, and users: what users_of() returns, when many are observed, so that each costs
    no calls but for its definition.
    """
    users = users or users_of(conn)
    with _connection.doing(f"reading guest {spec.name}"):
        domain = find(known or conn, spec)
        recorded = _recorded_removal(spec, domain)
        if domain is None:
            leftovers = _leftovers(conn, users, spec, recorded)
            if spec.state == "absent":
                return Observed(exists=False, leftovers=leftovers, unfinished=bool(recorded))
            found, procedures = _storage(conn, users, spec, leftovers=leftovers)
            return Observed(
                exists=False,
                new_guest=_new_guest(conn, spec),
                networks=_networks(conn, spec, None),
                storage=found,
                collisions=_collisions(conn, users, spec, None),
                leftovers=leftovers,
                unfinished=bool(recorded),
                procedures=procedures,
            )
        facts = known.facts(domain) if known else state.read_facts(domain)
        if facts.reason in state.PASSING and not state.is_at_rest(domain):
            _await_rest(conn, domain)
            facts = state.read_facts(domain)
        inactive = _xml.parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))
        networks = _networks(conn, spec, inactive)
        live, lost = _live(domain, facts.state)
        found, procedures = _storage(conn, users, spec, domain, inactive, live)
        return Observed(
            exists=True,
            facts=facts,
            domain=domain,
            inactive=inactive,
            live=live,
            networks=networks,
            storage=found,
            collisions=_collisions(conn, users, spec, inactive),
            unfinished=bool(recorded),
            frozen=freeze.is_left(domain),
            hotplug=conn.getType() == "QEMU",
            procedures=procedures,
            clone=_linked_clone(conn, users, spec, inactive, facts.state),
            lost_memory=lost,
            patched=_patched(conn, spec, inactive),
            live_patched=_patched(conn, spec, live),
        )


def _await_rest(conn: Conn, domain: Domain) -> None:
    """Wait until libvirt is no longer busy with starting, saving or dumping a guest, as it may be for a run that was killed."""
    from ansible_collections.kvmfleet.compute.plugins.module_utils._events import DomainWatch

    with DomainWatch(conn, domain) as watch:
        watch.wait_until(lambda: state.is_at_rest(domain), PASSING_TIMEOUT, poll=0.2)


def _collisions(conn: Conn, users: Users, spec: InstanceSpec, inactive: _xml.Element | None) -> Any:
    """Return the Collisions of what the task asks for with what others have."""
    names_mac = any(item.get("mac") for item in spec.wanted.get("interfaces", ()))
    if spec.state == "absent" or not (names_mac or _SHARED.intersection(spec.wanted)):
        return ()
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import collisions

    return collisions.find(conn, lambda: users().definitions, spec.name, spec.wanted, inactive)


def _patched(conn: Conn, spec: InstanceSpec, root: _xml.Element | None) -> bool:
    if root is None or not spec.patches:
        return False
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import check

    return check.is_patched(conn, root, spec.patches)


def _live(domain: Domain, state: str) -> tuple[_xml.Element | None, str | None]:
    """Return (the live definition, or that of the saved memory; why that can't be read), None for each that there is not."""
    if state == "stopped":
        return None, None
    if state != "suspended":
        return _xml.parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)), None
    try:
        text = _unless_unsupported(lambda: domain.managedSaveGetXMLDesc(libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE))
    except libvirt.libvirtError as exc:
        return None, str(exc)
    return None if text is None else _xml.parse(text), None


def _unless_unsupported(call: Callable[[], Any]) -> Any:
    return _connection.unless_gone(call, libvirt.VIR_ERR_NO_SUPPORT)


def _recorded_removal(spec: InstanceSpec, domain: Domain | None) -> tuple[storage.OwnedVolume, ...]:
    """Return what an interrupted removal was about to delete. A guest that is there can do without knowing that."""
    read = partial(_journal.read, _journal.REMOVAL, spec.uri, spec.name, _owned_volumes)
    if domain is None:
        return read() or ()
    return unless_unreadable(f"the record of an earlier removal of {spec.name}", read) or ()


def _owned_volumes(removal: dict[str, Any]) -> tuple[storage.OwnedVolume, ...]:
    return tuple(storage.OwnedVolume(**volume) for volume in removal["volumes"])


def _leftovers(
    conn: Conn, users: Users, spec: InstanceSpec, recorded: Collection[storage.OwnedVolume]
) -> tuple[storage.OwnedVolume, ...]:
    """What an interrupted removal left, but for what something else has come to need since, and for what has taken its name."""
    if not recorded:
        return ()
    from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import proof

    sole = users().sole([volume.path for volume in recorded], spec.name)
    there = filter(None, (proof.read_known(conn, volume.pool, volume.name) for volume in recorded))
    sole -= proof.find_replaced(conn, recorded, there)
    return tuple(volume for volume in recorded if volume.path in sole)


def _new_guest(conn: Conn, spec: InstanceSpec) -> NewGuest:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import launch

    return launch.new_guest(conn, spec)


def _images(
    conn: Conn, spec: InstanceSpec, names: Collection[str]
) -> tuple[dict[str, VolumeFacts | None], tuple[str, ...]]:
    if not names:
        return {}, ()
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import launch

    return launch.images(conn, spec, names)


def _networks(conn: Conn, spec: InstanceSpec, inactive: _xml.Element | None) -> dict[str, bool]:
    """Which of the spec's networks are there; nothing is asked when the guest is on all of them already."""
    known = (
        set() if inactive is None else {_xml.get(i, "source/@network") for i in inactive.findall("devices/interface")}
    )
    wanted = set(spec.network_names) - known
    if not wanted:
        return {}
    networks = {network.name(): network for network in conn.listAllNetworks(0)}
    for name in sorted(wanted):
        if name not in networks:
            raise _errors.NotFound(
                "interfaces.network: {!r} is not a network of this host; it has {}".format(
                    name, ", ".join(sorted(networks)) or "none"
                )
            )
    return {name: bool(networks[name].isActive()) for name in wanted}


def _storage(
    conn: Conn,
    users: Users,
    spec: InstanceSpec,
    domain: Domain = None,
    inactive: _xml.Element = None,
    live: _xml.Element = None,
    leftovers: Iterable[storage.OwnedVolume] = (),
) -> tuple[storage.StorageFacts, dict[str, Any]]:
    """Return (StorageFacts, facts of the procedures that are due): pools, volumes and images as far as the disks need them.

    A guest that has all its disks needs none.
    """
    if spec.state == "absent":
        return _removal(conn, users, spec, inactive), {}
    reading = Reading(conn, spec, users, domain, inactive)
    record = reading.record
    due = table.due(spec, record)
    needed = {name: procedure.needs(reading) for name, procedure in due.items()}
    needs = needed.values()
    present = set() if inactive is None else {_xml.get(d, "target/@dev") for d in inactive.findall("devices/disk")}
    planned = metadata.planned(record)
    disks = (*spec.disks, *(disk for need in needs for disk in need.disks))
    given = {(d.pool, d.volume) for d in disks if d.volume is not None}
    others = {volume for need in needs for volume in need.volumes}
    pool_names = {pool for pool, _name in given | others}
    pools, known_pools = read_pools(conn, pool_names) if pool_names else ({}, ())
    volumes = {key: read_volume(conn, *key) for key in given if key[0] in pools}
    volumes.update(_places(conn, pools, others - given))
    roots = [need.definition for need in needs if need.definition is not None]
    root = roots[0] if roots and inactive is None else inactive
    in_use = frozenset(names(live) | names(root))
    targets = assign_targets(disks, root, volumes, in_use, spec.wanted.get("machine"))
    new = [(d, t) for d, t in targets if d.creates_volume and (t not in present or t in planned)]
    taken = [(d, t) for d, t in targets if d.volume is not None or d.source is not None]
    missing = {d.pool for d, _t in new} - pool_names
    if missing:
        further, known_pools = read_pools(conn, missing)
        pools.update(further)
    volumes.update(_places(conn, pools, _guesses(new, spec) - volumes.keys()))
    removed = {(volume.pool, volume.name) for volume in leftovers}
    wanted_images = {d.image for d, _t in new if d.image is not None}.union(*(need.images for need in needs))
    images, known_images = _images(conn, spec, wanted_images)
    unread = planned.union(*(need.unmade for need in needs))
    sized = {t: d.size for d, t in targets if d.size is not None and t in present and t not in unread}
    attached = _attached([d for d, t in taken if t not in present], volumes)
    read = {target: _capacity(conn, domain, inactive, target) for target in sized}
    capacities = {target: capacity for target, capacity in read.items() if capacity is not None}
    facts = storage.StorageFacts(
        pools=pools,
        volumes={key: None if key in removed else value for key, value in volumes.items()},
        images=images,
        known_pools=known_pools,
        known_images=known_images,
        attached=attached,
        needed={
            path: users().against_attaching(path, spec.name, disk.attributes.get("shareable"))
            for disk, path in attached
        },
        capacities=capacities,
        unwritable=_unwritable(conn, users, spec, inactive, targets, capacities),
        in_use=in_use,
    )
    begun = [(disk, target) for disk, target in new if target in planned]
    if begun:
        facts = replace(facts, ours=_ours(reading, begun, facts))
    sizes = {target: (sized[target], capacity) for target, capacity in capacities.items()}
    reading = replace(reading, storage=facts, sizes=sizes)
    return facts, {name: procedure.observe(reading, needed[name]) for name, procedure in due.items()}


def _places(conn: Conn, pools: Mapping[str, PoolFacts], names: Collection[tuple[str, str]]) -> Volumes:
    if not names:
        return {}
    from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import proof

    return proof.read_places(conn, pools, names)


def _ours(reading: Reading, begun: Iterable[Target], facts: storage.StorageFacts) -> frozenset[tuple[str, str]]:
    """Return (pool, name) of the disks that an interrupted run was to make and that are there."""
    from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import proof

    wanted = [storage.new_volume(reading.spec.name, disk, target, facts) for disk, target in begun]
    return proof.find_ours(reading.conn, reading.recorded, wanted, facts.volumes)


def _attached(disks: Iterable[DiskSpec], volumes: Volumes) -> tuple[tuple[DiskSpec, str], ...]:
    """Return (DiskSpec, path) of the disks that exist already and are to be written to."""
    found = []
    for disk in disks:
        volume = None if disk.volume is None else volumes.get((disk.pool, disk.volume))
        path = disk.source or (volume.path if volume else None)
        given = disk.attributes
        if path is not None and not given.get("readonly") and given.get("device") != "cdrom":
            found.append((disk, path))
    return tuple(found)


def _unwritable(
    conn: Conn,
    users: Users,
    spec: InstanceSpec,
    inactive: _xml.Element,
    targets: Iterable[Target],
    capacities: Mapping[str, int],
) -> dict[str, str]:
    """Return, by target, the words for why the guest's disks can't be written to, as far as the task has them be.

    They are to grow, or to be no longer read-only.
    """
    written = {}
    for disk, target in targets if inactive is not None else ():
        element = inactive.find(f"devices/disk/target[@dev='{target}']/..")
        opens = storage.makes_writable(disk, element)
        if not opens and not (target in capacities and (disk.size or 0) > capacities[target]):
            continue
        shareable = disk.attributes.get("shareable", element.find("shareable") is not None)
        for path in paths_of(conn, element.findall("source")):
            if opens:
                written[target] = users().against_attaching(path, spec.name, shareable)
            else:
                written[target] = users().against_writing(path, spec.name, shared=shareable)
    return {target: need for target, need in written.items() if need}


def _linked_clone(conn: Conn, users: Users, spec: InstanceSpec, inactive: _xml.Element, state: str) -> str | None:
    """Return the path of a file that is based on a disk of a guest that is to start. Nothing is read unless there ever was one."""
    if state not in ("stopped", "suspended") or (spec.state in ("stopped", "present", "absent") and not spec.autostart):
        return None
    record = metadata.read(inactive)
    if record is None or not record.has_clones:
        return None
    paths = paths_of(conn, inactive.iterfind("devices/disk/source"))
    return next((min(overlays) for overlays in map(users().overlays_of, paths) if overlays), None)


def _removal(conn: Conn, users: Users, spec: InstanceSpec, inactive: _xml.Element) -> storage.StorageFacts:
    record = metadata.read(inactive)
    recorded = () if record is None else record.volumes
    names, paths = storage.removal_candidates(spec.remove_storage, inactive, recorded)
    begun = [] if spec.remove_storage == "none" else [volume for volume in recorded if not volume.is_made]
    if not names and not paths and not begun:
        return storage.StorageFacts()
    from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import proof

    removable, left = proof.read_removable(conn, names, paths, begun)
    all_paths = [volume.path for volume in removable]
    needed = {path: users().against_sole_use(path, spec.name, without=all_paths) for path in all_paths}
    # Of the guest's disks, whoever made them, `all` has none stay.
    replaced = proof.find_replaced(conn, recorded, removable).difference(paths)
    needed.update(dict.fromkeys(replaced, proof.REPLACED))
    return storage.StorageFacts(removable=removable, needed=needed, unproven=tuple(map(proof.unproven, left)))


def _guesses(new: Collection[Target], spec: InstanceSpec) -> set[tuple[str, str]]:
    """Names of volumes that are to be made: that they are not there is the normal case, so no pool is refreshed for them."""
    files = {(d.pool, storage.volume_name(spec.name, t, e)) for d, t in new for e in ("qcow2", "raw")}
    return files | {(d.pool, f"{spec.name}-{t}") for d, t in new}


def _capacity(conn: Conn, domain: Domain, inactive: _xml.Element, target: str) -> int | None:
    """Return the bytes of a disk; None, with a warning, when they can't be read: whether it is to grow is not known then."""

    def read() -> int:
        volume = volume_of(conn, inactive.find(f"devices/disk/target[@dev='{target}']/../source"))
        return domain.blockInfo(target)[0] if volume is None else volume.info()[1]

    return unless_unreadable(f"the size of the disk {target} of {domain.name()}", read)
