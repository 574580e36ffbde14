# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Debian guest: a whole Debian 13 with systemd, cloud-init, the agent and ssh, as spare as emulation wants it."""

from __future__ import annotations

from lab import bootstrap
from lab.guests import disk, files
from lab.shell import step

SIZE = 1536 * 1024**2
SUITE = "trixie"
PACKAGES = (
    "btrfs-progs ca-certificates cloud-guest-utils cloud-init dbus e2fsprogs fdisk gpg initramfs-tools iproute2 iputils-ping kmod "
    "less linux-image-cloud-amd64 login lvm2 netbase netplan.io openssh-server procps python3 qemu-guest-agent sudo systemd "
    "systemd-resolved systemd-sysv udev xfsprogs"
).split()
# Work in the background that only costs time in a guest of a test.
MASKED = (
    "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer "
    "systemd-binfmt.service"
).split()
APPEND = "root=/dev/vda1 rw quiet"

# Before the packages are installed: what their scripts heed.
EARLY_FILES = {
    # Only what a guest's disks need, not what the machine that builds the image has. CD drives, which are on ahci or ata_piix, are
    # among them: cloud-init looks for its source of data before udev loads anything.
    "etc/initramfs-tools/conf.d/kvmfleet": (0o644, "MODULES=list\nCOMPRESS=gzip\n"),
    "usr/share/initramfs-tools/modules.d/kvmfleet": (
        0o644,
        "virtio_pci\nvirtio_blk\nvirtio_scsi\nahci\nata_piix\nsd_mod\nsr_mod\next4\n",
    ),
    # By its place and not by its label: a rescued guest's own disk, the second one then, may have the same label.
    "etc/initramfs-tools/scripts/local-top/kvmfleet": (
        0o755,
        """\
#!/bin/sh
# The root file system is on the first disk, whatever its bus is.
[ "$1" != prereqs ] || exit 0
for device in /dev/vda1 /dev/sda1; do
    [ -b "$device" ] && echo "ROOT=$device" >> /conf/param.conf && exit 0
done
""",
    ),
}
FILES = {
    "etc/hostname": (0o644, "debian\n"),
    "etc/hosts": (0o644, "127.0.0.1 localhost\n127.0.1.1 debian\n::1 localhost\n"),
    # Empty: every guest makes its own.
    "etc/machine-id": (0o444, ""),
    "etc/systemd/network/90-dhcp.network": (0o644, "[Match]\nType=ether\n[Network]\nDHCP=yes\n"),
    # One kind of host key is enough; an RSA key takes emulation ten seconds.
    "etc/systemd/system/ssh.service.d/host-key.conf": (
        0o644,
        """\
[Service]
ExecStartPre=
ExecStartPre=/bin/sh -c 'test -s $KEY || ssh-keygen -q -t ed25519 -N "" -f $KEY'
ExecStartPre=/usr/sbin/sshd -t
Environment=KEY=/etc/ssh/ssh_host_ed25519_key
""",
    ),
    "etc/systemd/system/systemd-networkd-wait-online.service.d/any.conf": (
        0o644,
        "[Service]\nExecStart=\nExecStart=/usr/lib/systemd/systemd-networkd-wait-online --any --timeout=60\n",
    ),
    # cloud-init's Python is what a boot's time goes to: two sources of data, and the modules that a compute service's users know.
    "etc/cloud/cloud.cfg.d/90_kvmfleet.cfg": (
        0o644,
        """\
datasource_list: [ConfigDrive, NoCloud, None]
disable_root: false
locale: false
manage_etc_hosts: true
ssh_genkeytypes: [ed25519]
no_ssh_fingerprints: true
system_info:
  network:
    renderers: [netplan]
cloud_init_modules:
  [bootcmd, write_files, growpart, resizefs, disk_setup, mounts, set_hostname, update_hostname, update_etc_hosts, users_groups, ssh,
   set_passwords]
cloud_config_modules: [timezone, runcmd]
cloud_final_modules:
  [write_files_deferred, scripts_per_once, scripts_per_boot, scripts_per_instance, scripts_user, final_message, power_state_change]
""",
    ),
}


def build(work, output, public_key):
    """Build the image.

    work is an empty directory that the caller removes, output the qcow2 to write, public_key what may log in as root.
    """
    early, root = work / "early", work / "root"
    files.write(early, EARLY_FILES)
    with step("install the packages of the Debian guest"):
        bootstrap.debian(
            SUITE,
            root,
            PACKAGES,
            "--variant=apt",
            f"--essential-hook=sync-in {early} /",
            '--customize-hook=chroot "$1" systemctl enable systemd-networkd.service',
            f'--customize-hook=chroot "$1" systemctl mask {" ".join(MASKED)}',
            # It wants vsock, which the guest has not, and says so on the console.
            '--customize-hook=mkdir -p "$1"/etc/systemd/system-generators',
            '--customize-hook=ln -s /dev/null "$1"/etc/systemd/system-generators/systemd-ssh-generator',
            '--customize-hook=rm -f "$1"/etc/ssh/ssh_host_*_key*',
            '--customize-hook=ln -sf ../run/systemd/resolve/stub-resolv.conf "$1"/etc/resolv.conf',
        )
    for name, pattern in (("vmlinuz", "vmlinuz-*"), ("initrd", "initrd.img-*")):
        (root / "boot" / name).symlink_to(next((root / "boot").glob(pattern)).name)
    files.write(root, FILES)
    files.authorize(root, public_key)
    for directory in ("etc", "var"):
        # Nothing has been updated since the build: no caches to make anew at the first boot.
        (root / directory / ".updated").touch()
    disk.bootable(root, SIZE, "debian", APPEND, output)
