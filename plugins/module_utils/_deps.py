# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The only place that imports libvirt and lxml: both belong to the managed host, and either may be missing."""

from __future__ import annotations

import sys
import traceback
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors

# libvirt's objects, for which there are no types.
Conn = Any
Domain = Any

IMPORT_ERRORS: dict[str, str] = {}

try:
    import libvirt
except ImportError:
    libvirt = None
    IMPORT_ERRORS["libvirt"] = traceback.format_exc()

try:
    import libvirt_qemu
except ImportError:
    libvirt_qemu = None

try:
    from lxml import etree
except ImportError:
    etree = None
    IMPORT_ERRORS["lxml"] = traceback.format_exc()

__all__ = ["Conn", "Domain", "etree", "libvirt", "libvirt_qemu", "require_libraries"]

PACKAGES = {"libvirt": "python3-libvirt", "lxml": "python3-lxml"}


def require_libraries(*names: str) -> None:
    """Check that the managed host's Python has what the modules need, or these libraries of it.

    Raises MissingLibrary naming the libraries, the interpreter, and the packages that bring them.
    """
    missing = sorted(set(names or PACKAGES) & set(IMPORT_ERRORS))
    if missing:
        several = len(missing) > 1
        raise _errors.MissingLibrary(
            "the Python {} {} missing for {} on the managed host; install {} there (the role kvmfleet.compute.compute does), "
            "or set ansible_python_interpreter to a Python that has {}".format(
                ("libraries " if several else "library ") + " and ".join(missing),
                "are" if several else "is",
                sys.executable,
                " and ".join(PACKAGES[name] for name in missing),
                "them" if several else "it",
            ),
            exception="\n".join(IMPORT_ERRORS[name] for name in missing),
        )
