# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Get guest info: read many guests with few calls, and ask a guest itself only for what was asked for."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors, _units, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import (
    addresses,
    bulk,
    describe,
    metadata,
    statistics,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import information

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn, Domain
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet

# Requests that are under way at the same time: libvirt works on five of one connection at once.
AT_ONCE = 4

OPTIONS = {
    "names": {"type": "list", "elements": "str"},
    "uuids": {"type": "list", "elements": "str"},
    "states": {
        "type": "list",
        "elements": "str",
        "choices": ["running", "stopped", "paused", "suspended", "crashed", "sleeping"],
    },
    "tags": {"type": "list", "elements": "str"},
    "managed": {"type": "bool"},
    "gather": {
        "type": "list",
        "elements": "str",
        "choices": ["definition", "addresses", "statistics", "agent"],
        "default": ["definition", "addresses"],
    },
    "address_sources": {
        "type": "list",
        "elements": "str",
        "choices": list(addresses.SOURCES),
        "default": list(addresses.DEFAULT_SOURCES),
    },
    "agent_timeout": {"type": "str", "default": "5s"},
    "xml": {"type": "list", "elements": "str", "choices": ["live", "inactive", "migratable"], "default": []},
}


@dataclass(frozen=True)
class InfoSpec:
    """Which guests to read, and what of them. A filter that is None lets every guest pass."""

    names: tuple[str, ...] | None
    uuids: tuple[str, ...] | None
    states: tuple[str, ...] | None
    tags: tuple[str, ...] | None
    managed: bool | None
    gather: tuple[str, ...]
    address_sources: tuple[str, ...]
    agent_timeout: int
    xml: tuple[str, ...]

    @property
    def needs_definition(self) -> bool:
        """Whether each guest's definition must be read, for which libvirt has no bulk call."""
        kinds = ("definition", "addresses", "agent")
        return self.tags is not None or self.managed is not None or any(kind in self.gather for kind in kinds)

    @property
    def may_ask_agents(self) -> bool:
        return "agent" in self.gather or ("addresses" in self.gather and "agent" in self.address_sources)


@dataclass(frozen=True)
class Guest:
    """A guest as it was read: `parameters` are its raw statistics, `root` its definition, None unless needed."""

    domain: Domain
    facts: describe.Facts
    parameters: dict[str, Any]
    root: _xml.Element

    @property
    def agent(self) -> facet.Values:
        return describe.agent(self.root, self.facts)


def parse(params: facet.Values) -> InfoSpec:
    """Return the InfoSpec of a module's options. Raises InvalidInput."""
    values: facet.Values = {
        option: tuple(value) if isinstance(value, list) else value for option, value in params.items()
    }
    if values["uuids"] is not None:
        values["uuids"] = tuple(_parse_uuid(text) for text in values["uuids"])
    values["agent_timeout"] = _parse_timeout(values["agent_timeout"])
    return InfoSpec(**{option: values[option] for option in OPTIONS})


def _parse_uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as exc:
        raise _errors.InvalidInput.of(
            "uuids", text, "a UUID such as 8a53e7c5-6f0e-4b5a-9f53-0d8c8f2e2a10 is needed"
        ) from exc


def _parse_timeout(text: str) -> int:
    seconds = _units.parse_duration("agent_timeout", text)
    if seconds <= 0:
        raise _errors.InvalidInput.of("agent_timeout", text, "it must be longer than 0s")
    return math.ceil(seconds)


def query(conn: Conn, spec: InfoSpec) -> facet.Values:
    """Return {"instances": [...]}, ordered by name; a guest that vanishes meanwhile is left out.

    Raises LibvirtFailed.
    """
    with _connection.doing("reading the guests"):
        instances = reports(conn, spec, read_guests(conn, spec))
    return {"instances": sorted(instances, key=lambda instance: instance["name"])}


def reports(conn: Conn, spec: InfoSpec, guests: Sequence[Guest]) -> list[facet.Values]:
    """Return what was asked for of each of the guests; one that vanished is left out."""
    work = partial(report, conn, spec, _leases(conn, spec, guests))
    # An agent may let one wait; the other guests are read in no time.
    waits = [spec.may_ask_agents and guest.agent["connected"] for guest in guests]
    agents = [guest for guest, waiting in zip(guests, waits) if waiting]
    others = [guest for guest, waiting in zip(guests, waits) if not waiting]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        instances = [*pool.map(work, agents), *map(work, others)]
    return [instance for instance in instances if instance is not None]


def read_guests(conn: Conn, spec: InfoSpec) -> list[Guest]:
    """Return the Guests that pass the filters, by five calls for all of them and one for each definition."""
    domains = [domain for domain in conn.listAllDomains(0) if _is_named(spec, domain)]
    groups = statistics.groups() if "statistics" in spec.gather else 0
    guests = [
        Guest(domain, facts, parameters, None)
        for domain, facts, parameters in bulk.read(conn, domains, groups)
        if spec.states is None or facts.state in spec.states
    ]
    if not spec.needs_definition:
        return guests
    with ThreadPoolExecutor(AT_ONCE) as pool:
        defined = list(pool.map(with_definition, guests))
    return [guest for guest in defined if guest is not None and _is_wanted(spec, guest.root)]


def with_definition(guest: Guest) -> Guest | None:
    """Return the guest with its definition, the live one while it is on; None when it vanished."""
    text = _connection.unless_gone(lambda: guest.domain.XMLDesc(0), libvirt.VIR_ERR_NO_DOMAIN)
    return None if text is None else replace(guest, root=_xml.parse(text))


def _is_named(spec: InfoSpec, domain: Domain) -> bool:
    by_name = spec.names is None or domain.name() in spec.names
    return by_name and (spec.uuids is None or domain.UUIDString() in spec.uuids)


def _is_wanted(spec: InfoSpec, root: _xml.Element) -> bool:
    ours = metadata.read(root)
    if spec.managed is not None and (ours is not None) != spec.managed:
        return False
    return set(spec.tags or ()) <= set(ours.tags if ours else ())


def _leases(conn: Conn, spec: InfoSpec, guests: Iterable[Guest]) -> addresses.Addresses | None:
    wanted = "addresses" in spec.gather and "lease" in spec.address_sources
    return addresses.leases(conn) if wanted and any(guest.facts.active for guest in guests) else None


def report(conn: Conn, spec: InfoSpec, known_leases: addresses.Addresses | None, guest: Guest) -> facet.Values | None:
    """Return what was asked for of one guest; None when it vanished."""
    instance = describe.identity(guest.facts)
    found = None
    if "addresses" in spec.gather:
        found = {}
        if guest.facts.active:
            found = addresses.addresses(conn, guest.domain, guest.root, spec.address_sources, known_leases)
        instance["interfaces"] = describe.interfaces(guest.root, found)
    if "definition" in spec.gather:
        instance = describe.describe(guest.root, guest.facts, found)
    if "statistics" in spec.gather:
        instance["statistics"] = statistics.statistics(guest.parameters)
    if "agent" in spec.gather:
        connected = guest.agent["connected"]
        instance["agent"] = guest.agent
        instance["guest"] = information.information(guest.domain, spec.agent_timeout) if connected else None
    if spec.xml:
        texts = _connection.unless_gone(partial(_xml_texts, spec, guest), libvirt.VIR_ERR_NO_DOMAIN)
        if texts is None:
            return None
        instance["xml"] = texts
    return instance


def _xml_texts(spec: InfoSpec, guest: Guest) -> dict[str, str | None]:
    """Return the wanted definitions without their passwords; None for the live one of a guest that is off."""
    texts = {kind: _xml_text(guest.domain, kind) for kind in spec.xml if kind != "live" or guest.facts.active}
    return dict(dict.fromkeys(spec.xml), **texts)


def _xml_text(domain: Domain, kind: str) -> str:
    flags = {
        "live": 0,
        "inactive": libvirt.VIR_DOMAIN_XML_INACTIVE,
        "migratable": libvirt.VIR_DOMAIN_XML_MIGRATABLE,
    }
    # The migratable definition has the passwords, which the guest needs at the other end.
    return _xml.redacted_text(_xml.parse(domain.XMLDesc(flags[kind])))
