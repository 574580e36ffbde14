# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a disk with what a root file system at least has, on LVM in LUKS on a partition, and leave room behind it."""

from __future__ import annotations

import subprocess
import sys

import guestfs

MIB = 1024 * 1024
FILES = {
    "/etc/fstab": "/dev/system/root / ext4 defaults 0 1\n",
    "/etc/os-release": 'ID=debian\nVERSION_ID=13\nPRETTY_NAME="Encrypted 13"\n',
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001:Ann:/home/ann:/bin/sh\n",
    "/etc/group": "root:x:0:\nann:x:1001:\n",
    "/etc/shadow": "root:*:19000:0:99999:7:::\nann:!:19000:0:99999:7:::\n",
    "/etc/selinux/config": "SELINUX=enforcing\nSELINUXTYPE=targeted\n",
}


def make(path, key):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "256M"], check=True)
    disk = guestfs.GuestFS(python_return_dict=True)
    disk.set_backend("direct")
    disk.add_drive_opts(path, format="qcow2")
    disk.launch()
    disk.part_disk("/dev/sda", "gpt")
    disk.luks_format("/dev/sda1", key, 0)
    disk.cryptsetup_open("/dev/sda1", key, "outer")
    disk.pvcreate("/dev/mapper/outer")
    disk.vgcreate("system", ["/dev/mapper/outer"])
    disk.lvcreate_free("root", "system", 100)
    disk.mkfs("ext4", "/dev/system/root")
    disk.mount("/dev/system/root", "/")
    for directory in ("/etc/selinux", "/bin", "/root", "/home/ann", "/run", "/var"):
        disk.mkdir_p(directory)
    for file, content in FILES.items():
        disk.write(file, content)
    disk.chmod(0o640, "/etc/shadow")
    disk.chown(0, 42, "/etc/shadow")
    disk.chown(1000, 1001, "/home/ann")
    disk.ln_s("passwd", "/etc/link")
    disk.ln_s("/run", "/var/run")
    disk.umount_all()
    disk.shutdown()
    disk.close()
    subprocess.run(["qemu-img", "resize", "-q", path, "384M"], check=True)


make(*sys.argv[1:])
