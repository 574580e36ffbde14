# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Actions that prepare a clone before it is defined; its volumes are made as those of any new guest."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import replace

from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.recorded import update_metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import file_errors


def _mark_source(run, action):
    """Have the source know that a linked clone needs its disks, before there is one."""
    update_metadata(run.conn.lookupByName(action.subject), lambda found: replace(found, has_clones=True))


def _copy_nvram(run, action):
    """Copy the firmware's variables; the copy is written beside and renamed, and goes when the guest can't be defined."""
    source, path = action.data
    partial = f"{path}.partial"
    with file_errors(f"copying the NVRAM {source}"):
        status = os.stat(source)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)  # of a run that was killed
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as copy, open(source, "rb") as original:
            shutil.copyfileobj(original, copy)
            if os.geteuid() == 0:
                os.fchown(copy.fileno(), status.st_uid, status.st_gid)
            copy.flush()
            os.fsync(copy.fileno())
        os.rename(partial, path)


ACTIONS = {"mark_source": _mark_source, "copy_nvram": _copy_nvram}
