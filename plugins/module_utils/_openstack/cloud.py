# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""A session with an OpenStack cloud. The one place that imports openstacksdk.

It is imported only by a run that talks to a cloud: other hosts need not have it.
"""

from __future__ import annotations

import contextlib
import sys
import traceback

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors

# A service that is silent for so long, in seconds, is taken for dead.
SILENCE = 60


def _sdk():
    try:
        import openstack  # noqa: PLC0415 - see the top
    except ImportError as exc:
        raise _errors.MissingLibrary(
            f"the Python library openstacksdk is missing for {sys.executable} on the managed host, and Glance is spoken to "
            "through it; install python3-openstacksdk there, or set ansible_python_interpreter to a Python that has it",
            exception=traceback.format_exc(),
        ) from exc
    return openstack


def connect(wanted):
    """Return openstacksdk's connection to a Cloud, logged in at Keystone. Raises KvmfleetError, MissingLibrary."""
    openstack = _sdk()
    options = {"region_name": wanted.region_name, "interface": wanted.interface, "cacert": wanted.ca_path}
    options = {key: value for key, value in options.items() if value is not None}
    if not wanted.validate_certs:
        options["verify"] = False
    if wanted.name is None:
        options.update(auth=wanted.auth, auth_type=wanted.plugin, load_yaml_config=False, load_envvars=False)
    else:
        options["cloud"] = wanted.name
    with cloud_errors(wanted):
        connection = openstack.connect(api_timeout=SILENCE, **options)
        connection.session.get_token()
        return connection


@contextlib.contextmanager
def cloud_errors(wanted):
    """Say in one sentence what a cloud, or the way to it, refused: raises KvmfleetError, Unavailable for what may pass."""
    from keystoneauth1 import exceptions as keystone  # noqa: PLC0415 - see the top
    from openstack import exceptions as sdk  # noqa: PLC0415 - see the top

    try:
        yield
    except keystone.Unauthorized as exc:
        raise _errors.KvmfleetError(
            f"{wanted.option}: Keystone of {wanted.label} refuses the credentials (401)"
        ) from exc
    except keystone.EndpointNotFound as exc:
        raise _errors.KvmfleetError(
            f"{wanted.option}: the catalogue of {wanted.label} has no image service for the region "
            f"{wanted.region_name or 'that is its default'} and the interface {wanted.interface or 'public'}"
        ) from exc
    except keystone.HttpError as exc:
        error = _errors.Unavailable if exc.http_status >= 500 else _errors.KvmfleetError
        raise error(f"{wanted.option}: {wanted.label} answers {exc.http_status} {_one_line(exc.message)}") from exc
    except sdk.ConfigException as exc:
        where = "; clouds.yaml is looked for in the working directory, ~/.config/openstack and /etc/openstack of the managed host"
        said = _one_line(exc).rstrip(".")
        raise _errors.KvmfleetError(
            f"{wanted.option}: {wanted.label} can't be used: {said}{where if wanted.name else ''}"
        ) from exc
    except (keystone.ClientException, sdk.SDKException, OSError) as exc:
        raise _errors.Unavailable(
            f"{wanted.option}: {wanted.label} can't be reached or used: {_one_line(exc)}"
        ) from exc


def _one_line(said):
    return " ".join(str(said).split()) or type(said).__name__
