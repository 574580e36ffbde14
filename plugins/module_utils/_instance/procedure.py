# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What the verbs of an instance hand on, what a procedure is, and the draft of a plan that procedures shape. Pure.

A procedure is what a task can have done to a guest beyond bringing its definition, its disks and its power in line: rescue, resize,
rebuild, clone, config drive. procedures.table lists them; each is one module, with a Procedure named PROCEDURE.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.metadata import InstanceMetadata, Volume, read
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.storage import OwnedVolume, StorageFacts

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils import _plan, _xml
    from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn, Domain
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.definition import Items, NewGuest
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.disks import DiskSpec
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facts import Facts
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.patch import Patch
    from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.wait_for import WaitFor
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.storage import (
        NewVolume,
        VolumePlan,
    )


@dataclass(frozen=True)
class StopPolicy:
    """How a guest is shut down; times in seconds. force: cut the power at once; fallback: do so after the time-out."""

    force: bool
    method: str
    timeout: float
    retry_interval: float
    fallback: bool


@dataclass(frozen=True)
class InstanceSpec:
    """A guest as it was asked for. `wanted` are the facets' values, of the options that were given alone; `procedures` the values
    of the procedures that were asked for, by their names."""

    name: str
    uuid: str | None
    uri: str
    state: str
    wanted: facet.Values
    disks: tuple[DiskSpec, ...]
    image: str | None
    image_pool: str
    virt_type: str
    arch: str | None
    autostart: bool | None
    stop: StopPolicy
    hard_restart: bool
    discard_saved_state: bool
    remove_storage: str
    patches: tuple[Patch, ...] = ()
    purge: tuple[str, ...] = ()
    removals: Items = field(default_factory=dict)
    apply: str | None = None
    unplug_timeout: float = 60
    wait_for: WaitFor | None = None
    network_names: tuple[str, ...] = field(default=())
    adopt: bool = False
    procedures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Observed:
    """A guest and as much of its host as its spec touches.

    facts: what libvirt tells beside its definition; it is there where the guest exists, and new_guest where it does not.
    inactive, live: the definition for the next boot and of the running (or saved) guest, None where there is none.
    networks: by name, True where active.
    leftovers: volumes that an interrupted removal of a guest of this name was about to delete; unfinished: it was interrupted
    before the guest was undefined, so that nothing is left over. hotplug: the driver can change devices of a running guest.
    frozen: a run that was killed has left file systems of the guest frozen.
    procedures: what procedures that are due have read, by their names. clone: the path of a linked clone's disk, which needs those
    of the guest. lost_memory: libvirt's words for why the saved memory of a suspended guest can't be read.
    collisions: the Collisions (_domain.collisions) of what the task asks for with what others have.
    patched, live_patched: inactive, or live, differs from what the task's xml_patch makes of it in words alone.
    """

    exists: bool
    facts: Facts = None  # type: ignore[assignment]
    domain: Domain = None
    inactive: _xml.Element = None
    live: _xml.Element = None
    new_guest: NewGuest = None  # type: ignore[assignment]
    networks: dict[str, bool] | None = None
    storage: StorageFacts = field(default_factory=StorageFacts)
    leftovers: tuple[OwnedVolume, ...] = ()
    unfinished: bool = False
    frozen: bool = False
    hotplug: bool = False
    procedures: dict[str, Any] = field(default_factory=dict)
    clone: str | None = None
    lost_memory: str | None = None
    collisions: tuple[Any, ...] = ()
    patched: bool = False
    live_patched: bool = False

    @property
    def state(self) -> str:
        return self.facts.state

    @property
    def persistent(self) -> bool:
        return self.exists and self.facts.persistent

    @property
    def autostart(self) -> bool:
        return self.exists and self.facts.autostart

    @cached_property
    def metadata(self) -> InstanceMetadata | None:
        return read(self.inactive) if self.exists else None

    @property
    def active(self) -> bool:
        return self.exists and self.state not in ("stopped", "suspended")

    def once_stopped(self, inactive: _xml.Element) -> Observed:
        """Return what will be observed once the guest is off and has this definition."""
        return replace(self, facts=replace(self.facts, id=None, state="stopped"), live=None, inactive=inactive)


class Run(Protocol):
    """What a handler of an action is given, as _instance.execute makes it.

    leases_before: the DHCP leases from before the guest was booted, as lease_ends() returns them; None unless this run booted it.
    """

    conn: Conn
    spec: InstanceSpec
    observed: Observed
    warnings: list[str]
    done: list[_plan.Action]
    leases_before: dict[tuple[str, str], int] | None

    def domain(self) -> Domain:
        """Return the guest's domain. Raises LibvirtFailed when it is gone."""

    def defined(self, domain: Domain) -> None:
        """Say that the guest has been defined: this is its domain."""

    def on_failure(self, undo: Callable[[], object]) -> None:
        """Have `undo()` called when this action or a later one fails."""

    def half_done(self) -> None:
        """The present action has changed something, which nothing undoes, and may fail yet."""


@dataclass(frozen=True)
class Reading:
    """What a guest is read with, and what is read so far; domain and inactive (its definition) are None when there is no guest.

    users: a function that tells the Uses of the host. storage: the StorageFacts. sizes: by target, (wanted, present) bytes of the
    disks that the task gives a size.
    """

    conn: Conn
    spec: InstanceSpec
    users: Callable[[], Any]
    domain: Domain = None
    inactive: _xml.Element = None
    storage: StorageFacts = None  # type: ignore[assignment]
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)

    @cached_property
    def record(self) -> InstanceMetadata | None:
        """Our metadata with the guest, None where there is none."""
        return None if self.inactive is None else read(self.inactive)

    @property
    def recorded(self) -> tuple[Volume, ...]:
        """The records of the guest's volumes."""
        return self.record.volumes if self.record else ()


@dataclass(frozen=True)
class Needs:
    """What a procedure needs to know of the host's storage, read together with what the disks of the task need.

    disks: further DiskSpecs of the guest. images: names of images. volumes: (pool, name) of volumes that are perhaps there.
    unmade: targets of disks that the definition has and that were never made, so that there is nothing to read.
    definition: what a new guest begins with. found: what was read to know all this.
    """

    disks: tuple[DiskSpec, ...] = ()
    images: frozenset[str] = frozenset()
    volumes: frozenset[tuple[str, str]] = frozenset()
    unmade: frozenset[str] = frozenset()
    definition: _xml.Element = None
    found: Any = None


@dataclass(frozen=True)
class Draft:
    """A plan in the making.

    observed: the guest as it is once the actions of `first` are done. definition: what the overlay begins with and, after it, the
    definition that the guest is to have. wanted: the facets' values. changes: what differs from before.
    disks: DiskSpecs beside those of the task. targets: (DiskSpec, target) of all disks. items: wanted values of disks that a
    procedure has decided on. volumes: the records of our volumes. copies, made: volumes to be made, before and after those that the
    task's disks need; made has them all in the end. growth: (target, bytes).
    kept: targets of disks that an interrupted run has planned, and that a procedure makes, not the launch.

    The actions in their order: first; the definition (by the action `define`; forced: also when nothing in it changes); volumes,
    growth, changes of the running guest, autostart; power; last; the volumes of `replaced` are dropped unless the guest goes on
    using them, those of `dropped` in any case (drops_first: before the definition, as its volumes may take their names); finish.
    """

    observed: Observed
    definition: _xml.Element = None
    wanted: facet.Values = field(default_factory=dict)
    changes: tuple[_plan.Change, ...] = ()
    disks: tuple[DiskSpec, ...] = ()
    targets: tuple[tuple[DiskSpec, str], ...] = ()
    items: tuple[facet.Values, ...] = ()
    volumes: tuple[Volume, ...] = ()
    copies: tuple[NewVolume, ...] = ()
    made: tuple[VolumePlan, ...] = ()
    growth: tuple[tuple[str, int], ...] = ()
    kept: frozenset[str] = frozenset()
    first: tuple[_plan.Action, ...] = ()
    define: str = "define"
    forced: bool = False
    power: tuple[_plan.Action, ...] = None  # type: ignore[assignment]
    last: tuple[_plan.Action, ...] = ()
    replaced: tuple[Volume, ...] = ()
    dropped: tuple[Volume, ...] = ()
    drops_first: bool = False
    finish: tuple[_plan.Action, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Procedure:
    """The parts of a procedure; each is optional, and all but needs, observe and the actions are pure.

    parse(params): what the task asks for, as a value of the procedure's own; it is spec.procedures[NAME]. Raises InvalidInput.
    needs(reading): the Needs; it may read, too. observe(reading, needs): the facts that the plan needs beside the StorageFacts; they
    are observed.procedures[NAME].
    excludes(spec, observed): {name of another procedure: why a task can't ask for that one now}.
    begin(spec, draft): before the disks are placed: what the run starts from.
    place(spec, draft): where the data of disks is, before the definition is overlaid.
    shape(spec, draft): the definition and the power actions, after it is overlaid.
    actions: {name of an action: its handler}.
    """

    parse: Callable[[facet.Values], Any] = lambda params: None
    needs: Callable[[Reading], Needs] = lambda reading: Needs()
    observe: Callable[[Reading, Needs], Any] = lambda reading, needs: needs.found
    excludes: Callable[[InstanceSpec, Observed], dict[str, str]] = lambda spec, observed: {}
    begin: Callable[[InstanceSpec, Draft], Draft] = lambda spec, draft: draft
    place: Callable[[InstanceSpec, Draft], Draft] = lambda spec, draft: draft
    shape: Callable[[InstanceSpec, Draft], Draft] = lambda spec, draft: draft
    actions: dict[str, Callable[[Any, _plan.Action], object]] = field(default_factory=dict)
