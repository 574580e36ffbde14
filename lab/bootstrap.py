# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian's packages, unpacked or installed into a directory."""

from __future__ import annotations

from lab.shell import contained, run

SUITES = {"debian13": "trixie", "debian13-openstack": "trixie", "debian12": "bookworm"}
# Nobody reads manuals in the lab, and nothing there must survive the machine's own power failure.
DPKG_OPTIONS = (
    "force-unsafe-io",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/locale/*",
)


def debian(suite, directory, packages, *options):
    """Make a Debian with some packages in a directory; options are mmdebstrap's."""
    address = mirror()
    contained(
        "mmdebstrap",
        "--mode=root",
        "--components=main",
        f"--include={','.join(packages)}",
        *(f"--dpkgopt={option}" for option in DPKG_OPTIONS),
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=APT::Install-Recommends "false"',
        *options,
        suite,
        directory,
        *([address] if address else []),
    )


def mirror():
    """Return the address of the Debian mirror that this machine itself uses, None to leave the choice to mmdebstrap."""
    return debian_address(run("apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", check=False))


def debian_address(targets):
    """Return the address of Debian's main archive among apt's index targets, lines of ORIGIN|LABEL|ADDRESS; None if none is."""
    for line in targets.splitlines():
        origin, label, address = line.split("|", 2)
        if (origin, label) == ("Debian", "Debian"):
            return address
    return None
