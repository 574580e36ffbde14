# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What of a definition may be in one guest alone, and how the definition of another guest is made of it. Pure."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata

# Where the system's libvirt keeps a guest's file with the firmware's variables, unless the definition says otherwise.
DEFAULT_NVRAM = "/var/lib/libvirt/qemu/nvram/{}_VARS.fd"
# The ends of its name, by the format of the firmware's own file.
_NVRAM_ENDS = ("_VARS.fd", "_VARS.qcow2")


def of_another(root: _xml.Element, name: str, uuid: str | None, macs: Sequence[str | None]) -> _xml.Element:
    """Return a copy of a definition with the identity of another guest; libvirt makes up what is not given.

    macs: the MAC addresses of the interfaces in their order, None for those that libvirt is to choose.
    Tags, flavor and the rest of our metadata are taken over, but for what belongs to the one guest.
    """
    former = root.findtext("name")
    root = copy.deepcopy(root)
    root.find("name").text = name
    _xml.drop(root, "uuid")
    if uuid:
        root.insert(1, _xml.element_of("uuid", text=uuid))
    _new_numbers(root)
    for index, interface in enumerate(root.findall("devices/interface")):
        for part in ("mac", "target"):
            _xml.drop(interface, part)
        for port in interface.findall("virtualport/parameters[@interfaceid]"):
            del port.attrib["interfaceid"]
        mac = macs[index] if index < len(macs) else None
        if mac:
            interface.insert(0, _xml.element_of("mac", {"address": mac}))
    _free_ports(root)
    _own_files(root, former, name)
    found = metadata.read(root) or metadata.InstanceMetadata()
    own = replace(
        found, delete_protection=False, has_clones=False, volumes=(), interfaces=(), applied=None, resized=None
    )
    metadata.write(root, own)
    return root


def _new_numbers(root: _xml.Element) -> None:
    """Have libvirt make the generation ID and the CID of a vsock device anew; SMBIOS has the guest's own UUID."""
    if root.find("genid") is not None:
        root.find("genid").text = None
    for vsock in root.findall("devices/vsock"):
        _xml.drop(vsock, "cid")
        vsock.append(_xml.element_of("cid", {"auto": "yes"}))
    _xml.drop(root, "sysinfo/system/entry[@name='uuid']")


def _free_ports(root: _xml.Element) -> None:
    """Have libvirt choose the ports of displays: a fixed one is the other guest's."""
    for graphics in root.findall("devices/graphics"):
        if graphics.get("port") not in (None, "-1"):
            graphics.attrib.pop("tlsPort", None)
            graphics.set("port", "-1")
            graphics.set("autoport", "yes")
        if graphics.get("websocket") is not None:
            graphics.set("websocket", "-1")


def _own_files(root: _xml.Element, former: str, name: str) -> None:
    """Give logs, sockets and the NVRAM names of their own. A serial port's twin <console> is made by libvirt."""
    devices = root.find("devices")
    for twin in devices.findall("console"):
        if _xml.get(twin, "target/@type") in (None, "serial"):
            devices.remove(twin)
    for log in devices.findall("*/log[@file]"):
        log.set("file", own_path(log.get("file"), former, name))
    for tag in ("serial", "parallel", "console", "channel"):
        for source in devices.findall(f"{tag}/source[@path]"):
            if source.getparent().get("type") in ("file", "unix") and source.get("mode") != "connect":
                source.set("path", own_path(source.get("path"), former, name))
    for listen in devices.findall("graphics/listen[@socket]"):
        listen.set("socket", own_path(listen.get("socket"), former, name))
    for graphics in devices.findall("graphics[@socket]"):
        graphics.set("socket", own_path(graphics.get("socket"), former, name))
    path = _given_nvram(root)
    if path:
        put_nvram(root, own_path(path, former, name))


def nvram(root: _xml.Element) -> str | None:
    """Return the path of the file with the firmware's variables, None when there is none.

    libvirt before 9.1 chooses it at each start and tells it of a running guest alone.
    Source: libvirt, qemu_firmware.c (qemuFirmwareEnsureNVRAM).
    """
    default = DEFAULT_NVRAM.format(_xml.get(root, "name")) if _xml.get(root, "os/@firmware") == "efi" else None
    return _given_nvram(root) or default


def default_nvrams(uri: str, name: str) -> list[str]:
    """Return the paths that the file of a new guest with the firmware's variables can have, where the libvirt is this host's.

    Source: libvirt, qemu_conf.c (virQEMUDriverConfigNew), qemu_domain.c (qemuDomainNVRAMPathFormat).
    """
    parts = urlsplit(uri)
    if parts.path == "/embed":
        directory = os.path.join(parse_qs(parts.query).get("root", ["/"])[0], "lib/qemu/nvram")
    elif parts.path == "/session":
        home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        directory = os.path.join(home, "libvirt/qemu/nvram")
    else:
        directory = os.path.dirname(DEFAULT_NVRAM)
    return [f"{directory}/{name}{end}" for end in _NVRAM_ENDS]


def _given_nvram(root: _xml.Element) -> str | None:
    return (_xml.get(root, "os/nvram") or "").strip() or _xml.get(root, "os/nvram/source/@file")


def put_nvram(root: _xml.Element, path: str) -> None:
    """Set the path of the file with the firmware's variables."""
    _xml.put(root, "os/nvram" if (_xml.get(root, "os/nvram") or "").strip() else "os/nvram/source/@file", path)


def own_path(path: str, former: str, name: str) -> str:
    """Return the path of a file of one guest for another: with its name in place of the former's, or in front."""
    directory, _slash, file = path.rpartition("/")
    return f"{directory}/{file.replace(former, name, 1) if former in file else f'{name}-{file}'}"
