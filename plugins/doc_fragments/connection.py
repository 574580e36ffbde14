# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The connection to libvirt."""

    DOCUMENTATION = r"""
options:
  uri:
    description:
      - The libvirt that the module talks to, as a libvirt URI, seen from the host that the module runs on.
    type: str
    default: qemu:///system
notes:
  - Passwords, keys and contents of files are hidden in results and in the host's log, as are passwords and tokens in URLs, and what
    C(xml_patch) sets where libvirt has a password. A value of fewer than 8 characters is hidden where the task gives it,
    and not elsewhere, since it can be part of other words.
  - Text is refused when it has control characters. Line breaks at its end are removed. Contents of files, user data and commands
    stay as they are.
requirements:
  - Python 3.9 or newer
  - libvirt-python 8.0.0 or newer (Debian package python3-libvirt)
  - lxml (Debian package python3-lxml)
"""
