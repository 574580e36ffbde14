# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""xml_patch: set, add and remove by XPath, for what has no option."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import etree

OPTIONS = {
    "xml_patch": {
        "type": "list",
        "elements": "dict",
        "mutually_exclusive": [("set", "add", "remove")],
        "required_one_of": [("set", "add", "remove")],
        "options": {
            "xpath": {"type": "str", "required": True},
            "set": {"type": "str"},
            "add": {"type": "str"},
            "remove": {"type": "bool"},
        },
    },
}
NAMESPACES = {"qemu": "http://libvirt.org/schemas/domain/qemu/1.0"}
# A path that can be made when it is missing: tag names, then perhaps an attribute.
_SIMPLE_PATH = re.compile(r"\.?/?((?:[A-Za-z][\w-]*)(?:/[A-Za-z][\w-]*)*)?(?:/?@([A-Za-z][\w-]*))?")


@dataclass(frozen=True)
class Patch:
    """One change: `verb` is set (text of an element or attribute), add (a child element) or remove."""

    option: str
    xpath: str
    verb: str
    value: str | None = None


def parse(params: dict[str, Any]) -> tuple[Patch, ...]:
    """Return the Patches that the option lists. Raises InvalidInput."""
    patches = []
    for index, item in enumerate(params.get("xml_patch") or ()):
        option = f"xml_patch[{index}]"
        verb = next(verb for verb in ("set", "add", "remove") if item.get(verb) is not None)
        if verb == "remove" and not item["remove"]:
            continue
        _compiled(option, item["xpath"])
        if verb == "add":
            try:
                _xml.parse(item["add"])
            except _errors.InvalidInput as exc:
                raise _errors.InvalidInput(f"{option}.add: {exc.message}") from exc
        patches.append(Patch(option, item["xpath"], verb, item.get(verb)))
    return tuple(patches)


def _compiled(option: str, xpath: str) -> Any:
    try:
        return etree.XPath(xpath, namespaces=NAMESPACES)
    except etree.XPathError as exc:
        raise _errors.InvalidInput.of(f"{option}.xpath", xpath, f"an XPath below <domain> is needed ({exc})") from exc


def apply(root: _xml.Element, patches: Iterable[Patch]) -> None:
    """Apply patches to a definition, in their order; one whose meaning is there already changes nothing.

    Raises InvalidInput, also when the guest's identity would change.
    """
    for patch in patches:
        before = [root.findtext("name"), root.findtext("uuid")]
        _VERBS[patch.verb](root, patch)
        if [root.findtext("name"), root.findtext("uuid")] != before:
            raise _errors.InvalidInput.of(
                f"{patch.option}.xpath", patch.xpath, "the guest's name and UUID can't be patched"
            )


def pending(root: _xml.Element, patches: Iterable[Patch]) -> list[str]:
    """Return the options of the patches that would change a definition."""
    trial = copy.deepcopy(root)
    found = []
    for patch in patches:
        before = etree.tostring(trial)
        apply(trial, (patch,))
        if etree.tostring(trial) != before:
            found.append(patch.option)
    return found


def _select(root: _xml.Element, patch: Patch) -> list[Any]:
    try:
        found = _compiled(patch.option, patch.xpath)(root)
    except etree.XPathError as exc:
        raise _errors.InvalidInput.of(f"{patch.option}.xpath", patch.xpath, f"it can't be evaluated ({exc})") from exc
    if not isinstance(found, list) or not all(map(_is_node, found)):
        raise _errors.InvalidInput.of(f"{patch.option}.xpath", patch.xpath, "it must select elements or attributes")
    return found


def _is_node(found: Any) -> bool:
    return isinstance(found, etree._Element) or getattr(found, "is_attribute", False)


def _set(root: _xml.Element, patch: Patch) -> None:
    found = _select(root, patch)
    if not found:
        element_path, attribute = _plain_path(patch)
        _xml.put(root, (element_path or "") + (f"/@{attribute}" if attribute else ""), patch.value)
        return
    for node in found:
        if isinstance(node, etree._Element):
            node.text = patch.value
        else:
            node.getparent().set(node.attrname, patch.value)


def _plain_path(patch: Patch) -> tuple[str | None, str | None]:
    """Return (path, attribute) of what is to be made, since it is not there."""
    match = _SIMPLE_PATH.fullmatch(patch.xpath)
    if not match:
        raise _errors.InvalidInput.of(
            f"{patch.option}.xpath", patch.xpath, "it selects nothing, and only a plain path of names can be made"
        )
    path, attribute = match.groups()
    return path, attribute


def _add(root: _xml.Element, patch: Patch) -> None:
    parents = _select(root, patch)
    if not parents and not _plain_path(patch)[1]:
        parents = [_xml.ensure(root, _plain_path(patch)[0] or "")]
    if len(parents) != 1 or not isinstance(parents[0], etree._Element):
        raise _errors.InvalidInput.of(
            f"{patch.option}.xpath", patch.xpath, f"add needs exactly one element to add to, it selects {len(parents)}"
        )
    wanted = _xml.parse(patch.value or "")
    if not any(_xml.contains(child, wanted) for child in parents[0] if isinstance(child.tag, str)):
        parents[0].append(wanted)


def _remove(root: _xml.Element, patch: Patch) -> None:
    for node in _select(root, patch):
        if isinstance(node, etree._Element):
            if node is root:
                raise _errors.InvalidInput.of(
                    f"{patch.option}.xpath", patch.xpath, "the whole definition can't be removed"
                )
            node.getparent().remove(node)
        else:
            node.getparent().attrib.pop(node.attrname, None)


_VERBS = {"set": _set, "add": _add, "remove": _remove}
