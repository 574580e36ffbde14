# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a directory with a guest's files to a disk that a PC boots, be its firmware BIOS or UEFI."""

from __future__ import annotations

from lab.guests import uefi
from lab.shell import contained, need, run

MASTER_BOOT_RECORD = "/usr/lib/syslinux/mbr/mbr.bin"
# Where the first partition on the disk begins, in bytes.
START = 1024 * 1024
# What extlinux can't read, or older kernels can't mount.
FEATURES = "^64bit,^metadata_csum,^metadata_csum_seed,^orphan_file"
# The instruction cmpxchg16b, as QEMU 7.2 emulates it on one processor, now and then gives the kernel wrong flags: it panics.
# It panics, too, when a busy machine lets no tick of the emulated timer through while it tests the timer.
# Its tests of its own cryptography take a tenth of the boot.
KERNEL_OPTIONS = "console=tty0 console=ttyS0 mitigations=off clearcpuid=cx16 no_timer_check cryptomgr.notests"


def bootable(root, size, label, append, output):
    """Write a qcow2 with an ext4 partition, filled from a directory that has /boot/vmlinuz and /boot/initrd.

    size is the disk's virtual size in bytes, append options of the kernel beside those that every guest has.
    """
    need("extlinux", "sfdisk", "mkfs.ext4", "qemu-img")
    options = f"{KERNEL_OPTIONS} {append}"
    boot = root / "boot" / "extlinux"
    boot.mkdir(parents=True, exist_ok=True)
    (boot / "extlinux.conf").write_text(
        f"DEFAULT linux\nLABEL linux\n  LINUX /boot/vmlinuz\n  INITRD /boot/initrd\n  APPEND {options}\n",
        encoding="utf-8",
    )
    esp = output.with_suffix(".esp")
    start = START + uefi.partition(root / "boot", options, esp)
    raw = output.with_suffix(".raw")
    with open(raw, "wb") as stream:
        stream.seek(START)
        stream.write(esp.read_bytes())
        stream.truncate(size)
    esp.unlink()
    # The first partition is the last on the disk, so that it can grow.
    table = f"label: dos\n1: start={start // 512}, type=83, bootable\n2: start={START // 512}, size={(start - START) // 512}, type=ef\n"
    run("sfdisk", "--quiet", raw, input=table)
    filesystem = ["-b", "4096", "-L", label, "-O", FEATURES, "-m", "0", "-E", f"offset={start},root_owner=0:0"]
    run("mkfs.ext4", "-q", "-F", *filesystem, "-d", root, raw, f"{(size - start) // 1024}k")
    _install_boot_loader(raw, start, output.with_suffix(".mount"))
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", raw, output)
    raw.unlink()


def _install_boot_loader(raw, start, mount):
    mount.mkdir()
    script = 'mount -o "$3" "$1" "$2" && extlinux --install "$2/boot/extlinux" && umount "$2"'
    contained("sh", "-c", script, "sh", raw, mount, f"loop,offset={start}")
    mount.rmdir()
    with open(MASTER_BOOT_RECORD, "rb") as stream:
        code = stream.read(440)
    with open(raw, "r+b") as stream:
        stream.write(code)
