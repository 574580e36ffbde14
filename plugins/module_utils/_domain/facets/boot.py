# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What the guest boots with, and from what: firmware, Secure Boot, order of devices, or a kernel of its host.

Source: libvirt domain XML, "Operating system booting"; libvirt, "Secure Boot".
"""

from __future__ import annotations

from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet

OPTIONS = {
    "firmware": {"type": "str", "choices": ["bios", "uefi"]},
    "secure_boot": {"type": "bool"},
    "boot": {"type": "list", "elements": "str", "choices": ["hd", "cdrom", "network", "fd"]},
    "boot_menu": {"type": "bool"},
}


def parse(params: facet.Values) -> facet.Values:
    wanted = facet.given_options(OPTIONS, params)
    if wanted.get("secure_boot") and wanted.get("firmware") != "uefi":
        raise _errors.InvalidInput.of("secure_boot", True, "it needs firmware: uefi")
    orders = _parse_orders(params)
    if "boot" in wanted:
        wanted["boot"] = _parse_boot(wanted["boot"], orders)
    elif orders:
        # A guest boots by kinds of device or by single devices; libvirt refuses a definition that has both.
        wanted["boot"] = ()
    if params.get("direct_boot") is not None and not facet.given_keys(params["direct_boot"]):
        # A mapping without any key asks for direct boot, too, and does not say of what.
        _complete_direct({})
    return wanted


def _parse_orders(params: facet.Values) -> dict[str, int]:
    """Return the boot orders that the task gives to its devices, by the name of the option."""
    orders: dict[str, int] = {}
    for kind in ("disks", "interfaces"):
        for index, item in enumerate(params.get(kind) or ()):
            if not item.get("boot_order"):
                continue
            option, order = f"{kind}[{index}].boot_order", item["boot_order"]
            if order < 1:
                raise _errors.InvalidInput.of(option, order, "the first device to boot from has 1")
            for other, taken in orders.items():
                if taken == order:
                    raise _errors.InvalidInput.of(
                        option, order, f"{other} is the same; each device has a place of its own"
                    )
            orders[option] = order
    return orders


def _parse_boot(kinds: list[str], orders: dict[str, int]) -> tuple[str, ...]:
    if not kinds or len(set(kinds)) != len(kinds):
        raise _errors.InvalidInput.of(
            "boot", kinds, "at least one kind of device is needed, and each may be named once"
        )
    for option in orders:
        raise _errors.InvalidInput.of(
            "boot", kinds, f"{option} is given; a guest boots either by kinds or by single devices"
        )
    return tuple(kinds)


class _Firmware(_field.Row):
    option = "firmware"

    def read(self, root: _xml.Element) -> str:
        pflash = _xml.get(root, "os/loader/@type") == "pflash"
        return "uefi" if pflash or _xml.get(root, "os/@firmware") == "efi" else "bios"

    def write(self, root: _xml.Element, value: str) -> None:
        """Let libvirt choose the UEFI build; for BIOS remove what it had chosen. The NVRAM file itself is never touched."""
        for tag in ("loader", "nvram", "firmware"):
            _xml.drop(root, f"os/{tag}")
        _xml.put(root, "os/@firmware", "efi" if value == "uefi" else None)


class _SecureBoot(_field.Row):
    """Whether Secure Boot is in force: the build has it and its keys. None while libvirt has not chosen a build."""

    option = "secure_boot"

    def read(self, root: _xml.Element) -> bool | None:
        if _FIRMWARE.read(root) == "bios":
            return False
        features = [element.get("enabled") for element in root.findall("os/firmware/feature")]
        if features:
            return "no" not in features
        if root.find("os/loader") is None:
            return None
        return _xml.get(root, "os/loader/@secure") == "yes"

    def write(self, root: _xml.Element, value: bool) -> None:
        """Let libvirt choose the build of UEFI by its features; what an NVRAM that is there would say to that, check() sees."""
        for tag in ("loader", "firmware"):
            _xml.drop(root, f"os/{tag}")
        firmware = _xml.element_of("firmware")
        if value:
            firmware.append(_xml.element_of("feature", {"enabled": "yes", "name": "secure-boot"}))
            # Else the guest could write to the NVRAM past the firmware. Source: libvirt domain XML, features/smm.
            _xml.put(root, "features/smm/@state", "on")
        firmware.append(_xml.element_of("feature", {"enabled": "yes" if value else "no", "name": "enrolled-keys"}))
        root.find("os").append(firmware)


class _Kinds(_field.Row):
    """The kinds of device to boot from, in their order."""

    option = "boot"

    def read(self, root: _xml.Element) -> tuple[str, ...]:
        return tuple(element.get("dev") for element in root.findall("os/boot"))

    def write(self, root: _xml.Element, value: tuple[str, ...]) -> None:
        _xml.drop(root, "os/boot")
        if value:
            _xml.drop(root, "devices/*/boot")
        root.find("os").extend(_xml.element_of("boot", {"dev": kind}) for kind in value)


_FIRMWARE = _Firmware()
_SECURE_BOOT = _SecureBoot()


def launch(wanted: facet.Values, guest: Any) -> facet.Values:
    """A new UEFI guest boots what nobody signed, too, unless Secure Boot is asked for; libvirt's own choice differs by host."""
    return {"secure_boot": False} if wanted.get("firmware") == "uefi" and "secure_boot" not in wanted else {}


def check(before: _xml.Element, after: _xml.Element, wanted: facet.Values) -> None:
    """Refuse a guest that could not boot as asked for; `before` and `after` are its definitions for the next boot.

    Raises InvalidInput, Conflict.
    """
    secure = wanted.get("secure_boot")
    machine = _xml.get(after, "os/type/@machine") or ""
    if secure and (machine == "pc" or machine.startswith("pc-i440fx")):
        raise _errors.InvalidInput.of("secure_boot", True, f"the guest is a {machine}; Secure Boot needs a q35")
    if _FIRMWARE.read(before) == "uefi" and secure not in (None, _SECURE_BOOT.read(before)):
        # The keys are in the NVRAM, and some builds that libvirt takes to be without Secure Boot (Debian 12's) heed them.
        raise _errors.InvalidInput.of(
            "secure_boot",
            secure,
            "it is chosen when a guest is made or becomes a UEFI guest; this one's NVRAM was made otherwise, and is kept",
        )
    _check_order(after)


def _check_order(root: _xml.Element) -> None:
    """Two devices can't have one place, as when a task gives one a place that another has already."""
    seen: dict[str, str] = {}
    for element in root.findall("devices/*/boot[@order]"):
        name = _device_name(element.getparent())
        other = seen.setdefault(element.get("order"), name)
        if other != name:
            raise _errors.Conflict(
                f"boot_order: {element.get('order')} would be that of {other} and of {name}; give each a place of its own"
            )


def _device_name(device: _xml.Element) -> str:
    name = _xml.get(device, "target/@dev") if device.tag == "disk" else _xml.get(device, "mac/@address")
    return f"{device.tag} {name}"


FACET = facet.scalar_facet(
    OPTIONS,
    (_FIRMWARE, _SECURE_BOOT, _Kinds(), _field.Field("boot_menu", "os/bootmenu/@enable", _field.YES_NO, empty=False)),
    parse,
    launch=launch,
    check=check,
    describe=lambda root: _field.read_all((_FIRMWARE, _SECURE_BOOT), root),
)


def _complete_direct(direct: facet.Values) -> None:
    facet.enable_by_use("direct_boot", direct)
    if direct["enabled"] and "kernel" not in direct:
        raise _errors.InvalidInput.of("direct_boot", direct, "direct_boot.kernel is needed")
    for key in ("kernel", "initrd"):
        if direct.get(key) and not direct[key].startswith("/"):
            raise _errors.InvalidInput.of(f"direct_boot.{key}", direct[key], "an absolute path is needed")


def _prepare_direct(root: _xml.Element, direct: facet.Values) -> None:
    if not direct["enabled"]:
        for tag in ("initrd", "cmdline", "shim"):
            _xml.drop(root, f"os/{tag}")


DIRECT = facet.mapping_facet(
    "direct_boot",
    {
        "enabled": {"type": "bool"},
        "kernel": {"type": "path"},
        "initrd": {"type": "path"},
        "cmdline": {"type": "str"},
    },
    (
        _field.Presence("enabled", "os/kernel"),
        _field.Field("kernel", "os/kernel"),
        _field.Field("initrd", "os/initrd", empty=""),
        _field.Field("cmdline", "os/cmdline", empty=""),
    ),
    _complete_direct,
    _prepare_direct,
)
