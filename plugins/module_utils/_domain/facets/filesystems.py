# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Directories of the host that a guest mounts by virtiofs.

Source: libvirt domain XML, "Filesystems"; libvirt, "Sharing files with Virtiofs".
"""

from __future__ import annotations

import re

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets.memory_backing import is_shared

_VIRTIOFS = "devices/filesystem/driver[@type='virtiofs']"


def _normalised(option: str, item: facet.Values) -> facet.Values:
    # Source: virtio specification, "File System Device": a tag has 36 bytes.
    if not re.fullmatch(r"[A-Za-z0-9_.:/@+-]{1,36}", item["target"]):
        raise _errors.InvalidInput.of(
            f"{option}.target", item["target"], "a tag of 1 to 36 letters, digits and . _ : / @ + - is needed"
        )
    return item


def _parse_one(option: str, given: facet.Values) -> facet.Values:
    item = facet.given_keys(given)
    for key in ("target", "source"):
        if key not in item:
            raise _errors.InvalidInput.of(option, item, f"{key} is needed")
    if not item["source"].startswith("/"):
        raise _errors.InvalidInput.of(f"{option}.source", item["source"], "an absolute path is needed")
    return _normalised(option, item)


def _new(item: facet.Values) -> _xml.Element:
    filesystem = _xml.element_of("filesystem", {"type": "mount", "accessmode": "passthrough"})
    filesystem.append(_xml.element_of("driver", {"type": "virtiofs"}))
    return filesystem


class _Source(_field.Field):
    """The host's directory. What another tool shares in another way, such as an image or by 9p, keeps its way."""

    def write(self, root: _xml.Element, value: str) -> None:
        source = root.find("source")
        if root.get("type", "mount") != "mount" or (source is not None and not source.get("dir")):
            target = _xml.get(root, "target/@dir")
            raise _errors.Conflict(f"filesystems[{target}].source: the guest has no directory of its host of this tag")
        super().write(root, value)


KIND = facet.DeviceKind(
    option="filesystems",
    tag="filesystem",
    fields=(
        _Source("source", "source/@dir"),
        _field.Field("target", "target/@dir"),
        _field.Field("readonly", "readonly", _field.PRESENCE, empty=False),
    ),
    identify=lambda item: (item["target"], lambda element: _xml.get(element, "target/@dir") == item["target"]),
    new=_new,
    label=lambda element: _xml.get(element, "target/@dir"),
    identity=("target",),
    normalise=_normalised,
)


def _check(before: _xml.Element, after: _xml.Element, wanted: facet.Values) -> None:
    """What a guest has that does not concern the task is not judged."""
    if _lacks_memory(after) and (wanted.get("filesystems") or not _lacks_memory(before)):
        raise _errors.InvalidInput.of(
            "memory_backing.access", "private", "the guest's filesystems need it to be shared"
        )


def _lacks_memory(root: _xml.Element) -> bool:
    return root.find(_VIRTIOFS) is not None and not is_shared(root)


FACET = facet.device_list_facet(
    KIND,
    {
        "target": {"type": "str"},
        "source": {"type": "path"},
        "readonly": {"type": "bool"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    },
    _parse_one,
    check=_check,
    # virtiofsd can't share the memory of a guest that was started without that.
    hotplug=lambda live, wanted, after: KIND.hotplug(live, wanted["filesystems"], after) if is_shared(live) else (),
)
