# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What a person at the guest sees, hears and works with: video, sound and input devices.

Source: libvirt domain XML, "Video devices", "Sound devices" and "Input devices".
"""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _units, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import facet

# The models that have memory of a size of their own, and those that can have several heads.
_WITH_MEMORY = ("vga", "qxl", "bochs")
_WITH_HEADS = ("virtio", "qxl")


def _check_video(video: facet.Values) -> None:
    model = video.get("model")
    for key, models in (("vram", _WITH_MEMORY), ("heads", _WITH_HEADS)):
        if key in video and model not in (None, *models):
            raise _errors.InvalidInput.of(
                f"video.{key}", video[key], "the models that have it are {}".format(", ".join(models))
            )
    if "vram" in video:
        given = video["vram"]
        video["vram"] = size = _units.parse_memory("video.vram", given)
        if size < 1024 or size & (size - 1):
            raise _errors.InvalidInput.of(
                "video.vram", given, "1MiB, 2MiB, 4MiB or another power of two of MiB is needed"
            )
    if not 1 <= video.get("heads", 1) <= 16:
        raise _errors.InvalidInput.of("video.heads", video["heads"], "a video device has 1 to 16 heads")


def _prepare_video(root: _xml.Element, video: facet.Values) -> None:
    """What belongs to another model, such as the sizes of its memory, has no meaning in this one."""
    model = root.find("devices/video/model")
    if "model" in video and model is not None and model.get("type") != video["model"]:
        device = model.getparent()
        device.getparent().replace(device, _xml.element_of("video"))


VIDEO = facet.mapping_facet(
    "video",
    {
        "model": {"type": "str", "choices": ["vga", "virtio", "qxl", "bochs", "cirrus", "ramfb", "none"]},
        "vram": {"type": "str"},
        "heads": {"type": "int"},
    },
    (
        _field.Field("model", "devices/video/model/@type"),
        _field.Field("vram", "devices/video/model/@vram", _field.INTEGER),
        _field.Field("heads", "devices/video/model/@heads", _field.INTEGER),
    ),
    _check_video,
    _prepare_video,
)


class _SoundModel(_field.Field):
    """Another model is another device: what the former had is left behind with it."""

    def write(self, root: _xml.Element, value: str) -> None:
        device = root.find("devices/sound")
        device.getparent().replace(device, _xml.element_of("sound", {"model": value}))


SOUND = facet.device_facet(
    "sound",
    "sound",
    {"model": {"type": "str", "choices": ["ich9", "ich6", "ac97", "es1370", "sb16", "pcspk", "usb", "virtio"]}},
    (_SoundModel("model", "@model"),),
    make=lambda root, sound: _xml.element_of("sound", {"model": "ich9"}),
)


class _Inputs(facet.DeviceKind):
    """Without the mouse and the keyboard on PS/2, which x86 machines have built in."""

    def elements(self, root: _xml.Element) -> list[_xml.Element]:
        return [element for element in super().elements(root) if element.get("bus") != "ps2"]


INPUTS_KIND = _Inputs(
    option="inputs",
    tag="input",
    fields=(_field.Field("type", "@type"), _field.Field("bus", "@bus")),
    identify=lambda item: (
        "{type} on {bus}".format(**item),
        lambda element: (element.get("type"), element.get("bus")) == (item["type"], item["bus"]),
    ),
    new=lambda item: _xml.element_of("input", {"type": item["type"], "bus": item["bus"]}),
    label=lambda element: "{} on {}".format(element.get("type"), element.get("bus")),
    identity=("type", "bus"),
)
INPUTS = facet.device_list_facet(
    INPUTS_KIND,
    {
        "type": {"type": "str", "choices": ["tablet", "mouse", "keyboard"], "required": True},
        "bus": {"type": "str", "choices": ["usb", "virtio"], "default": "usb"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    },
    lambda option, item: facet.given_keys(item),
)
