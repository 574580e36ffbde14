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


def _first_screen(root: _xml.Element) -> _xml.Element | None:
    """Of several video devices the one that the guest boots with."""
    primary = root.find("devices/video/model[@primary='yes']/..")
    return root.find("devices/video") if primary is None else primary


def _prepare_video(root: _xml.Element, video: facet.Values) -> None:
    """What belongs to another model, such as the sizes of its memory, has no meaning in this one."""
    device = _first_screen(root)
    if device is None:
        root.find("devices").append(_xml.element_of("video"))
    elif "model" in video and _xml.get(device, "model/@type") != video["model"]:
        other = _xml.element_of("video")
        primary = _xml.get(device, "model/@primary")
        if primary is not None:
            other.append(_xml.element_of("model", {"primary": primary}))
        device.getparent().replace(device, other)


def _check_screens(before: _xml.Element, after: _xml.Element, wanted: facet.Values) -> None:
    count = len(before.findall("devices/video"))
    if wanted.get("video", {}).get("model") == "none" and count > 1:
        raise _errors.InvalidInput.of(
            "video.model",
            "none",
            f"the guest has {count} video devices; remove those that are not wanted with xml_patch",
        )


VIDEO = facet.mapping_facet(
    "video",
    {
        "model": {"type": "str", "choices": ["vga", "virtio", "qxl", "bochs", "cirrus", "ramfb", "none"]},
        "vram": {"type": "str"},
        "heads": {"type": "int"},
    },
    facet.within(
        _first_screen,
        (
            _field.Field("model", "model/@type"),
            _field.Field("vram", "model/@vram", _field.INTEGER),
            _field.Field("heads", "model/@heads", _field.INTEGER),
        ),
    ),
    _check_video,
    _prepare_video,
    check=_check_screens,
)


class _SoundModel(_field.Field):
    """Another model is another device: what the former had is left behind with it."""

    def write(self, root: _xml.Element, value: str) -> None:
        root.getparent().replace(root, _xml.element_of("sound", {"model": value}))


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
