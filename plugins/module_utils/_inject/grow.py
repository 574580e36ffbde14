# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""How much the root file system can grow, and growing it: partition, logical volume and file system, each only when it can.

Source: guestfs(3); a layer that a killed run has grown already is found grown.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors

MIB = 1024 * 1024
EXT = ("ext2", "ext3", "ext4")


@dataclass(frozen=True)
class Partition:
    """The partition that the root file system is on, and the last sector that it can have."""

    device: str
    disk: str
    number: int
    table: str
    last_sector: int


@dataclass(frozen=True)
class Growth:
    """What can grow, None where nothing can. physical: the LVM physical volume of the logical one."""

    partition: Partition = None
    volume: str = None
    physical: str = None
    filesystem: str = None


def observe(handle, system):
    """Return the Growth of a system whose root is mounted. Raises Conflict, Unsupported, RuntimeError."""
    device = handle.mountable_device(system.root)
    kind = handle.vfs_type(device)
    if kind not in (*EXT, "xfs", "btrfs"):
        raise _errors.Unsupported(
            f"grow_root: the root file system is {kind}; only ext2 to ext4, xfs and btrfs can be grown"
        )
    volume = physical = None
    below = device
    if handle.is_lv(device):
        volume, physical = device, _physical(handle, device)
        below = physical
    below = system.unlocked.get(below, below)
    partition = _partition(handle, below) if below in handle.list_partitions() else None
    more_volume = volume and (partition or _has_room(handle, volume, physical))
    more = partition or more_volume or handle.blockdev_getsize64(device) - size(handle, device, kind) >= MIB
    return Growth(
        partition,
        volume if more_volume else None,
        physical if more_volume else None,
        device if more else None,
    )


def size(handle, device, kind):
    """Return the size in bytes of the root file system, which is mounted."""
    if kind in EXT:
        facts = handle.tune2fs_l(device)
        return int(facts["Block count"]) * int(facts["Block size"])
    if kind == "xfs":
        facts = handle.xfs_info("/")
        return facts["xfs_datablocks"] * facts["xfs_blocksize"]
    facts = handle.statvfs("/")
    return facts["blocks"] * facts["frsize"]


def _physical(handle, volume):
    group = volume.split("/")[2]
    members = [uuid.replace("-", "") for uuid in handle.vgpvuuids(group)]
    devices = [pv["pv_name"] for pv in handle.pvs_full() if pv["pv_uuid"].replace("-", "") in members]
    if len(devices) != 1:
        raise _errors.Unsupported(
            f"grow_root: the volume group {group} is on {len(devices)} devices; only one can be grown"
        )
    return devices[0]


def _has_room(handle, volume, physical):
    """Tell whether the volume group, or its physical volume, has room for another extent."""
    group = next(vg for vg in handle.vgs_full() if vg["vg_name"] == volume.split("/")[2])
    described = next(pv for pv in handle.pvs_full() if pv["pv_name"] == physical)
    # Beside its extents a physical volume has a head, which is smaller than an extent is.
    unused = handle.blockdev_getsize64(physical) - described["pv_size"] - group["vg_extent_size"]
    return group["vg_free_count"] > 0 or unused >= group["vg_extent_size"]


def _partition(handle, device):
    """Return the Partition when there is room behind it, else None. Raises Conflict when others are in the way."""
    disk, number = handle.part_to_dev(device), handle.part_to_partnum(device)
    table, parts = handle.part_get_parttype(disk), handle.part_list(disk)
    # GPT has its second copy at the end of the disk.
    end = handle.blockdev_getsize64(disk) - (MIB if table == "gpt" else 0)
    last = max(parts, key=lambda part: part["part_end"])
    if end - last["part_end"] - 1 < MIB:
        return None
    if last["part_num"] != number or (table == "msdos" and number > 4):
        raise _errors.Conflict(f"grow_root: {device} can't grow, as it is not the last primary partition of its disk")
    return Partition(device, disk, number, table, end // MIB * MIB // handle.blockdev_getss(disk) - 1)


def grow_partition(handle, partition):
    """Nothing of the disk may be open yet, or the kernel would not take the new table."""
    if partition.table == "gpt":
        handle.part_expand_gpt(partition.disk)
    handle.part_resize(partition.disk, partition.number, partition.last_sector)


def grow_volume(handle, growth):
    handle.pvresize(growth.physical)
    handle.lvresize_free(growth.volume, 100)


def grow_unmounted(handle, device):
    """Grow a file system that has to be unmounted for it."""
    if handle.vfs_type(device) in EXT:
        handle.e2fsck(device, correct=True)
        handle.resize2fs(device)


def grow_mounted(handle, device):
    """Grow a file system that has to be mounted for it."""
    kind = handle.vfs_type(device)
    if kind == "xfs":
        handle.xfs_growfs("/")
    elif kind == "btrfs":
        handle.btrfs_filesystem_resize("/")
