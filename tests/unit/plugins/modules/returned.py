# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare what a module returns with what its RETURN says that it does."""

from __future__ import annotations

import importlib

import yaml


def documented(module):
    """Return the documented keys of a module's result, without those of a failure."""
    name = f"ansible_collections.kvmfleet.compute.plugins.modules.{module}"
    keys = yaml.safe_load(importlib.import_module(name).RETURN)
    return {key: entry for key, entry in keys.items() if not entry["returned"].startswith("failure")}


def differences(found, documentation, where=""):
    """Yield each key that is returned and not documented, or documented and not returned."""
    for key in sorted(set(found) ^ set(documentation)):
        yield f"{where}{key}"
    for key in set(found) & set(documentation):
        below = documentation[key].get("contains")
        values = found[key] if isinstance(found[key], list) else [found[key]]
        for value in values:
            if below and value is not None:
                yield from differences(value, below, f"{where}{key}.")
