# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Properties that all modules document."""

    DOCUMENTATION = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/kvmfleet.compute.compute) in C(module_defaults) to set defaults for all modules of the collection.
    support: full
    membership:
      - kvmfleet.compute.compute
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  platform:
    description: Hosts that the module runs on.
    platforms: Linux hosts with libvirt 8.0.0 or newer
"""

    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details:
      - The module changes nothing.
"""
