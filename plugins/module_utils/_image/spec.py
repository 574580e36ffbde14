# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""spec: what a task asks of an image, checked as far as that needs no host. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors, _units
from ansible_collections.kvmfleet.compute.plugins.module_utils._inet import parse_url
from ansible_collections.kvmfleet.compute.plugins.module_utils._openstack.options import (
    CLOUD_OPTIONS,
    CLOUD_RULES,
    Cloud,
    cloud,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.naming import FORMATS, check_name

STATES = ("present", "absent")
ALGORITHMS = ("sha256", "sha512")
SOURCES = ("src", "url", "glance", "instance")

OPTIONS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "src": {"type": "path"},
    "url": {"type": "str"},
    "mirrors": {"type": "list", "elements": "str", "default": []},
    "glance": {"type": "dict", "options": {"image": {"type": "str", "required": True}, **CLOUD_OPTIONS}, **CLOUD_RULES},
    "instance": {
        "type": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "disk": {"type": "str"},
            "quiesce": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
            "refresh": {"type": "bool", "default": False},
        },
    },
    "checksum": {"type": "str"},
    "allow_unverified": {"type": "bool", "default": False},
    "format": {"type": "str", "choices": ["auto", *FORMATS], "default": "auto"},
    "pool": {"type": "str", "default": "images"},
    "max_size": {"type": "str", "default": "100GiB"},
    "timeout": {"type": "str", "default": "30m"},
    "url_username": {"type": "str"},
    "url_password": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
}
RULES = {
    "mutually_exclusive": [SOURCES, ("instance", "checksum")],
    "required_if": [("state", "present", SOURCES, True)],
    "required_together": [("url_username", "url_password")],
}


@dataclass(frozen=True)
class Digest:
    """A checksum of a whole file: the algorithm by hashlib's name, and lower-case hex digits."""

    algorithm: str
    hex: str

    def __str__(self):
        return f"{self.algorithm}:{self.hex}"


@dataclass(frozen=True)
class InstanceSource:
    """The guest of whose disk the image is made, the root disk unless a target is given; whether it is made anew in each run."""

    name: str
    disk: str
    quiesce: str
    refresh: bool

    def __str__(self):
        return f"the {'root disk' if self.disk is None else f'disk {self.disk}'} of the guest {self.name}"


@dataclass(frozen=True)
class ImageSpec:
    """An image as it was asked for; timeout in seconds, for the whole run.

    `option` is src, url, mirrors, glance or instance, and `source` its value in words. `checksum` is a Digest, None where none was
    given, or `checksums` is the URL of the file that has it. `max_size` is in bytes.
    `mirrors` are further URLs of what has the checksum. `cloud` and `image`, an ID or a name, are glance's.
    """

    name: str
    state: str
    option: str
    source: str
    checksum: Digest
    format: str
    pool: str
    timeout: float
    username: str
    password: str
    validate_certs: bool
    ca_path: str
    max_size: int = None
    checksums: str = None
    allow_unverified: bool = False
    mirrors: tuple = ()
    cloud: Cloud = None
    image: str = None
    instance: InstanceSource = None

    def each(self):
        """Yield a spec for each place that has the content, in the order to try them in."""
        yield self
        for url in self.mirrors:
            yield replace(self, option="mirrors", source=url, mirrors=(), **self.login(url))

    def login(self, url):
        """Return the user name and the password for a URL: none for another server than that of the image."""
        same = self.option == "src" or _server(url) == _server(self.source)
        return {"username": self.username if same else None, "password": self.password if same else None}


def parse(params):
    """Return the ImageSpec of a task's parameters. Raises InvalidInput."""
    option = next((option for option in SOURCES if params[option] is not None), "src")
    glance = params["glance"]
    instance = InstanceSource(**params["instance"]) if params["instance"] else None
    wanted = cloud("glance", glance, params["validate_certs"], params["ca_path"]) if glance else None
    checksum, checksums = _checksum(params)
    if option == "url":
        _check_url("url", params["url"])
        if params["state"] == "present" and checksum is checksums is None and not params["allow_unverified"]:
            raise _errors.InvalidInput.of(
                "url",
                params["url"],
                "a checksum is needed, or allow_unverified: true to trust the server and the way to it",
            )
    _check_mirrors(params, checksum or checksums)
    if instance and params["format"] == "raw":
        raise _errors.InvalidInput.of("format", "raw", "the image of a guest's disk is qcow2")
    return ImageSpec(
        name=check_name("name", params["name"]),
        state=params["state"],
        option=option,
        source=f"{glance['image']} of {wanted.label}" if glance else str(instance) if instance else params[option],
        checksum=checksum,
        checksums=checksums,
        max_size=_units.parse_size("max_size", params["max_size"]),
        format=params["format"],
        pool=params["pool"],
        timeout=_timeout(params["timeout"]),
        username=params["url_username"],
        password=params["url_password"],
        validate_certs=params["validate_certs"],
        ca_path=params["ca_path"],
        allow_unverified=params["allow_unverified"],
        mirrors=tuple(params["mirrors"]),
        cloud=wanted,
        image=glance and glance["image"],
        instance=instance,
    )


def _checksum(params):
    """Return the Digest, or the URL of a file that has it."""
    text = params["checksum"]
    if text is None:
        return None, None
    if "://" in text:
        parse_url(
            "checksum", text, "an http or https URL of a file of checksums is needed", "url_username and url_password"
        )
        if params["url"] is None and params["src"] is None:
            raise _errors.InvalidInput.of(
                "checksum", text, "a file of checksums has names of files; url or src is needed"
            )
        return None, text
    algorithm, _colon, digits = text.strip().partition(":")
    algorithm, digits = algorithm.lower(), digits.lower()
    if algorithm not in ALGORITHMS or not re.fullmatch(f"[0-9a-f]{{{hashlib.new(algorithm).digest_size * 2}}}", digits):
        raise _errors.InvalidInput.of(
            "checksum",
            text,
            "it is sha256: and 64 hex digits, sha512: and 128 hex digits, or the URL of a file of checksums",
        )
    return Digest(algorithm, digits), None


def _check_mirrors(params, checksum):
    for url in params["mirrors"]:
        _check_url("mirrors", url)
    if params["mirrors"] and params["url"] is None:
        raise _errors.InvalidInput.of("mirrors", params["mirrors"], "a url is needed, whose content they have, too")
    if params["mirrors"] and params["state"] == "present" and checksum is None:
        raise _errors.InvalidInput.of(
            "mirrors", params["mirrors"], "a checksum is needed, which tells that all are the same"
        )


def _check_url(option, url):
    allowed = "an http or https URL is needed, such as https://example.com/debian.qcow2"
    parse_url(option, url, allowed, "url_username and url_password")


def _server(url):
    """Return what makes two URLs those of one server."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]


def _timeout(value):
    seconds = _units.parse_duration("timeout", value)
    if seconds < 1:
        raise _errors.InvalidInput.of("timeout", value, "it must be at least 1s")
    return seconds
