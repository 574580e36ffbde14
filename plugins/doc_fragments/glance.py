# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules that speak to Glance have in common."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  glance:
    description:
      - The image in an OpenStack image service (Glance), and the cloud that has it. Keystone's API is version 3.
      - The managed host needs the Python library openstacksdk, C(python3-openstacksdk) on Debian.
      - Certificates are validated as O(validate_certs) and O(ca_path) say, or else as C(clouds.yaml) does.
    type: dict
    suboptions:
      image:
        description:
          - The image by its name or ID. Where several images have the name, the ID is needed.
        type: str
        required: true
      cloud:
        description:
          - The name that the file C(clouds.yaml) of the managed host has the cloud by. The file is looked for in the working
            directory, in C(~/.config/openstack) of the user that the task becomes, and in C(/etc/openstack); the
            environment variable E(OS_CLIENT_CONFIG_FILE) names another one.
          - Either this or O(glance.auth) is needed.
        type: str
      auth:
        description:
          - What to log in with at Keystone; exactly one of a password, an application credential and a token. Nothing is
            taken from the environment or from C(clouds.yaml).
        type: dict
        suboptions:
          auth_url:
            description:
              - The URL of Keystone, such as V(https://cloud.example.com:5000/v3).
            type: str
            required: true
          username:
            description:
              - The user's name, with O(glance.auth.user_domain_name) or O(glance.auth.user_domain_id).
            type: str
          user_id:
            description:
              - The user's ID, which needs no domain.
            type: str
          password:
            description:
              - The user's password.
            type: str
          user_domain_name:
            description:
              - The name of the user's domain, such as V(Default).
            type: str
          user_domain_id:
            description:
              - The ID of the user's domain.
            type: str
          project_name:
            description:
              - The name of the project to work in, with its domain.
            type: str
          project_id:
            description:
              - The ID of the project to work in.
            type: str
          project_domain_name:
            description:
              - The name of the project's domain.
            type: str
          project_domain_id:
            description:
              - The ID of the project's domain.
            type: str
          application_credential_id:
            description:
              - The ID of an application credential, which has its user and project.
            type: str
          application_credential_name:
            description:
              - The name of an application credential of the user.
            type: str
          application_credential_secret:
            description:
              - The secret of the application credential.
            type: str
          token:
            description:
              - A token that Keystone has issued.
            type: str
      region_name:
        description:
          - The region of the cloud whose image service is meant.
        type: str
      interface:
        description:
          - Which of the image service's endpoints is spoken to. V(public) unless C(clouds.yaml) says otherwise.
        type: str
        choices: [public, internal, admin]
"""
