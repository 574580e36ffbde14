# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a kernel and its initial RAM disk to a partition that UEFI boots, whatever is on the rest of the disk."""

from __future__ import annotations

from lab.shell import need, run

STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
# The path that UEFI looks for on a disk that it has no boot entry for.
DEFAULT = "EFI/BOOT/BOOTX64.EFI"
MEBIBYTE = 1024**2
PAGE = 4096


def partition(boot, cmdline, output):
    """Write an EFI system partition with the vmlinuz and initrd of a directory; return its size in bytes, whole MiB."""
    need("mformat", "mmd", "mcopy", "objcopy")
    image = output.with_suffix(".uki")
    unified_kernel(boot / "vmlinuz", boot / "initrd", cmdline, image)
    # Room for the file system's own tables.
    size = (image.stat().st_size // MEBIBYTE + 2) * MEBIBYTE
    run("mformat", "-C", "-i", output, "-T", size // 512, "-v", "ESP", "::")
    run("mmd", "-i", output, "::EFI", "::EFI/BOOT")
    run("mcopy", "-i", output, image, f"::{DEFAULT}")
    image.unlink()
    return size


def unified_kernel(kernel, initrd, cmdline, output):
    """Write one EFI program of systemd's stub, a kernel, its initial RAM disk and its options.

    Source: Unified Kernel Image specification of the UAPI group.
    """
    options = output.with_suffix(".cmdline")
    options.write_text(cmdline, encoding="utf-8")
    place = _end(STUB)
    arguments = []
    # The kernel is last: it may unpack itself over what comes behind it.
    for name, path in ((".cmdline", options), (".initrd", initrd), (".linux", kernel)):
        arguments += ["--add-section", f"{name}={path}", "--change-section-vma", f"{name}={place:#x}"]
        place = _aligned(place + path.stat().st_size)
    run("objcopy", *arguments, STUB, output)
    options.unlink()


def _end(program):
    """Return the first free address behind the sections of a program."""
    sections = (line.split() for line in run("objdump", "--section-headers", program).splitlines())
    # A section's line: number, name, size, address, and more.
    ends = [int(words[2], 16) + int(words[3], 16) for words in sections if len(words) > 6 and words[0].isdigit()]
    return _aligned(max(ends))


def _aligned(address):
    return -(-address // PAGE) * PAGE
