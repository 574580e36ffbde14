# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pages of a web server that are what Keystone and Glance answer, also what real ones do only when they are broken.

openstacksdk talks to them; the scenario glance has the real services.
"""

from __future__ import annotations

import hashlib
import json
import uuid

JSON = {"Content-Type": "application/json"}
PASSWORD = "the-very-secret-password"  # noqa: S105 - it opens nothing


class Cloud:
    """A cloud on an ImageServer: its Keystone below /v3, its Glance below /image."""

    def __init__(self, server):
        self.server = server
        self.images = []
        self.url = server.put("/v3", self._json({"version": self._version("v3.14", "/v3")}), headers=JSON)
        self.root = self.url[: -len("/v3")]
        self.allow()
        server.put("/image", self._json({"versions": [self._version("v2.15", "/image/v2/")]}), status=300, headers=JSON)

    def allow(self, services=("image",)):
        """Let everybody in."""
        endpoints = [
            {"id": "e", "interface": "public", "region": "lab", "region_id": "lab", "url": f"{self.root}/image"}
        ]
        catalog = [{"id": "s", "type": name, "name": name, "endpoints": endpoints} for name in services]
        token = {
            "methods": ["password"],
            "expires_at": "2099-01-01T00:00:00.000000Z",
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "user": {"id": "u", "name": "demo", "domain": {"id": "default", "name": "Default"}},
            "project": {"id": "p", "name": "demo", "domain": {"id": "default", "name": "Default"}},
            "catalog": catalog,
            "roles": [{"id": "r", "name": "member"}],
            "audit_ids": ["a"],
        }
        headers = dict(JSON, **{"X-Subject-Token": "token"})
        self.server.put("/v3/auth/tokens", self._json({"token": token}), status=201, headers=headers)

    def refuse(self, status=401):
        error = {"error": {"code": status, "message": "The request you have made requires authentication."}}
        self.server.put("/v3/auth/tokens", self._json(error), status=status, headers=JSON)

    def _version(self, name, path):
        return {"id": name, "status": "CURRENT", "links": [{"rel": "self", "href": f"{self.server.url}{path}"}]}

    @staticmethod
    def _json(value):
        return json.dumps(value).encode()

    def put_image(self, content, name="debian", transfer=None, **entry):
        """Have an image and return its ID; `transfer` says how badly its content is sent, as for a Page."""
        image = {
            "id": str(uuid.UUID(int=len(self.images) + 1)),
            "name": name,
            "status": "active",
            "size": len(content),
            "disk_format": "qcow2",
            "container_format": "bare",
            "checksum": hashlib.md5(content, usedforsecurity=False).hexdigest(),
            "os_hash_algo": "sha512",
            "os_hash_value": hashlib.sha512(content).hexdigest(),
            "min_disk": 0,
            "min_ram": 0,
        }
        image.update(entry)
        self.images.append(image)
        self.server.put(self.path(image["id"]), self._json(image), headers=JSON)
        self.server.put(self.path(image["id"], "/file"), content, **dict({"ranges": True}, **(transfer or {})))
        self._list(name)
        return image["id"]

    def have_none(self, name):
        self._list(name)

    def change(self, image_id, **entry):
        image = next(image for image in self.images if image["id"] == image_id)
        image.update(entry)
        self.server.put(self.path(image_id), self._json(image), headers=JSON)
        self._list(image["name"])

    def _list(self, name):
        named = [image for image in self.images if image["name"] == name]
        self.server.put(f"/image/v2/images?name={name}", self._json({"images": named}), headers=JSON)

    @staticmethod
    def path(image_id, below=""):
        return f"/image/v2/images/{image_id}{below}"

    def option(self, image="debian", **options):
        """The option glance of a task."""
        auth = {
            "auth_url": self.url,
            "username": "demo",
            "password": PASSWORD,
            "user_domain_name": "Default",
            "project_name": "demo",
            "project_domain_name": "Default",
        }
        return dict({"image": image, "auth": auth}, **options)
