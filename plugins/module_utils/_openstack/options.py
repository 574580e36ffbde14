# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The options that name an OpenStack cloud. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._inet import parse_url

AUTH_OPTIONS = {
    "auth_url": {"type": "str", "required": True},
    "username": {"type": "str"},
    "user_id": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "user_domain_name": {"type": "str"},
    "user_domain_id": {"type": "str"},
    "project_name": {"type": "str"},
    "project_id": {"type": "str"},
    "project_domain_name": {"type": "str"},
    "project_domain_id": {"type": "str"},
    "application_credential_id": {"type": "str"},
    "application_credential_name": {"type": "str"},
    "application_credential_secret": {"type": "str", "no_log": True},
    "token": {"type": "str", "no_log": True},
}
CLOUD_OPTIONS = {
    "cloud": {"type": "str"},
    "auth": {"type": "dict", "options": AUTH_OPTIONS},
    "region_name": {"type": "str"},
    "interface": {"type": "str", "choices": ["public", "internal", "admin"]},
}
CLOUD_RULES = {"mutually_exclusive": [("cloud", "auth")], "required_one_of": [("cloud", "auth")]}

# keystoneauth's name of the plugin by the option that is the secret.
_PLUGINS = {
    "password": "v3password",
    "application_credential_secret": "v3applicationcredential",
    "token": "v3token",
}


@dataclass(frozen=True)
class Cloud:
    """A cloud: the name that clouds.yaml has it by, or what Keystone is given as a dict, with the plugin's name.

    option: the option that has it, for errors. label: the cloud in words that have no secrets.
    """

    option: str
    label: str
    name: str = None
    auth: dict = None
    plugin: str = None
    region_name: str = None
    interface: str = None
    validate_certs: bool = True
    ca_path: str = None


def cloud(option, params, validate_certs=True, ca_path=None):
    """Return the Cloud of the options that CLOUD_OPTIONS describe. Raises InvalidInput."""
    auth = {key: value for key, value in (params["auth"] or {}).items() if value is not None}
    return Cloud(
        option=option,
        label=f"the cloud {params['cloud']}" if params["cloud"] is not None else auth["auth_url"],
        name=params["cloud"],
        auth=auth,
        plugin=_plugin(f"{option}.auth", auth) if auth else None,
        region_name=params["region_name"],
        interface=params["interface"],
        validate_certs=validate_certs,
        ca_path=ca_path,
    )


def _plugin(option, auth):
    needed = "the http or https URL of Keystone is needed, such as https://cloud.example.com:5000/v3"
    parse_url(f"{option}.auth_url", auth["auth_url"], needed, "username and password")
    secrets = [name for name in _PLUGINS if name in auth]
    if len(secrets) != 1:
        raise _errors.InvalidInput(
            f"{option}: exactly one of {', '.join(_PLUGINS)} is needed; {len(secrets)} are given"
        )
    if secrets == ["password"] and not {"username", "user_id"} & set(auth):
        raise _errors.InvalidInput(f"{option}: a username or user_id is needed with password")
    if secrets == ["application_credential_secret"] and not (
        "application_credential_id" in auth or {"application_credential_name", "username"} <= set(auth)
    ):
        raise _errors.InvalidInput(
            f"{option}: application_credential_id, or application_credential_name and username, is needed with "
            "application_credential_secret"
        )
    return _PLUGINS[secrets[0]]
