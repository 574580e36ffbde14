# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Guests as hosts of an inventory: which are wanted, what they are called, which groups and variables they have. Pure."""

from __future__ import annotations

import fnmatch
import ipaddress
import json
import re
from collections import Counter
from dataclasses import asdict, dataclass
from hashlib import sha256

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _units

# In a host's name these can't be part of a template, an expression, a pattern or an option of ssh.
UNFIT = re.compile(r"[^\w .+-]|^-")
FIT = "letters, digits, spaces, '_', '.', '+' and '-' only, and no '-' at the beginning"


@dataclass(frozen=True)
class Wanted:
    """What is asked of the hosts. A filter that is None lets every guest pass."""

    hosts: dict
    names: tuple
    states: tuple
    tags: tuple
    managed: bool
    ansible_host: tuple
    address_cidr: str

    @classmethod
    def of(cls, options):
        """Return the Wanted of the plugin's options. Raises InvalidInput."""
        for host, uri in options["hosts"].items():
            if not isinstance(uri, str) or ":" not in uri:
                raise _errors.InvalidInput.of(f"hosts.{host}", uri, "a libvirt URI is needed, such as qemu:///system")
        if options["address_cidr"] is not None:
            try:
                ipaddress.ip_network(options["address_cidr"])
            except ValueError as exc:
                raise _errors.InvalidInput.of(
                    "address_cidr", options["address_cidr"], "a network is needed, such as 10.0.0.0/8"
                ) from exc
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in options.items()})

    def digest(self):
        """Return a text that is another when something else is asked for."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def has_name(self, name):
        return self.names is None or any(fnmatch.fnmatchcase(name, pattern) for pattern in self.names)


def parse_timeout(text):
    """Return the seconds of the option timeout. Raises InvalidInput."""
    seconds = _units.parse_duration("timeout", text)
    if seconds <= 0:
        raise _errors.InvalidInput.of("timeout", text, "it must be longer than 0s")
    return seconds


def variables(wanted, host, uri, instance, drift):
    """Return the variables of a guest; they are documented in the plugin."""
    found = {"kvmfleet_instance": instance, "kvmfleet_host": host, "kvmfleet_uri": uri, "kvmfleet_drift": drift}
    address = _address(wanted, instance)
    if address:
        found["ansible_host"] = address
    return found


def _address(wanted, instance):
    """The first address of the first source that knows one in the wanted network."""
    network = ipaddress.ip_network(wanted.address_cidr) if wanted.address_cidr else None
    known = [entry for interface in instance["interfaces"] for entry in interface.get("addresses") or ()]
    for source in wanted.ansible_host:
        for entry in known:
            if entry["source"] == source and (network is None or ipaddress.ip_address(entry["address"]) in network):
                return entry["address"]
    return None


def named(found, reserved=frozenset()):
    """Yield {inventory_name, variables, renamed} of each guest.

    A guest whose name another one has, too, is NAME_HOST, and so is one whose name is reserved, such as that of a group.
    Where that is a guest's own name again, the UUID follows. `renamed` says why when it is more than NAME_HOST for both.
    """
    names = [UNFIT.sub("_", variables["kvmfleet_instance"]["name"]) for variables in found]
    count = Counter(names)
    taken = {*reserved, *names}
    for name, variables in zip(names, found):
        instance, host = variables["kvmfleet_instance"], variables["kvmfleet_host"]
        renamed = None if name == instance["name"] else f"names there have {FIT}"
        chosen = name
        if name in reserved or count[name] > 1:
            chosen = f"{name}_{host}"
            if name in reserved or chosen in taken:
                renamed = "a group, another guest or the control node has the name"
            while chosen in taken:
                chosen += f"_{instance['uuid']}"
            taken.add(chosen)
        yield {"inventory_name": chosen, "variables": variables, "renamed": renamed}


def groups(variables):
    """Return the names of the groups that a guest is in, before they are made fit for Ansible."""
    instance = variables["kvmfleet_instance"]
    interfaces = instance["interfaces"]
    found = [f"state_{instance['state']}", f"host_{variables['kvmfleet_host']}"]
    found += [f"network_{interface['source']}" for interface in interfaces if interface["source"]]
    found += [f"tag_{tag}" for tag in instance["tags"]]
    found += [f"filter_{interface['filter']}" for interface in interfaces if interface["filter"]]
    if instance["managed"]:
        found.append("managed")
    return sorted(set(found))
