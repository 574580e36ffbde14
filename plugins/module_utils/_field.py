# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Fields: one option, its place in the XML, and one codec that both reads and writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml

# When a change takes effect on a running guest.
LIVE = "live"
NEXT_BOOT = "next_boot"


@dataclass(frozen=True)
class Codec:
    """How a value stands in the XML: `decode` makes the value of the text, `encode` the text of the value."""

    decode: Callable[[str], Any]
    encode: Callable[[Any], str]


TEXT = Codec(decode=str, encode=str)
INTEGER = Codec(decode=int, encode=str)
YES_NO = Codec(decode=lambda text: text == "yes", encode=lambda value: "yes" if value else "no")
ON_OFF = Codec(decode=lambda text: text == "on", encode=lambda value: "on" if value else "off")
# The element's presence alone is the value, as with <readonly/>.
PRESENCE = Codec(decode=lambda text: True, encode=lambda value: "")
# libvirt reads some numbers as hexadecimal whether or not they begin with 0x.
HEX = Codec(decode=lambda text: int(text, 16), encode=hex)


class Row:
    """A row of a table: an option, how the XML says its value, and how it is put there."""

    option: str

    def read(self, root: _xml.Element) -> Any:
        """Return the value that the XML holds."""
        # A row that has read_like of its own is read by that alone, such as the timers of a clock.
        raise NotImplementedError

    def write(self, root: _xml.Element, value: Any) -> None:
        """Put the value into the XML."""
        # A row that is only shown, or names its device, such as a host device's address, is never written.
        raise NotImplementedError

    def read_like(self, root: _xml.Element, wanted: Any) -> Any:
        """Return the value in the words of `wanted`, which may leave open what another task would ask for."""
        return self.read(root)


def read_all(rows: Iterable[Row], root: _xml.Element) -> dict[str, Any]:
    """Return the value of each row by its option."""
    return {row.option: row.read(root) for row in rows}


@dataclass(frozen=True)
class Field(Row):
    """An option bound to a place below an element: `path` is tag names, with `@name` last for an attribute.

    `empty` is the value that means "not there": writing it removes the place, reading nothing returns it.
    """

    option: str
    path: str
    codec: Codec = TEXT
    empty: Any = None
    applies: str = NEXT_BOOT

    def read(self, root: _xml.Element) -> Any:
        text = _xml.get(root, self.path)
        return self.empty if text is None else self.codec.decode(text)

    def write(self, root: _xml.Element, value: Any) -> None:
        _xml.put(root, self.path, None if value == self.empty else self.codec.encode(value))


class Presence(Field):
    """Whether an element is there: writing True makes an empty one, writing False removes it with all that it has."""

    def read(self, root: _xml.Element) -> bool:
        return root.find(self.path) is not None

    def write(self, root: _xml.Element, value: bool) -> None:
        if value:
            _xml.ensure(root, self.path)
        else:
            _xml.drop(root, self.path)
