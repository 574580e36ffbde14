# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A facet: one part of a guest's definition, with its options, and how it is read from and written to the XML."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _field, _match, _plan, _xml

# By the names of options: what a task gives, or what is wanted of it; also the keys of one option.
Values = dict[str, Any]


@dataclass(frozen=True)
class Facet:
    """Part of a definition. `wanted` maps options to normalised values and has only the options that were given.

    options: its part of the argument spec.
    parse(params): the wanted values that params give. Raises InvalidInput.
    read(root, wanted): the same options and shape as wanted, with what the definition says.
    write(root, wanted): overlay wanted onto the definition; afterwards read(root, wanted) == wanted.
    launch(wanted, guest): what a new guest gets for options that were not given; `guest` is a definition.NewGuest.
    live: options that take effect on a running guest at once by being written, such as its title.
    check(before, after, wanted): refuse what contradicts the rest of the guest; `before` and `after` are its definitions for
    the next boot. Raises InvalidInput, Conflict.
    hotplug(live, wanted, after): write into `live`, a copy of a running guest's definition, what libvirt can change of wanted
    while it runs, and return the Actions that do so; `after` is the definition for the next boot. What differs after that waits
    for a restart.
    describe(root): what modules return of a guest about it, by default nothing; a facet that has it is in describe.FACETS.
    secret: options (or `option.key`) whose values are never shown.
    internal: further keys of wanted that other parts of the plan set, not the user.
    """

    options: Values
    parse: Callable[[Values], Values]
    read: Callable[[_xml.Element, Values], Values]
    write: Callable[[_xml.Element, Values], None]
    launch: Callable[[Values, Any], Values] = lambda wanted, guest: {}
    live: tuple[str, ...] = ()
    check: Callable[[_xml.Element, _xml.Element, Values], None] = lambda before, after, wanted: None
    hotplug: Callable[[_xml.Element, Values, _xml.Element], tuple[_plan.Action, ...]] = lambda live, wanted, after: ()
    describe: Callable[[_xml.Element], Values] = lambda root: {}
    secret: tuple[str, ...] = ()
    internal: tuple[str, ...] = ()

    def given(self, wanted: Values) -> Values:
        """Return the part of wanted that belongs to this facet."""
        return {option: wanted[option] for option in (*self.options, *self.internal) if option in wanted}

    def changes(self, root: _xml.Element, wanted: Values) -> list[_plan.Change]:
        """Return a Change for each value that the definition does not have."""
        current = self.read(root, wanted)
        found = []
        for option, value in wanted.items():
            applies = _field.LIVE if option in self.live else _field.NEXT_BOOT
            for name, before, after in differences(option, current[option], value):
                hidden = name in self.secret
                found.append(
                    _plan.Change(name, _xml.REDACTED if hidden else before, _xml.REDACTED if hidden else after, applies)
                )
        return found


def differences(name: str, before: object, after: object) -> Iterator[tuple[str, object, object]]:
    """Yield (name, before, after) for each value that differs, going down into mappings and lists of devices."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**after, **before}:
            yield from differences(f"{name}.{key}", before.get(key), after.get(key))
    elif (
        isinstance(after, tuple)
        and isinstance(before, tuple)
        and len(before) == len(after)
        and isinstance(after[0], dict)
    ):
        for index, (old, new) in enumerate(zip(before, after)):
            label = f"{name}[{new.get('target') or new.get('mac') or new.get('alias') or index}]"
            if old is None:
                yield label, None, new
            else:
                yield from differences(label, old, new)
    else:
        yield name, before, after


def scalar_facet(
    options: Values, fields: Sequence[_field.Row], parse: Callable[[Values], Values] | None = None, **kwargs: Any
) -> Facet:
    """Make a facet of a table of fields, one for each option. Without `parse` values are taken as they are given."""
    return Facet(
        options=options,
        parse=parse or (lambda params: given_options(options, params)),
        read=lambda root, wanted: _read_rows(fields, root, wanted),
        write=lambda root, wanted: _write_rows(fields, root, wanted),
        **kwargs,
    )


def mapping_facet(
    option: str,
    suboptions: Values,
    fields: Sequence[_field.Row],
    complete: Callable[[Values], None] = lambda mapping: None,
    prepare: Callable[[_xml.Element, Values], None] = lambda root, mapping: None,
    **kwargs: Any,
) -> Facet:
    """Make a facet of one option that is a mapping, each key of which is a field.

    complete(mapping) completes what was given and refuses what is wrong. prepare(root, mapping) is called before the fields
    are written: it makes, or removes, what they stand in.
    """

    def parse(params: Values) -> Values:
        given = given_keys(params.get(option))
        if given:
            complete(given)
        return {option: given} if given else {}

    def read(root: _xml.Element, wanted: Values) -> Values:
        return {name: _read_rows(fields, root, mapping) for name, mapping in wanted.items()}

    def write(root: _xml.Element, wanted: Values) -> None:
        for mapping in wanted.values():
            prepare(root, mapping)
            _write_rows(fields, root, mapping)

    return Facet(
        options={option: {"type": "dict", "options": suboptions}}, parse=parse, read=read, write=write, **kwargs
    )


def _read_rows(rows: Iterable[_field.Row], root: _xml.Element, wanted: Values) -> Values:
    return {row.option: row.read_like(root, wanted[row.option]) for row in rows if row.option in wanted}


def _write_rows(rows: Iterable[_field.Row], root: _xml.Element, wanted: Values) -> None:
    for row in rows:
        if row.option in wanted and row.read_like(root, wanted[row.option]) != wanted[row.option]:
            row.write(root, wanted[row.option])


def given_options(options: Iterable[str], params: Values) -> Values:
    """Return what the parameters of a task give of some options: one that is not given is None there."""
    return {option: params[option] for option in options if params.get(option) is not None}


def given_keys(mapping: Values | None) -> Values:
    """Return what a mapping of a task gives: an option that is not given is None there."""
    return {key: value for key, value in (mapping or {}).items() if value is not None}


def enable_by_use(option: str, mapping: Values) -> None:
    """Complete a mapping that has the key `enabled`: to give another key enables, and needs it enabled."""
    if not mapping.setdefault("enabled", True) and len(mapping) > 1:
        raise _errors.InvalidInput.of(
            f"{option}.enabled", False, f"the other options of {option} need it to be enabled"
        )


Find = Callable[[_xml.Element], "_xml.Element | None"]


class Has(_field.Row):
    """Whether a guest has the device that a facet is about. Writing False removes all of them, True is left to what makes it."""

    def __init__(self, option: str, find: Find) -> None:
        self.option = option
        self._find = find

    def read(self, root: _xml.Element) -> bool:
        return self._find(root) is not None

    def write(self, root: _xml.Element, value: bool) -> None:
        element = None if value else self._find(root)
        while element is not None:
            element.getparent().remove(element)
            element = self._find(root)


class _Within(_field.Row):
    """A field of the one element that a facet is about, where a guest may have several like it."""

    def __init__(self, find: Find, field: _field.Field) -> None:
        self.option = field.option
        self._find = find
        self._field = field

    def read(self, root: _xml.Element) -> Any:
        element = self._find(root)
        return self._field.empty if element is None else self._field.read(element)

    def write(self, root: _xml.Element, value: Any) -> None:
        self._field.write(self._find(root), value)


def within(find: Find, fields: Iterable[_field.Field]) -> tuple[_field.Row, ...]:
    """Return rows for the fields of the element that find(root) returns; their paths begin there."""
    return tuple(_Within(find, field) for field in fields)


def device_facet(
    option: str,
    tag: str,
    suboptions: Values,
    fields: Iterable[_field.Field],
    make: Callable[[_xml.Element, Values], _xml.Element],
    complete: Callable[[Values], None] | None = None,
    **kwargs: Any,
) -> Facet:
    """Make a facet of a device, an option that is a mapping with the key `enabled`. Of several, the
    other keys are about the first; `enabled: false` removes all.

    fields, complete: as in mapping_facet, the places of the fields below the device; `complete` calls enable_by_use.
    make(root, mapping): the element of a new device.
    """
    path = f"devices/{tag}"

    def find(root: _xml.Element) -> _xml.Element | None:
        return root.find(path)

    def prepare(root: _xml.Element, mapping: Values) -> None:
        if mapping["enabled"] and find(root) is None:
            root.find("devices").append(make(root, mapping))

    return mapping_facet(
        option,
        dict({"enabled": {"type": "bool"}}, **suboptions),
        (Has("enabled", find), *within(find, fields)),
        complete or (lambda mapping: enable_by_use(option, mapping)),
        prepare,
        **kwargs,
    )


@dataclass(frozen=True)
class DeviceKind:
    """A list of devices of one kind: how an item finds its element, which fields it has, and how a new one is made.

    identify(item): see _match.pair. new(item): the element of a new device, before its fields are written.
    label(element): what names a device to people and in a removal. identity: the keys of an item that name a device which
    the guest has; an item with `state: absent` has one of them. normalise(option, item): checks such an item.
    live_fields(element): the fields that libvirt can change on a running guest's device; it plugs in what plugging.py
    knows no obstacle to.
    shown: the fields that describe a device to people.
    """

    option: str
    tag: str
    fields: tuple[_field.Row, ...]
    identify: Callable[[Values], Any]
    new: Callable[[Values], _xml.Element]
    label: Callable[[_xml.Element], str | None]
    identity: tuple[str, ...]
    normalise: Callable[[str, Values], Values] = lambda option, item: item
    live_fields: Callable[[_xml.Element], tuple[str, ...]] = lambda element: ()
    shown: tuple[_field.Row, ...] = ()

    def elements(self, root: _xml.Element) -> list[_xml.Element]:
        return root.findall(f"devices/{self.tag}")

    def pairs(self, root: _xml.Element, items: Sequence[Values]) -> list[tuple[Values, _xml.Element | None]]:
        """Return (item, element or None) for each item."""
        return list(zip(items, _match.pair(self.option, [self.identify(item) for item in items], self.elements(root))))

    def agrees(self, element: _xml.Element, item: Values) -> bool:
        """Tell whether a device has everything that an item asks for already."""
        return all(row.read(element) == item[row.option] for row in self.fields if row.option in item)

    def read(self, root: _xml.Element, items: Sequence[Values]) -> tuple[Values | None, ...]:
        return tuple(
            None if element is None else {row.option: row.read(element) for row in self.fields if row.option in item}
            for item, element in self.pairs(root, items)
        )

    def write(self, root: _xml.Element, items: Sequence[Values]) -> None:
        for item, element in self.pairs(root, items):
            if element is None:
                _append(root.find("devices"), self._made(item))
                continue
            self.write_fields(element, item)

    def _made(self, item: Values) -> _xml.Element:
        element = self.new(item)
        self.write_fields(element, item)
        return element

    def missing(
        self, live: _xml.Element, items: Sequence[Values], after: _xml.Element
    ) -> Iterator[tuple[int, Values, _xml.Element]]:
        """Yield (index, item, element) for each item whose device a running guest does not have, as `after` has it."""
        defined = self.pairs(after, items)
        for index, (item, element) in enumerate(self.pairs(live, items)):
            if element is None and defined[index][1] is not None:
                plugged: _xml.Element = copy.deepcopy(defined[index][1])
                # Its place on the bus at the next boot may be taken now.
                _xml.drop(plugged, "address")
                yield index, item, plugged

    def write_fields(self, element: _xml.Element, item: Values) -> None:
        for row in self.fields:
            if row.option in item and row.read(element) != item[row.option]:
                row.write(element, item[row.option])

    def parse_removals(self, items: Iterable[tuple[int, Values]]) -> tuple[Values, ...]:
        """Return the checked items of a task that name devices to be removed. Raises InvalidInput."""
        found = []
        for index, item in items:
            option = f"{self.option}[{index}]"
            named = {key: item[key] for key in self.identity if item.get(key) is not None}
            if not named:
                raise _errors.InvalidInput.of(
                    option, item, "a device that is to be absent is named by its {}".format(" or ".join(self.identity))
                )
            found.append(self.normalise(option, named))
        return tuple(found)

    def unwanted(
        self, root: _xml.Element, items: Sequence[Values], removals: Sequence[Values], purge: bool
    ) -> list[_xml.Element]:
        """Return the elements that `removals` name and, with `purge`, all that no item names."""
        gone = [element for _item, element in self.pairs(root, removals) if element is not None]
        if purge:
            named = [element for _item, element in self.pairs(root, items)]
            gone += [element for element in self.elements(root) if element not in named and element not in gone]
        return gone

    def hotplug(self, live: _xml.Element, items: Sequence[Values], after: _xml.Element) -> tuple[_plan.Action, ...]:
        """See Facet.hotplug: plug in what is missing and can be plugged in, change what can be changed in place."""
        from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import plugging

        actions = {}
        for index, item, element in list(self.missing(live, items, after)):
            if plugging.plug_obstacle(live, element) is None:
                _append(live.find("devices"), element)
                actions[index] = _plan.Action("attach_device", self.subject(element, item), (self, items, index))
        for index, (item, element) in enumerate(self.pairs(live, items)):
            if element is None or index in actions:
                continue
            rows = [row for row in self.fields if row.option in item and row.read(element) != item[row.option]]
            if rows and all(row.option in self.live_fields(element) for row in rows):
                for row in rows:
                    row.write(element, item[row.option])
                actions[index] = _plan.Action("update_device", self.subject(element), _xml.to_text(element))
        return tuple(actions[index] for index in sorted(actions))

    def describe(self, root: _xml.Element) -> Values:
        """See Facet.describe."""
        return {self.option: [_field.read_all(self.shown, element) for element in self.elements(root)]}

    def subject(self, element: _xml.Element, item: Values | None = None) -> str:
        """Name a device to people, one that is new by what was asked for."""
        return f"{self.option}[{self.label(element) or self.label_of(item or {})}]"

    def label_of(self, item: Values) -> str:
        return next((item[key] for key in self.identity if key in item), "new")


def without_empty(item: Values, options: Iterable[str]) -> Values:
    """Return an item in which `""`, `0` or `default` for one of these options is None: the device is to have none."""
    return {key: None if key in options and value in ("", 0, "default") else value for key, value in item.items()}


def device_list_facet(
    kind: DeviceKind, suboptions: Values, parse_one: Callable[[str, Values], Values], **kwargs: Any
) -> Facet:
    """Make a facet of a list of devices that each have a name. parse_one(option, item): the checked item."""

    def parse(params: Values) -> Values:
        if params.get(kind.option) is None:
            return {}
        items = tuple(parse_one(f"{kind.option}[{index}]", item) for index, item in enumerate(params[kind.option]))
        names = [kind.identify(item)[0] for item in items]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise _errors.InvalidInput.of(f"{kind.option}[{index}]", name, "each device may be named once")
        return {kind.option: items}

    def read(root: _xml.Element, wanted: Values) -> Values:
        return {option: kind.read(root, items) for option, items in wanted.items()}

    def write(root: _xml.Element, wanted: Values) -> None:
        for items in wanted.values():
            kind.write(root, items)

    options = {kind.option: {"type": "list", "elements": "dict", "options": suboptions}}
    hotplug = kwargs.pop("hotplug", lambda live, wanted, after: kind.hotplug(live, wanted[kind.option], after))
    return Facet(options=options, parse=parse, read=read, write=write, hotplug=hotplug, **kwargs)


def _append(devices: _xml.Element, element: _xml.Element) -> None:
    """Put a device behind the last of its kind, since libvirt keeps the order of devices of one kind."""
    same = devices.findall(element.tag)
    if same:
        same[-1].addnext(element)
    else:
        devices.append(element)
