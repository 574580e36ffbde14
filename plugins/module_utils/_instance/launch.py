# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What a launch needs to know of the host: what it offers a new guest, and its images. Loaded where something is to be made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.definition import NewGuest
from ansible_collections.kvmfleet.compute.plugins.module_utils._host.virtualisation import usable_virt_types
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.naming import newest
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.volumes import VolumeFacts, volume_facts

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Conn
    from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import procedure


def new_guest(conn: Conn, spec: procedure.InstanceSpec) -> NewGuest:
    """Read what the host offers a new guest, and choose: the wanted or native architecture, and KVM where it is usable."""
    guests = _xml.parse(conn.getCapabilities())
    native = guests.findtext("host/cpu/arch")
    offered = {}
    for arch in guests.findall("guest[os_type='hvm']/arch"):
        offered[arch.get("name")] = arch
    name = spec.arch or (native if native in offered else next(iter(offered), None))
    if name is None or name not in offered:
        raise _errors.Unsupported(
            "arch: {!r} is not allowed; this host runs guests of {}".format(
                spec.arch, ", ".join(sorted(offered)) or "no architecture"
            )
        )
    arch = offered[name]
    kinds = [domain.get("type") for domain in arch.findall("domain")]
    usable = [kind for kind in kinds if kind != "kvm" or "kvm" in usable_virt_types(conn)]
    if spec.virt_type != "auto" and spec.virt_type not in kinds:
        raise _errors.Unsupported(
            f"virt_type: {spec.virt_type!r} is not allowed; this host offers {', '.join(kinds)} for {name}"
        )
    virt_type = spec.virt_type if spec.virt_type != "auto" else ("kvm" if "kvm" in usable else usable[0])
    is_qemu = virt_type in ("kvm", "qemu")
    return NewGuest(
        name=spec.name,
        uuid=spec.uuid,
        virt_type=virt_type,
        arch=name,
        machine=("q35" if name in ("x86_64", "i686") else None) if is_qemu else None,
        emulator=arch.findtext("emulator") if is_qemu else None,
        system=is_qemu and conn.getURI().split("?")[0].endswith("/system"),
    )


def images(
    conn: Conn, spec: procedure.InstanceSpec, names: Collection[str]
) -> tuple[dict[str, VolumeFacts | None], tuple[str, ...]]:
    """Return ({image name: VolumeFacts}, all images' names) of the image store, which is a pool like any other."""
    pool = _connection.unless_gone(
        lambda: conn.storagePoolLookupByName(spec.image_pool), libvirt.VIR_ERR_NO_STORAGE_POOL
    )
    if pool is None or not pool.isActive():
        raise _errors.NotFound(
            f"image_pool: {spec.image_pool!r} is not an active storage pool of this host; "
            "the role kvmfleet.compute.compute makes the image store"
        )
    found = _find_images(pool, spec.image_pool, names)
    if any(image is None for image in found.values()):
        pool.refresh(0)
        found = _find_images(pool, spec.image_pool, names)
    return found, tuple(pool.listVolumes())


def _find_images(pool: Any, pool_name: str, names: Iterable[str]) -> dict[str, VolumeFacts | None]:
    volumes = {volume.name(): volume for volume in pool.listAllVolumes(0)}
    return {name: _find_image(volumes, pool_name, name) for name in names}


def _find_image(volumes: Mapping[str, Any], pool_name: str, name: str) -> VolumeFacts | None:
    if name in volumes:
        return volume_facts(pool_name, _xml.parse(volumes[name].XMLDesc(0)))
    versions = {}
    for file_name in volumes:
        if file_name.startswith(f"{name}."):
            root = _xml.parse(volumes[file_name].XMLDesc(0))
            versions[file_name] = (root, float(root.findtext("target/timestamps/mtime") or 0))
    current = newest({file_name: mtime for file_name, (_root, mtime) in versions.items()}, name)
    return None if current is None else volume_facts(pool_name, versions[current][0])
