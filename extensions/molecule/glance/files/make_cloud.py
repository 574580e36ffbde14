# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a new Keystone the service, the users and the projects of the scenario, and Glance its images."""

import hashlib
from pathlib import Path

import openstack

KEYSTONE = "http://controller:5000/v3"
DOMAIN = {"user_domain_name": "Default", "project_domain_name": "Default"}
TINY = Path("/srv/images/tiny.qcow2").read_bytes()
PROPERTIES = {
    "hw_disk_bus": "virtio",
    "hw_qemu_guest_agent": "yes",
    "hw_machine_type": "q35",
    "os_admin_user": "root",
    "min_ram": 128,
}


def connect(user):
    auth = dict(DOMAIN, auth_url=KEYSTONE, username=user, password=f"{user}-of-the-lab", project_name=user)
    return openstack.connect(auth=auth, region_name="lab", load_yaml_config=False, load_envvars=False)


def make_users(identity):
    service = identity.create_service(type="image", name="glance")
    identity.create_endpoint(service_id=service.id, interface="public", region_id="lab", url="http://controller:9292")
    for user, project, role in (("glance", "service", "admin"), ("demo", "demo", "member")):
        project = identity.create_project(name=project, domain_id="default")
        user = identity.create_user(name=user, password=f"{user}-of-the-lab", domain_id="default")
        identity.assign_project_role_to_user(project=project, user=user, role=identity.find_role(role))


def make_image(api, name, content, **properties):
    image = dict(properties, name=name, disk_format="qcow2", container_format="bare")
    image_id = api.post("/images", json=image).json()["id"]
    if content:
        headers = {"Content-Type": "application/octet-stream"}
        api.put(f"/images/{image_id}/file", data=content, headers=headers).raise_for_status()
    return image_id


def main():
    identity = connect("admin").identity
    if not list(identity.services(type="image")):
        make_users(identity)
    demo = connect("demo")
    if not demo.image.get("/images").json()["images"]:
        credential = {"name": "fleet", "secret": "fleet-of-the-lab"}
        demo.identity.create_application_credential(user=demo.current_user_id, **credential)
        make_image(demo.image, "tiny", TINY, **PROPERTIES)
        make_image(demo.image, "interrupted", TINY + hashlib.sha256(TINY).digest() * 1024)
        make_image(demo.image, "queued", b"")
        for _twice in range(2):
            make_image(demo.image, "twice", TINY[:1024])
        damaged = Path("/var/lib/glance/images", make_image(demo.image, "damaged", TINY + bytes(512)))
        with damaged.open("r+b") as stream:
            stream.seek(-1, 2)
            stream.write(b"?")


if __name__ == "__main__":
    main()
