# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""MAC addresses, IP addresses, DNS domains, URLs and names of bridges as options have them."""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Container
from typing import Union
from urllib.parse import quote, urlsplit

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_DOMAIN = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*")

# Linux: IFNAMSIZ is 16 with the byte that ends it.
_BRIDGE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}")


def parse_mac(option: str, value: str) -> str:
    """Return the MAC address of one device, as libvirt writes it. Raises InvalidInput."""
    mac = value.lower().replace("-", ":")
    if not _MAC.fullmatch(mac) or int(mac[:2], 16) & 1:
        raise _errors.InvalidInput.of(option, value, "a MAC address of one device is needed, such as 52:54:00:12:34:56")
    return mac


def random_mac(taken: Container[str | None]) -> str:
    """Return a new MAC address of the range that libvirt takes for QEMU's guests, none of those that are taken."""
    while True:
        mac = "52:54:00:" + secrets.token_bytes(3).hex(":")
        if mac not in taken:
            return mac


Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Interface = Union[ipaddress.IPv4Interface, ipaddress.IPv6Interface]


def parse_ip(option: str, text: str) -> Address:
    """Return an address of the ipaddress library. Raises InvalidInput."""
    try:
        return ipaddress.ip_address(_without_zone(text))
    except ValueError as exc:
        raise _errors.InvalidInput.of(
            option, text, "an IP address is needed, such as 192.0.2.1 or 2001:db8::1"
        ) from exc


def parse_interface(option: str, text: str) -> Interface:
    """Return an address with the length of its prefix, an interface of the ipaddress library. Raises InvalidInput."""
    try:
        if "/" not in text:
            raise ValueError
        return ipaddress.ip_interface(_without_zone(text))
    except ValueError as exc:
        raise _errors.InvalidInput.of(
            option, text, "an address with the length of its prefix is needed, such as 192.0.2.5/24 or 2001:db8::5/64"
        ) from exc


def _without_zone(text: str) -> str:
    """A zone is the name of a link, which means nothing on another host."""
    if "%" in text:
        raise ValueError
    return text


def parse_domain(option: str, text: str) -> str:
    """Return a DNS domain. Raises InvalidInput."""
    if not _DOMAIN.fullmatch(text):
        raise _errors.InvalidInput.of(option, text, "a DNS domain is needed, such as example.com")
    return text


def parse_bridge(option: str, text: str) -> str:
    """Return the name of a bridge. Raises InvalidInput."""
    if not _BRIDGE.fullmatch(text):
        raise _errors.InvalidInput.of(
            option, text, "a bridge's name begins with a letter and has 15 characters at most"
        )
    return text


def parse_url(option: str, url: str, allowed: str, login: str) -> str:
    """Return an http or https URL; `allowed` says which one is needed, `login` which options a user name has. Raises InvalidInput."""
    try:
        parts = urlsplit(url)
        host, port_is_fine = parts.hostname, parts.port != 0
    except ValueError:
        host, port_is_fine = None, False
    if host and "@" in parts.netloc:
        # The value is not shown: it has a password in it.
        raise _errors.InvalidInput(f"{option}: a user name in the URL is not allowed; use {login}")
    if not url.isascii():
        other = next(character for character in url if not character.isascii())
        raise _errors.InvalidInput.of(
            option,
            url,
            f"a URL has ASCII characters; write {other} as {quote(other)} in a path, and a host name in Punycode",
        )
    if not host or not port_is_fine or parts.scheme not in ("http", "https") or re.search(r"[\x00-\x20\x7f]", url):
        raise _errors.InvalidInput.of(option, url, allowed)
    return url


def host_of(uri: str) -> str:
    """Return the host that a URI of libvirt names; it is empty for libvirt on this host."""
    return uri.partition("://")[2].partition("/")[0]
