# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tiny guest: Debian's cloud kernel, busybox and the real guest agent; it boots in seconds even without hardware virtualisation."""

from __future__ import annotations

import lzma
import os
import shutil

from lab import bootstrap
from lab.guests import disk, files
from lab.shell import LabError, run, step

SIZE = 160 * 1024**2
SUITE = "trixie"
PACKAGES = (
    "base-files busybox-static dropbear-bin e2fsprogs libpam-modules linux-image-cloud-amd64 passwd qemu-guest-agent util-linux"
).split()
# What busybox has not, or not well enough; libraries are found by the loader.
PROGRAMS = (
    "/usr/bin/busybox /usr/bin/lsblk /usr/sbin/blkid /usr/sbin/chpasswd /usr/sbin/dropbear /usr/sbin/mke2fs /usr/sbin/qemu-ga "
    "/usr/lib/x86_64-linux-gnu/security/pam_unix.so"
).split()
LINKS = {"usr/sbin/mkfs.ext2": "mke2fs", "usr/sbin/mkfs.ext3": "mke2fs", "usr/sbin/mkfs.ext4": "mke2fs"}
# Loaded by the initramfs in any case, so that nothing has to be detected: devices, their buses, the root file system.
BOOT_MODULES = (
    "virtio_pci virtio_blk virtio_scsi sd_mod sr_mod virtio_net virtio_console virtio_rng virtio_balloon ext4 crc32c_generic "
    "button evdev"
).split()
# Loaded by the kernel's own requests, or by a user.
MODULES = "efivarfs vfat nls_cp437 nls_ascii isofs 8021q virtiofs".split()
APPEND = "quiet nokaslr"

INITRAMFS = """\
#!/bin/busybox sh
# Load the modules, find the root file system, go there.
mount() { busybox mount "$@"; }
busybox mkdir -p /dev /proc /sys /root
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
while read -r module; do
    busybox insmod "$module"
done < /order
tries=0
until [ -L /root/sbin/init ]; do
    for device in /dev/vd?1 /dev/sd?1; do
        [ -b "$device" ] || continue
        mount -t ext4 -o rw,noatime "$device" /root 2>/dev/null || continue
        [ -L /root/sbin/init ] && break
        busybox umount /root
    done
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { echo "no root file system" > /dev/console; exec busybox sh; }
    [ -L /root/sbin/init ] || busybox usleep 100000
done
for directory in dev proc sys; do
    mount --move /$directory /root/$directory
done
exec busybox switch_root /root /sbin/init
"""

# Path: (mode, text).
FILES = {
    "etc/passwd": (0o644, "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n"),
    "etc/shadow": (0o640, "root:*:20000:0:99999:7:::\nnobody:*:20000:0:99999:7:::\n"),
    "etc/group": (0o644, "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"),
    "etc/nsswitch.conf": (0o644, "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"),
    "etc/shells": (0o644, "/bin/sh\n"),
    "etc/hostname": (0o644, "tiny\n"),
    "etc/hosts": (0o644, "127.0.0.1 localhost tiny\n"),
    "etc/pam.d/chpasswd": (0o644, "password required pam_unix.so sha512\n"),
    "etc/inittab": (
        0o644,
        """\
::sysinit:/etc/init.d/start
::respawn:/etc/init.d/agent
::respawn:/usr/sbin/dropbear -F -R
::respawn:/sbin/acpid -f -l /dev/null
ttyS0::respawn:/sbin/getty -L 115200 ttyS0 vt100
tty1::respawn:/sbin/getty 38400 tty1 linux
::ctrlaltdel:/sbin/reboot
::shutdown:/bin/sync
::shutdown:/bin/umount -a -r
""",
    ),
    "etc/init.d/start": (
        0o755,
        """\
#!/bin/sh
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs tmp /tmp
hostname -F /etc/hostname
ip link set lo up
for path in /sys/class/net/eth*; do
    [ -e "$path" ] || continue
    udhcpc -b -S -t 60 -T 1 -A 1 -x "hostname:$(hostname)" -s /usr/share/udhcpc/default.script -i "${path##*/}" > /dev/null 2>&1 &
done
""",
    ),
    "etc/init.d/agent": (
        0o755,
        """\
#!/bin/sh
# Run the guest agent where the host offers its channel, and tell once that the guest is ready.
port() {
    for path in /sys/class/virtio-ports/*; do
        [ "$(cat "$path/name" 2>/dev/null)" = org.qemu.guest_agent.0 ] && echo "/dev/${path##*/}" && return
    done
}
ready() {
    [ -e /run/ready ] && return
    for console in /dev/ttyS0 /dev/tty0; do
        echo "kvmfleet tiny guest ready" > "$console"
    done 2>/dev/null
    touch /run/ready
}
channel=$(port)
if [ -n "$channel" ]; then
    qemu-ga -m virtio-serial -p "$channel" -t /run -l /dev/null &
    ready
    wait
else
    ready
fi
sleep 1
""",
    ),
    "etc/acpi/PWRF/00000080": (0o755, "#!/bin/sh\nexec poweroff\n"),
    "usr/share/udhcpc/default.script": (
        0o755,
        """\
#!/bin/sh
# What udhcpc calls with the lease in its environment; only the first interface gives the guest its route and name.
case $1 in
deconfig)
    ip link set "$interface" up
    ip -4 address flush dev "$interface"
    ;;
bound | renew)
    ip -4 address replace "$ip/$mask" dev "$interface"
    [ "$interface" = eth0 ] || exit 0
    [ -n "$router" ] && ip route replace default via "${router%% *}" dev "$interface"
    [ -n "$hostname" ] && hostname "$hostname"
    for server in $dns; do
        echo "nameserver $server"
    done > /etc/resolv.conf
    ;;
esac
""",
    ),
    "usr/sbin/shutdown": (
        0o755,
        """\
#!/bin/sh
# As the guest agent calls it: -P, -H or -r, then a time, which is always now, and a message.
action=poweroff
for word in "$@"; do
    case $word in
    -r) action=reboot ;;
    -H) action=halt ;;
    esac
done
exec "$action"
""",
    ),
}


def build(work, output, public_key):
    """Build the image.

    work is an empty directory that the caller removes, output the qcow2 to write, public_key what may log in as root.
    """
    tree, root, initramfs = work / "tree", work / "root", work / "initramfs"
    with step("unpack the packages of the tiny guest"):
        bootstrap.debian(SUITE, tree, PACKAGES, "--variant=extract")
    version = next((tree / "usr/lib/modules").iterdir()).name
    _fill(tree, root, public_key)
    _copy_modules(tree, version, [*BOOT_MODULES, *MODULES], root)
    run("busybox", "depmod", "-b", root, version)
    _make_initramfs(tree, version, initramfs, root / "boot" / "initrd")
    shutil.copy(tree / "boot" / f"vmlinuz-{version}", root / "boot" / "vmlinuz")
    disk.bootable(root, SIZE, "tiny", APPEND, output)


def _fill(tree, root, public_key):
    """Make the root file system: programs with their libraries, busybox for the rest, settings."""
    names = "boot dev etc/dropbear mnt proc root run sys tmp usr/bin usr/sbin usr/lib usr/lib64 var/lib var/log"
    for name in names.split():
        (root / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "var/run").symlink_to("../run")
    (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    _copy(tree, "/usr/lib/os-release", root)
    for program in PROGRAMS:
        _copy(tree, program, root)
        for library in _libraries(tree, program):
            _copy(tree, library, root)
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    files.write(root, FILES)
    _link_busybox(tree, root)
    files.authorize(root, public_key)
    (root / "tmp").chmod(0o1777)


def _copy(tree, name, root):
    source, target = tree / name.lstrip("/"), root / name.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def _libraries(tree, program):
    """Return the paths of what the loader maps for a program, among them the loader itself."""
    loader = "/lib64/ld-linux-x86-64.so.2"
    words = run("chroot", tree, loader, "--list", program, check=False).split()
    return {word for word in words if word.startswith("/")} - {program}


def _link_busybox(tree, root):
    for applet in run("chroot", tree, "/usr/bin/busybox", "--list-full").split():
        place, name = f"/{applet}".split("/")[-2:]
        if not any(os.path.lexists(root / "usr" / directory / name) for directory in ("bin", "sbin")):
            (root / "usr" / place / name).symlink_to("/usr/bin/busybox")


def _copy_modules(tree, version, names, target):
    """Copy modules with what they need, uncompressed; return their paths below target in the order of loading."""
    source = tree / "usr/lib/modules" / version
    needs = _dependencies(source)
    built_in = {_module_name(line) for line in (source / "modules.builtin").read_text(encoding="utf-8").split()}
    order = []
    for name in names:
        if name in built_in:
            continue
        if name not in needs:
            raise LabError(f"the kernel {version} has no module {name!r}")
        order += [path for path in needs[name] if path not in order]
    copied = []
    for path in order:
        place = target / "usr/lib/modules" / version / path.removesuffix(".xz")
        place.parent.mkdir(parents=True, exist_ok=True)
        data = (source / path).read_bytes()
        place.write_bytes(lzma.decompress(data) if path.endswith(".xz") else data)
        copied.append(f"/{place.relative_to(target)}")
    return copied


def _module_name(path):
    return path.rpartition("/")[2].partition(".")[0].replace("-", "_")


def _dependencies(source):
    """Return for each module's name the files to load, in order: what it needs, then itself."""
    run("busybox", "depmod", "-b", source.parents[3], source.name)
    needs = {}
    for line in (source / "modules.dep").read_text(encoding="utf-8").splitlines():
        path, others = line.split(":", 1)
        needs[_module_name(path)] = [*reversed(others.split()), path]
    return needs


def _make_initramfs(tree, version, directory, output):
    order = _copy_modules(tree, version, BOOT_MODULES, directory)
    (directory / "order").write_text("".join(f"{path}\n" for path in order), encoding="utf-8")
    (directory / "bin").mkdir()
    shutil.copy2(tree / "usr/bin/busybox", directory / "bin/busybox")
    (directory / "init").write_text(INITRAMFS, encoding="utf-8")
    (directory / "init").chmod(0o755)
    run("sh", "-c", 'find . | busybox cpio -o -H newc | gzip -9 > "$1"', "sh", output, cwd=directory)
