# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What the verbs of an instance hand on: what a task asks for, what was observed, and what actions share. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.metadata import InstanceMetadata, read
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.storage import OwnedVolume, StorageFacts

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn, Domain
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.definition import Items, NewGuest
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facet import Values
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.disks import DiskSpec
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facts import Facts
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.patch import Patch
    from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.wait_for import WaitFor
    from ansible_collections.kvmfleet.compute.plugins.module_utils._xml import Element


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
    wanted: Values
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
    procedures: what procedures that are due have read, by their names. clone: the path of a linked clone's disk, which needs those
    of the guest.
    """

    exists: bool
    facts: Facts = None  # type: ignore[assignment]
    domain: Domain = None
    inactive: Element = None
    live: Element = None
    new_guest: NewGuest = None  # type: ignore[assignment]
    networks: dict[str, bool] | None = None
    storage: StorageFacts = field(default_factory=StorageFacts)
    leftovers: tuple[OwnedVolume, ...] = ()
    unfinished: bool = False
    hotplug: bool = False
    procedures: dict[str, Any] = field(default_factory=dict)
    clone: str | None = None

    @property
    def state(self) -> str:
        return self.facts.state

    @property
    def persistent(self) -> bool:
        return self.exists and self.facts.persistent

    @property
    def autostart(self) -> bool:
        return self.exists and self.facts.autostart

    @property
    def metadata(self) -> InstanceMetadata | None:
        return read(self.inactive) if self.exists else None

    @property
    def active(self) -> bool:
        return self.exists and self.state not in ("stopped", "suspended")

    def once_stopped(self, inactive: Element) -> Observed:
        """Return what will be observed once the guest is off and has this definition."""
        return replace(self, facts=replace(self.facts, id=None, state="stopped"), live=None, inactive=inactive)


class Run(Protocol):
    """What a handler of an action is given, as _instance.execute makes it."""

    conn: Conn
    spec: InstanceSpec
    observed: Observed
    warnings: list[str]

    def domain(self) -> Domain:
        """Return the guest's domain. Raises LibvirtFailed when it is gone."""

    def defined(self, domain: Domain) -> None:
        """Say that the guest has been defined: this is its domain."""

    def on_failure(self, undo: Callable[[], object]) -> None:
        """Have `undo()` called when this action or a later one fails."""
