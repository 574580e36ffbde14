# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What a person at the guest sees, hears and works with: video, sound and input devices.

Source: libvirt domain XML, "Video devices", "Sound devices" and "Input devices".
"""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facet import (
    DeviceKind,
    Values,
    device_facet,
    device_list_facet,
    given_keys,
    mapping_facet,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._field import INTEGER, Field
from ansible_collections.kvmfleet.compute.plugins.module_utils._units import parse_memory
from ansible_collections.kvmfleet.compute.plugins.module_utils._xml import Element, element_of

# The models that have memory of a size of their own, and those that can have several heads.
_WITH_MEMORY = ("vga", "qxl", "bochs")
_WITH_HEADS = ("virtio", "qxl")


def _check_video(video: Values) -> None:
    model = video.get("model")
    for key, models in (("vram", _WITH_MEMORY), ("heads", _WITH_HEADS)):
        if key in video and model not in (None, *models):
            raise InvalidInput.of(
                f"video.{key}", video[key], "the models that have it are {}".format(", ".join(models))
            )
    if "vram" in video:
        given = video["vram"]
        video["vram"] = size = parse_memory("video.vram", given)
        if size < 1024 or size & (size - 1):
            raise InvalidInput.of("video.vram", given, "1MiB, 2MiB, 4MiB or another power of two of MiB is needed")
    if not 1 <= video.get("heads", 1) <= 16:
        raise InvalidInput.of("video.heads", video["heads"], "a video device has 1 to 16 heads")


def _prepare_video(root: Element, video: Values) -> None:
    """What belongs to another model, such as the sizes of its memory, has no meaning in this one."""
    model = root.find("devices/video/model")
    if "model" in video and model is not None and model.get("type") != video["model"]:
        device = model.getparent()
        device.getparent().replace(device, element_of("video"))


VIDEO = mapping_facet(
    "video",
    {
        "model": {"type": "str", "choices": ["vga", "virtio", "qxl", "bochs", "cirrus", "ramfb", "none"]},
        "vram": {"type": "str"},
        "heads": {"type": "int"},
    },
    (
        Field("model", "devices/video/model/@type"),
        Field("vram", "devices/video/model/@vram", INTEGER),
        Field("heads", "devices/video/model/@heads", INTEGER),
    ),
    _check_video,
    _prepare_video,
)


class _SoundModel(Field):
    """Another model is another device: what the former had is left behind with it."""

    def write(self, root: Element, value: str) -> None:
        device = root.find("devices/sound")
        device.getparent().replace(device, element_of("sound", {"model": value}))


SOUND = device_facet(
    "sound",
    "sound",
    {"model": {"type": "str", "choices": ["ich9", "ich6", "ac97", "es1370", "sb16", "pcspk", "usb", "virtio"]}},
    (_SoundModel("model", "@model"),),
    make=lambda root, sound: element_of("sound", {"model": "ich9"}),
)


class _Inputs(DeviceKind):
    """Without the mouse and the keyboard on PS/2, which x86 machines have built in."""

    def elements(self, root: Element) -> list[Element]:
        return [element for element in super().elements(root) if element.get("bus") != "ps2"]


INPUTS_KIND = _Inputs(
    option="inputs",
    tag="input",
    fields=(Field("type", "@type"), Field("bus", "@bus")),
    identify=lambda item: (
        "{type} on {bus}".format(**item),
        lambda element: (element.get("type"), element.get("bus")) == (item["type"], item["bus"]),
    ),
    new=lambda item: element_of("input", {"type": item["type"], "bus": item["bus"]}),
    label=lambda element: "{} on {}".format(element.get("type"), element.get("bus")),
    identity=("type", "bus"),
)
INPUTS = device_list_facet(
    INPUTS_KIND,
    {
        "type": {"type": "str", "choices": ["tablet", "mouse", "keyboard"], "required": True},
        "bus": {"type": "str", "choices": ["usb", "virtio"], "default": "usb"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    },
    lambda option, item: given_keys(item),
)
