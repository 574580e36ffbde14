# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.
"""Where a disk's data is, as one value: read from a definition and written into it. Pure.

Source: libvirt domain XML, "Hard drives, floppy disks, CDROMs": the source of each type of disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml

# The attribute of <source> that has the path, by the disk's type.
_PATHS = {"file": "file", "block": "dev", "dir": "dir", "vhostuser": "path"}


@dataclass(frozen=True)
class Authentication:
    """Who asks a server for network storage: the user, and the libvirt secret with the password, by its type and UUID or usage."""

    username: str
    secret_type: str
    secret: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True)
class DiskSource:
    """Where the data of a disk is.

    type: libvirt's type of disk. path: of a file, block device, directory or vhost-user socket. pool, volume: of a volume of a
    storage pool. protocol, name, hosts (attributes of each), authentication: of network storage.
    """

    type: str
    path: str | None = None
    pool: str | None = None
    volume: str | None = None
    protocol: str | None = None
    name: str | None = None
    hosts: tuple[tuple[tuple[str, str], ...], ...] = ()
    authentication: Authentication | None = None

    @property
    def text(self) -> str | None:
        """A path; POOL/VOLUME of a pool's volume; PROTOCOL:NAME of network storage; None for another kind."""
        if self.volume is not None:
            return f"{self.pool}/{self.volume}"
        if self.protocol is not None:
            return f"{self.protocol}:{self.name}"
        return self.path

    def __str__(self) -> str:
        return self.text or self.type

    def is_volume(self, volume: object) -> bool:
        """Tell whether this is a volume (of any class with pool, name and path), as far as the definition says."""
        if self.path is not None:
            return self.path == volume.path  # type: ignore[attr-defined]
        return (self.pool, self.volume) == (volume.pool, volume.name)  # type: ignore[attr-defined]


def at_path(path: str) -> DiskSource:
    """Return the source of a path of the host: a block device below /dev, else a file."""
    return DiskSource("block" if path.startswith("/dev/") else "file", path=path)


def read(disk: _xml.Element) -> DiskSource | None:
    """Return the source of a disk of a definition, None for an empty drive."""
    source = disk.find("source")
    return None if source is None else of_element(source, disk.get("type", "file"))


def of_element(source: _xml.Element, kind: str | None = None) -> DiskSource | None:
    """Return what a <source> says, None when it names nothing. kind: the type of the disk, told by the attributes when not given."""
    if kind is None:
        kinds = {"volume": "volume", "protocol": "network", "dev": "block", "dir": "dir"}
        kind = next((kinds[name] for name in kinds if source.get(name)), "file")
    if kind == "volume":
        return DiskSource(kind, pool=source.get("pool"), volume=source.get("volume"))
    if kind == "network":
        hosts = tuple(tuple(sorted(host.attrib.items())) for host in source.findall("host"))
        return DiskSource(
            kind,
            protocol=source.get("protocol"),
            name=source.get("name"),
            hosts=hosts,
            authentication=_authentication(source.find("auth")),
        )
    if kind not in _PATHS:
        return DiskSource(kind)
    path = source.get(_PATHS[kind])
    return DiskSource(kind, path=path) if path else None


def has_volume(root: _xml.Element, volume: object) -> bool:
    """Tell whether a disk of a definition, or the base of one, is a volume (see DiskSource.is_volume)."""
    found = map(of_element, root.iterfind("devices/disk//source"))
    return any(place is not None and place.is_volume(volume) for place in found)


def _authentication(auth: _xml.Element | None) -> Authentication | None:
    if auth is None:
        return None
    secret = auth.find("secret")
    attributes = {} if secret is None else {name: secret.get(name) for name in ("uuid", "usage") if secret.get(name)}
    return Authentication(auth.get("username"), "" if secret is None else secret.get("type", ""), attributes)


def write(disk: _xml.Element, source: DiskSource | None) -> None:
    """Have a disk of a definition get its data from elsewhere; what that is based on, libvirt finds out itself.

    source: of a type that is known here, None for an empty drive.
    """
    for tag in ("source", "backingStore"):
        _xml.drop(disk, tag)
    if source is None:
        return
    disk.set("type", source.type)
    if source.type in _PATHS:
        disk.append(_xml.element_of("source", {_PATHS[source.type]: source.path}))
    elif source.type == "volume":
        disk.append(_xml.element_of("source", {"pool": source.pool, "volume": source.volume}))
    else:
        disk.append(_network_element(source))


def _network_element(source: DiskSource) -> _xml.Element:
    element = _xml.element_of("source", {"protocol": source.protocol, "name": source.name})
    for host in source.hosts:
        element.append(_xml.element_of("host", dict(host)))
    if source.authentication is not None:
        auth = _xml.element_of("auth", {"username": source.authentication.username})
        auth.append(
            _xml.element_of("secret", {"type": source.authentication.secret_type, **source.authentication.secret})
        )
        element.append(auth)
    return element
