# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The virtual socket, by which programs of guest and host talk without a network.

Source: libvirt domain XML, "Vsock".
"""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet

AUTO = "auto"
# 0 to 2 are the hypervisor and the host, the highest number of 32 bits means any. Source: vsock(7).
_CIDS = range(3, 2**32 - 1)


class _Cid(_field.Field):
    """The guest's context ID, or `auto` where libvirt chooses a free one at each start."""

    def read(self, root: _xml.Element) -> str | None:
        if _xml.get(root, f"{self.path}/@auto") == "yes":
            return AUTO
        return _xml.get(root, f"{self.path}/@address")

    def write(self, root: _xml.Element, value: str) -> None:
        _xml.put(root, f"{self.path}/@auto", "yes" if value == AUTO else "no")
        _xml.put(root, f"{self.path}/@address", None if value == AUTO else value)


def _complete(vsock: facet.Values) -> None:
    facet.enable_by_use("vsock", vsock)
    cid = vsock.get("cid", AUTO)
    if cid != AUTO:
        if not cid.isdecimal() or int(cid) not in _CIDS:
            raise _errors.InvalidInput.of("vsock.cid", cid, f"auto or a number of {_CIDS[0]} to {_CIDS[-1]} is needed")
        vsock["cid"] = str(int(cid))


def _new(root: _xml.Element, vsock: facet.Values) -> _xml.Element:
    device = _xml.element_of("vsock", {"model": "virtio"})
    device.append(_xml.element_of("cid", {"auto": "yes"}))
    return device


FACET = facet.device_facet(
    "vsock", "vsock", {"cid": {"type": "str"}}, (_Cid("cid", "cid"),), make=_new, complete=_complete
)
