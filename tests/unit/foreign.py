# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Definitions of guests that other tools made: what libvirt writes in its own tests, and what virt-install writes in its own.

tools/setup.sh fetches them.
"""

from __future__ import annotations

import functools
import pathlib
import re
from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput

_FILES = pathlib.Path(__file__).parents[2] / ".build/foreign"
# A definition as libvirt writes it is named by the version of QEMU; the other files are what libvirt's tests read.
_WRITTEN = re.compile(r"\.\w+-(latest|[0-9.]+)(\.[a-z+-]+)?\.xml")


@dataclass(frozen=True)
class Foreign:
    """The definitions by name, and why those that were left out were, by name."""

    definitions: dict
    skipped: dict

    @property
    def count(self):
        return len(self.definitions) + len(self.skipped)


@functools.cache
def read():
    """Return the Foreign definitions, each text once. The elements are shared: copy what is to be changed."""
    texts = {}
    for path in sorted((_FILES / "libvirt").iterdir()):
        if _WRITTEN.search(path.name):
            texts.setdefault(path.read_text(encoding="utf-8"), f"libvirt/{path.name}")
    for path in sorted((_FILES / "virt-install").iterdir()):
        # One file has the definition of the installation and the one after it.
        found = re.findall(r"<domain .*?^</domain>", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        for number, text in enumerate(found):
            texts.setdefault(text, f"virt-install/{path.name}#{number}")
    definitions, skipped = {}, {}
    for text, name in texts.items():
        reason = None
        try:
            root = _xml.parse(text)
        except (InvalidInput, ValueError) as exc:
            reason = str(exc)
        else:
            if root.tag != "domain" or root.find("devices") is None:
                reason = "it has no devices"
        if reason:
            skipped[name] = reason
        else:
            definitions[name] = root
    return Foreign(definitions, skipped)
