# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Reading and editing XML in place: a hardened parser, paths that are made when missing, redaction for diffs."""

from __future__ import annotations

import copy
import functools
from typing import Any

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import etree

# An lxml.etree._Element, by a name that is there without lxml, too.
Element = Any
# Attributes and elements of libvirt's XML that hold secrets (they appear only when read with the SECURE flag).
SECRET_ATTRIBUTES = ("passwd",)
SECRET_ELEMENTS = ("cookie",)
REDACTED = "********"


def parse(text: str) -> Element:
    """Parse XML without entities, network or DTD. Raises InvalidInput when it isn't well-formed."""
    # libvirt declares a namespace again in each element, which would be a difference to what we write.
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_blank_text=True,
        remove_comments=False,
        ns_clean=True,
    )
    try:
        root = etree.fromstring(text, parser)
    except etree.XMLSyntaxError as exc:
        raise _errors.InvalidInput(f"XML: {_errors.shorten(text)!r} is not well-formed: {exc}") from exc
    if root.getroottree().docinfo.doctype:
        raise _errors.InvalidInput.of("XML", _errors.shorten(text), "it may not declare a document type")
    return root


def to_text(root: Element) -> str:
    """Write XML as libvirt is to read it."""
    return etree.tostring(root, encoding="unicode", pretty_print=True)


def redacted_text(root: Element | None) -> str:
    """Write XML for people: secrets replaced, so that it can stand in a diff or a log."""
    if root is None:
        return ""
    shown = copy.deepcopy(root)
    for attribute in SECRET_ATTRIBUTES:
        for element in shown.iter():
            if attribute in element.attrib:
                element.set(attribute, REDACTED)
    for tag in SECRET_ELEMENTS:
        for element in shown.iter(tag):
            element.text = REDACTED
    return to_text(shown)


def secrets(root: Element) -> list[str | None]:
    """Return the values that redacted_text replaces."""
    found = [element.get(name) for element in root.iter() for name in SECRET_ATTRIBUTES if name in element.attrib]
    return found + [element.text for tag in SECRET_ELEMENTS for element in root.iter(tag)]


@functools.cache
def split_path(path: str) -> tuple[str, str | None]:
    """Split `os/bootmenu/@enable` into the element's path and the attribute's name (None for the text)."""
    if "@" in path:
        element_path, attribute = path.rsplit("@", 1)
        return element_path.rstrip("/"), attribute
    return path, None


def get(root: Element, path: str) -> str | None:
    """Return the text or attribute at a path, None when it isn't there."""
    element_path, attribute = split_path(path)
    element = root.find(element_path) if element_path else root
    if element is None:
        return None
    return element.get(attribute) if attribute else (element.text or "")


def ensure(root: Element, path: str) -> Element:
    """Return the element at a simple path of tag names, making what is missing."""
    element = root
    for tag in path.split("/") if path else ():
        child = element.find(tag)
        element = etree.SubElement(element, tag) if child is None else child
    return element


def put(root: Element, path: str, value: str | None) -> None:
    """Set the text or attribute at a path; None removes it, with an element that would be left empty."""
    element_path, attribute = split_path(path)
    if value is None:
        _remove(root, element_path, attribute)
        return
    element = ensure(root, element_path)
    if attribute:
        element.set(attribute, value)
    else:
        element.text = value


def _remove(root: Element, element_path: str, attribute: str | None) -> None:
    element = root.find(element_path) if element_path else root
    if element is None:
        return
    if attribute:
        element.attrib.pop(attribute, None)
    else:
        element.text = None
    if element is not root and not len(element) and not element.attrib and not (element.text or "").strip():
        element.getparent().remove(element)


def drop(root: Element, path: str) -> None:
    """Remove all elements at a path, with all that they have."""
    for element in root.findall(path):
        element.getparent().remove(element)


def prune(root: Element, path: str) -> None:
    """Remove the element at a path when nothing is left in it."""
    element = root.find(path)
    if element is not None and not len(element):
        element.getparent().remove(element)


def element_of(tag: str, attributes: dict[str, object] | None = None, text: str | None = None) -> Element:
    """Make an element; attributes with the value None are left out."""
    element = etree.Element(tag)
    for name, value in (attributes or {}).items():
        if value is not None:
            element.set(name, str(value))
    element.text = text
    return element


def contains(existing: Element, wanted: Element) -> bool:
    """Tell whether an element has everything that a fragment has; what libvirt added besides does not matter."""
    if existing.tag != wanted.tag or (wanted.text or "").strip() != (
        (existing.text or "").strip() if wanted.text else ""
    ):
        return False
    if any(existing.get(name) != value for name, value in wanted.attrib.items()):
        return False
    return all(any(contains(child, part) for child in existing) for part in wanted)
