# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What a task would have a guest take from other guests, or from its host. Only reads, and only where the task asks for something new.

What the guest's definition has already is not judged again.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets import boot, host_devices

_MAC, _PORT, _CID, _LOG = "interfaces.mac", "vnc.port", "vsock.cid", "serial_console.log_file"
_UNSEEN = "whether the host has it in use can't be seen through this uri; a file is emptied when the guest starts"
# A guest's definition by its name, and whether it runs with it.
Definition = tuple[str, bool, _xml.Element]


@dataclass(frozen=True)
class Collision:
    """A value of a task that something else has, and the words for that. refused: else it is warned of.

    unless: the path of what has nothing collide when it is in the guest's definition.
    """

    option: str
    value: str
    words: str
    refused: bool = True
    unless: str | None = None

    def is_moot(self, after: _xml.Element) -> bool:
        """Tell whether the guest is to have a definition by which nothing collides."""
        return self.unless is not None and after.find(self.unless) is not None


def find(
    conn: Conn,
    guests: Callable[[], Iterable[Definition]],
    name: str,
    wanted: facet.Values,
    inactive: _xml.Element | None,
) -> tuple[Collision, ...]:
    """Return the Collisions of the wanted values of the facets with what others have.

    guests: tells the definitions of all guests of the host; it is called when the task asks for something new. name: the guest's, which
    is none of the others. inactive: its definition for the next boot, None for a new guest.
    """
    asked = _new_values(wanted, inactive)
    found = _with_guests(guests(), name, asked) if any(asked.values()) else []
    devices = _new_devices(wanted, inactive)
    if conn.getType() == "TEST":
        # It makes nothing on any host.
        return tuple(found)
    if not _connection.shares_files(conn):
        unseen = [(_LOG, path) for path in asked[_LOG]] + [(f"host_devices.{kind}", value) for kind, value in devices]
        return (*found, *(Collision(option, value, _UNSEEN, refused=False) for option, value in unseen))
    found += [collision for path in asked[_LOG] for collision in _with_file(path)]
    found += _with_nvram(conn, name, wanted, inactive)
    return (*found, *(collision for device in devices for collision in _with_host(conn, *device)))


def _macs(root: _xml.Element) -> set[str]:
    return {element.get("address", "").lower() for element in root.iterfind("devices/interface/mac")}


def _ports(root: _xml.Element) -> set[str]:
    """The ports of displays, and those of a running guest that libvirt has chosen; -1 is none yet."""
    displays = root.findall("devices/graphics")
    return {display.get(kind) for display in displays for kind in ("port", "tlsPort", "websocket")} - {None, "-1"}


def _cids(root: _xml.Element) -> set[str]:
    return {element.get("address") for element in root.iterfind("devices/vsock/cid")} - {None}


def _logs(root: _xml.Element) -> set[str]:
    """The files that libvirt or QEMU writes a guest's output to."""
    files = {element.get("file") for element in root.iterfind("devices/*/log")}
    files |= {element.get("path") for element in root.iterfind("devices/*[@type='file']/source")}
    return {os.path.normpath(path) for path in files if path}


_READERS = {_MAC: _macs, _PORT: _ports, _CID: _cids, _LOG: _logs}


def _new_values(wanted: facet.Values, inactive: _xml.Element | None) -> dict[str, set[str]]:
    """Return, by option, the values that the task gives and the guest does not have."""
    log = wanted.get("serial_console", {}).get("log_file")
    given = {
        _MAC: {item["mac"].lower() for item in wanted.get("interfaces", ()) if item.get("mac")},
        _PORT: {wanted.get("vnc", {}).get("port", "auto")} - {"auto"},
        _CID: {wanted.get("vsock", {}).get("cid", "auto")} - {"auto"},
        _LOG: {os.path.normpath(log)} if log else set(),
    }
    return {
        option: values if inactive is None else values - _READERS[option](inactive) for option, values in given.items()
    }


def _with_guests(guests: Iterable[Definition], name: str, asked: dict[str, set[str]]) -> list[Collision]:
    """Two guests that never run at once can share anything but a file."""
    found: dict[tuple[str, str], Collision] = {}
    for other, running, root in guests:
        for option, read in _READERS.items():
            for value in asked[option] & read(root) if other != name else ():
                refused = running or option == _LOG
                words = f"the guest {other!r} {'runs with it' if running else 'has it, too'}"
                known = found.get((option, value))
                if known is None or refused > known.refused:
                    found[option, value] = Collision(option, value, words, refused)
    return list(found.values())


def _with_file(path: str) -> Iterator[Collision]:
    if os.path.lexists(path) and not (os.path.isfile(path) and os.path.getsize(path) == 0):
        words = "it exists, and libvirt empties it when the guest starts; name another file, or remove it"
        yield Collision(_LOG, path, words)


def _with_nvram(conn: Conn, name: str, wanted: facet.Values, inactive: _xml.Element | None) -> Iterator[Collision]:
    """libvirt uses a file with the firmware's variables that is there as it is: with the keys and boot entries of another guest."""
    has_one = inactive is not None and boot.FACET.read(inactive, {"firmware": "uefi"})["firmware"] == "uefi"
    if wanted.get("firmware") != "uefi" or has_one:
        return
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import identity

    for path in identity.default_nvrams(conn.getURI(), name):
        if os.path.lexists(path):
            words = (
                f"the file {path!r} exists, with the firmware's variables of an earlier guest of this name, and libvirt would use it; "
                "move it away, or have the guest use it with xml_patch (os/nvram)"
            )
            yield Collision("firmware", "uefi", words, unless="os/nvram")
            return


def _new_devices(wanted: facet.Values, inactive: _xml.Element | None) -> list[tuple[str, str]]:
    """Return (kind, name) of the host's PCI and USB devices that the guest does not have yet."""
    devices = [] if inactive is None else inactive.findall("devices/hostdev[@mode='subsystem']")
    known = {host_devices.KIND.label(device) for device in devices}
    named = [(kind, item[kind]) for item in wanted.get("host_devices", ()) for kind in ("pci", "usb") if kind in item]
    return [(kind, value) for kind, value in named if value not in known]


def _with_host(conn: Conn, kind: str, value: str) -> Iterator[Collision]:
    """A device is taken from the host's driver when the guest starts, whatever the host does with it."""
    directories = [f"/sys/bus/pci/devices/{value}"] if kind == "pci" else _usb_directories(value)
    below = {path for directory in directories for path in _below(directory)}
    uses = [*_used_interfaces(conn, below), *_used_disks(below)]
    if uses:
        yield Collision(f"host_devices.{kind}", value, f"the host uses it: {uses[0]}")


def _below(directory: str) -> Iterator[str]:
    """Yield the paths of the network interfaces and disks of a device, such as .../net/eth0. Source: sysfs."""
    for path, names, _files in os.walk(os.path.realpath(directory)):
        if os.path.basename(path) in ("net", "block"):
            yield from (os.path.join(path, name) for name in names)


def _usb_directories(value: str) -> Iterator[str]:
    """Yield the directories of the USB devices that a number of a bus and a device, or of a vendor and a product, names."""
    files = ("busnum", "devnum") if "/" in value else ("idVendor", "idProduct")
    for directory in glob.glob("/sys/bus/usb/devices/*"):
        numbers = [_text(os.path.join(directory, file)).strip() for file in files]
        if all(numbers) and value in ("/".join(numbers), ":".join(numbers)):
            yield directory


def _used_interfaces(conn: Conn, below: set[str]) -> Iterator[str]:
    names = {os.path.basename(path): path for path in below if os.path.basename(os.path.dirname(path)) == "net"}
    for name, path in names.items():
        if os.path.exists(os.path.join(path, "master")):
            yield f"its interface {name!r} is a port of a bridge or bond"
    if not names:
        return
    from ansible_collections.kvmfleet.compute.plugins.module_utils._network import host

    for interface in host.read(conn, None).interfaces:
        for name in names.keys() & set(interface.names):
            if interface.addresses:
                yield f"its interface {name!r} has the address {interface.addresses[0]}"


def _used_disks(below: set[str]) -> Iterator[str]:
    """Yield the words for disks that are mounted, swapped to, or part of a volume. Source: proc(5), sysfs."""
    mounts = [line.split() for line in _text("/proc/self/mountinfo").splitlines()]
    mounted = {line[2]: line[4] for line in mounts}
    mounted.update({os.path.realpath(line[line.index("-") + 2]): line[4] for line in mounts})
    swaps = {line.split()[0] for line in _text("/proc/swaps").splitlines()[1:]}
    for path in below:
        if os.path.basename(os.path.dirname(path)) != "block":
            continue
        for part in (path, *glob.glob(f"{path}/{os.path.basename(path)}*")):
            node = f"/dev/{os.path.basename(part)}"
            place = mounted.get(_text(f"{part}/dev").strip()) or mounted.get(node)
            if place:
                yield f"its disk {node!r} is mounted at {place!r}"
            elif node in swaps:
                yield f"its disk {node!r} is swapped to"
            elif os.path.isdir(f"{part}/holders") and os.listdir(f"{part}/holders"):
                yield f"its disk {node!r} is part of a volume"


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""
