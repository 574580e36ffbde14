# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which steps make a file system fill its disks, by what the guest tells of it."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import growth

GIB = 1024**3
ROOT = f"filesystem ext4 {2 * GIB} vda1 {2 * GIB}"
VOLUME = f"filesystem xfs {GIB} dm-0 {GIB}\nvolume /dev/mapper/pool-data"


@pytest.mark.parametrize(
    ("told", "actions"),
    [
        (f"{ROOT}\npartition vda1 vda 1 1048576 yes", []),
        (f"{ROOT}\npartition vda1 vda 1 {GIB} yes", ["grow_partition vda1", "grow_filesystem /srv"]),
        (f"{ROOT}\npartition vda1 vda 1 {GIB} no", []),
        (f"filesystem btrfs {GIB} vdb {2 * GIB}", ["grow_filesystem /srv"]),
        # An earlier run got as far as the partition.
        (f"filesystem ext4 {GIB} vda1 {2 * GIB}\npartition vda1 vda 1 1048576 yes", ["grow_filesystem /srv"]),
        (f"{VOLUME} 0\nphysical vdb 4194304", []),
        (
            f"{VOLUME} 0\nphysical vdb1 4194304\npartition vdb1 vdb 1 {GIB} yes\nphysical vdc 4194304",
            [
                "grow_partition vdb1",
                "grow_physical_volume vdb1",
                "grow_logical_volume /dev/mapper/pool-data",
                "grow_filesystem /srv",
            ],
        ),
        (
            f"{VOLUME} 0\nphysical vdb 0\nphysical vdc {GIB}",
            ["grow_physical_volume vdc", "grow_logical_volume /dev/mapper/pool-data", "grow_filesystem /srv"],
        ),
        (f"{VOLUME} {GIB}\nphysical vdb 0", ["grow_logical_volume /dev/mapper/pool-data", "grow_filesystem /srv"]),
        (
            f"filesystem xfs {GIB} dm-0 {2 * GIB}\nvolume /dev/mapper/pool-data 0\nphysical vdb 0",
            ["grow_filesystem /srv"],
        ),
    ],
)
def test_the_steps(told, actions):
    planned = growth.plan(growth.parse("/srv", told))
    assert [f"{action.name} {action.subject}" for action in planned] == actions


@pytest.mark.parametrize(
    "told", ["filesystem tmpfs 0 0 0", "filesystem btrfs 0 vdb 1024", "filesystem vfat 0 vda15 1024"]
)
def test_what_can_not_be_grown(told):
    with pytest.raises(InvalidInput) as raised:
        growth.parse("/srv", told)
    assert raised.value.message == (
        f"grow: '/srv' is not allowed; what is mounted there is {told.split()[1]}, and ext2, ext3, ext4, xfs, btrfs on one "
        "device can be grown"
    )
