# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Drift: whether a guest's definition is still the one that the collection applied last."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import Domain, etree, libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.recorded import set_metadata

if TYPE_CHECKING:
    from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facts import Facts


def fingerprint(root: _xml.Element) -> str:
    """Return a text that is another when the definition for the next boot is another; our own metadata does not count."""
    counted = copy.deepcopy(root)
    ours = metadata.find(counted)
    if ours is not None:
        parent = ours.getparent()
        parent.remove(ours)
        if not len(parent):
            parent.getparent().remove(parent)
    return sha256(etree.tostring(counted, method="c14n")).hexdigest()


def begin(root: _xml.Element) -> None:
    """Have a definition of a managed guest say that its fingerprint is not known yet: libvirt completes it as it is defined.

    A run that is killed before record() leaves no wrong one so.
    """
    found = metadata.read(root)
    if found is not None:
        metadata.write(root, replace(found, applied=metadata.APPLYING))


def record(domain: Domain) -> None:
    """Keep the fingerprint of what was just defined with a managed guest."""
    root = _xml.parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    found = metadata.read(root)
    if found is not None:
        set_metadata(domain, replace(found, applied=fingerprint(root)), libvirt.VIR_DOMAIN_AFFECT_CONFIG)


def has_drifted(domain: Domain, facts: Facts, root: _xml.Element) -> bool | None:
    """Tell whether somebody else changed the definition since; None for a guest that has no record, or is gone.

    root: the definition that the guest has now, which is the one for the next boot while it is off.
    """
    if facts.active:
        read = partial(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE)
        text = _connection.unless_gone(read, libvirt.VIR_ERR_NO_DOMAIN)
        if text is None:
            return None
        root = _xml.parse(text)
    found = metadata.read(root)
    if found is None or found.applied in (None, metadata.APPLYING):
        return None
    return fingerprint(root) != found.applied
