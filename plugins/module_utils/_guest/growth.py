# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Grow the file systems of a running guest over what its disks have become: partition, physical and logical volume, file system.

Source: the kernel's proc(5) mountinfo and sysfs; growpart(1), pvresize(8), lvextend(8), resize2fs(8), xfs_growfs(8), btrfs(8).
"""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import execution
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.errors import AgentError

# Bytes that may stay unused at an end: the second partition table, and what alignment, extents and block groups leave over.
MARGIN = 8 * 1024**2
FILE_SYSTEMS = ("ext2", "ext3", "ext4", "xfs", "btrfs")

# Tells of a mount point: the file system's type and size, the device, and of that its size, the volume group's free space and,
# one per line, the physical volumes and partitions below it.
_LOOK = r"""
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C
bytes() { echo $(($(cat "/sys/class/block/$1/size") * 512)); }
partition() {
    [ -e "/sys/class/block/$1/partition" ] || return 0
    disk=$(basename "$(dirname "$(readlink -f "/sys/class/block/$1")")")
    end=$(($(cat "/sys/class/block/$1/start") * 512 + $(bytes "$1")))
    last=yes
    for other in "/sys/class/block/$disk/$disk"*; do
        [ "$(($(cat "$other/start") * 512))" -lt "$end" ] || last=no
    done
    echo "partition $1 $disk $(cat "/sys/class/block/$1/partition") $(($(bytes "$disk") - end)) $last"
}
line=$(awk -v mount="$1" '$5 == mount { found = $0 } END { print found }' /proc/self/mountinfo)
[ -n "$line" ] || exit 3
set -- "$1" ${line#* - }
name=$(basename "$(readlink -f "$3")")
if [ ! -e "/sys/class/block/$name" ]; then
    set -- "$1" "$2" "$3" $line
    name=$(basename "$(readlink -f "/sys/dev/block/$6")")
fi
if [ ! -e "/sys/class/block/$name" ]; then
    echo "filesystem $2 0 $name 0"
    exit
fi
case $2 in
ext*)
    size=$(dumpe2fs -h "/dev/$name" 2>/dev/null |
        awk -F: '/^Block count/ { n = $2 } /^Block size/ { s = $2 } END { printf "%.0f", n * s }')
    ;;
xfs) size=$(xfs_info "$1" | tr '=,' '  ' | awk '$1 == "data" { printf "%.0f", $3 * $5 }') ;;
btrfs) size=$(btrfs filesystem show --raw "$1" | awk '$1 == "devid" { n++; s = $4 } END { printf "%s", n == 1 ? s : 0 }') ;;
*) size=0 ;;
esac
echo "filesystem $2 $size $name $(bytes "$name")"
case $(cat "/sys/class/block/$name/dm/uuid" 2>/dev/null || true) in
LVM-*)
    path=/dev/mapper/$(cat "/sys/class/block/$name/dm/name")
    group=$(lvs --noheadings -o vg_name "$path")
    free=$(vgs --noheadings --nosuffix --units b -o vg_free "${group##* }")
    echo "volume $path ${free##* }"
    pvs --noheadings --nosuffix --units b -o pv_name,dev_size,pv_size --select "vg_name=${group##* }" | while read -r path whole used; do
        physical=$(basename "$(readlink -f "$path")")
        echo "physical $physical $((whole - used))"
        partition "$physical"
    done
    ;;
CRYPT-*)
    echo "it lies on an encrypted device, which is grown in the guest with its key" >&2
    exit 1
    ;;
*) partition "$name" ;;
esac
"""
_NOT_MOUNTED = 3
_COMMANDS = {
    "grow_partition": 'growpart "/dev/$1" "$2"',
    "grow_physical_volume": 'pvresize -q "/dev/$1"',
    "grow_logical_volume": 'lvextend -q -l +100%FREE "$1"',
    "ext": 'resize2fs "/dev/$2"',
    "xfs": 'xfs_growfs "$1"',
    "btrfs": 'btrfs filesystem resize max "$1"',
}
_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C; export PATH LC_ALL; "


class Partition(NamedTuple):
    """A partition, its disk, and the bytes behind it; last: no other partition begins there."""

    name: str
    disk: str
    number: int
    behind: int
    last: bool

    @property
    def grows(self):
        return self.last and self.behind > MARGIN


class FileSystem(NamedTuple):
    """A mounted file system and what it lies on; sizes in bytes.

    volume: the logical volume, "" without LVM. free: what its group has left. physical: {name: bytes that are not used yet}.
    """

    mount: str
    type: str
    size: int
    device: str
    device_size: int
    volume: str
    free: int
    physical: dict
    partitions: tuple


def look(agent, mount):
    """Return the FileSystem that is mounted there. Raises InvalidInput and AgentError."""
    result = execution.run(agent, ["/bin/sh", "-c", _LOOK, "sh", mount])
    if result.rc == _NOT_MOUNTED:
        raise _errors.InvalidInput.of("grow", mount, f"it is no mount point in the guest {agent.guest!r}")
    if result.rc:
        said = result.stderr.decode(errors="replace").strip()
        raise AgentError(f"grow: the guest {agent.guest!r} can't look at {mount}: {said}", "refused")
    return parse(mount, result.stdout.decode())


def parse(mount, text):
    """Return the FileSystem that the script told of. Raises InvalidInput for a kind of file system that can't be grown."""
    found = {"volume": "", "free": 0, "physical": {}, "partitions": ()}
    for line in text.splitlines():
        kind, *words = line.split()
        if kind == "filesystem":
            found.update(type=words[0], size=int(words[1]), device=words[2], device_size=int(words[3]))
        elif kind == "volume":
            found.update(volume=words[0], free=int(words[1]))
        elif kind == "physical":
            found["physical"][words[0]] = int(words[1])
        elif kind == "partition":
            name, disk, number, behind, last = words
            found["partitions"] += (Partition(name, disk, int(number), int(behind), last == "yes"),)
    if found["type"] not in FILE_SYSTEMS or not found["size"]:
        allowed = f"what is mounted there is {found['type']}, and {', '.join(FILE_SYSTEMS)} on one device can be grown"
        raise _errors.InvalidInput.of("grow", mount, allowed)
    return FileSystem(mount=mount, **found)


def plan(file_system):
    """Return the actions that make a file system fill its disks, from the bottom up; none when it does."""
    growing = [partition for partition in file_system.partitions if partition.grows]
    actions = [_plan.Action("grow_partition", p.name, (p.disk, str(p.number))) for p in growing]
    grown = bool(growing)
    if file_system.volume:
        grown_names = [partition.name for partition in growing]
        volumes = [name for name, unused in file_system.physical.items() if name in grown_names or unused > MARGIN]
        actions += [_plan.Action("grow_physical_volume", name, (name,)) for name in volumes]
        grown = bool(volumes) or file_system.free > MARGIN
        if grown:
            actions.append(_plan.Action("grow_logical_volume", file_system.volume, (file_system.volume,)))
    if grown or file_system.device_size - file_system.size > MARGIN:
        arguments = (file_system.type, file_system.mount, file_system.device)
        actions.append(_plan.Action("grow_filesystem", file_system.mount, arguments))
    return actions


def grow(agent, action):
    """Do one of the actions. Raises AgentError with what the guest's tool said."""
    command, arguments = action.name, action.data
    if command == "grow_filesystem":
        kind, *arguments = arguments
        command = "ext" if kind.startswith("ext") else kind
    line = _COMMANDS[command]
    result = execution.run(agent, ["/bin/sh", "-c", _PATH + line, "sh", *arguments])
    if result.rc:
        tool = line.split()[0]
        said = (result.stderr or result.stdout).decode(errors="replace").strip()
        raise AgentError(f"grow: {tool} failed in the guest {agent.guest!r} on {action.subject}: {said}", "refused")
