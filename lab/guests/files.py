# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that an image gets beside those of its packages."""

from __future__ import annotations


def write(root, files):
    """Write files below a directory; each path has its mode and its text."""
    for name, (mode, text) in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)


def authorize(root, public_key):
    """Let the key's owner log in as root."""
    directory = root / "root" / ".ssh"
    directory.mkdir(parents=True, exist_ok=True)
    keys = directory / "authorized_keys"
    keys.write_text(public_key + "\n", encoding="utf-8")
    for path, mode in ((root / "root", 0o700), (directory, 0o700), (keys, 0o600)):
        path.chmod(mode)
