# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_instances as Ansible runs it, on libvirt's in-memory driver."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.tests.unit.plugins.kill import failing

DEFAULTS = {"memory": "64MiB", "vcpus": 1, "tags": ["batch"]}


@pytest.fixture
def host(shared_uri, run_module):
    """A function that runs the module on a host with a foreign guest; a connection keeps the host as it is in between."""
    with connect(shared_uri) as conn:

        def run(*instances, check=False, **params):
            params = dict({"defaults": DEFAULTS, "uri": shared_uri}, instances=list(instances), **params)
            return run_module("vm_instances", params, check=check)

        run.conn = conn
        yield run
        for domain in conn.listAllDomains(0):
            if domain.name() != "test":
                if domain.isActive():
                    domain.destroy()
                domain.undefine()


def names(host):
    return sorted(domain.name() for domain in host.conn.listAllDomains(0))


def test_many_are_foreseen_launched_once_and_then_left_alone(host):
    wanted = [{"name": f"web{number:02}"} for number in range(12)] + [{"name": "db01", "vcpus": 2, "state": "stopped"}]
    foreseen = host(*wanted, check=True)
    assert foreseen["changed"] and names(host) == ["test"]
    done = host(*wanted)
    assert done["actions"] == foreseen["actions"]
    assert [item["instance"]["state"] for item in done["instances"]] == ["running"] * 12 + ["stopped"]
    assert done["instances"][-1]["instance"]["vcpus"] == 2
    assert done["instances"][0]["instance"]["tags"] == ["batch"]
    again = host(*wanted)
    assert not again["changed"] and again["actions"] == []
    assert [item["instance"] for item in again["instances"]] == [item["instance"] for item in done["instances"]]


def test_one_that_fails_does_not_stop_the_rest(host):
    done = host({"name": "a"}, {"name": "b", "memory": "2 gigs"}, {"name": "c", "image": "nowhere"}, {"name": "d"})
    assert done["failed"] and done["changed"]
    assert done["msg"].startswith("2 of 4 instances failed: b: memory: '2 gigs' is not allowed;")
    assert [item["failed"] for item in done["instances"]] == [False, True, True, False]
    assert "c: image" in done["msg"] and "'nowhere'" in done["msg"]
    assert names(host) == ["a", "d", "test"]


def test_one_that_fails_half_way_says_what_was_done(host):
    define, start = ({"action": action, "subject": "b"} for action in ("define", "start"))
    with failing("start", "b"):
        done = host({"name": "a"}, {"name": "b"}, {"name": "c", "image": "nowhere"})
    b, c = done["instances"][1:]
    assert (b["changed"], b["actions"], b["done"]) == (True, [define, start], [define])
    assert (c["changed"], c["actions"], c["done"]) == (False, [], [])
    assert done["changed"] and done["done"] == [*done["instances"][0]["actions"], define]
    with failing("start", "b"):
        again = host({"name": "a"}, {"name": "b"})
    assert again["failed"] and not again["changed"] and again["done"] == [] and again["actions"] == [start]


def test_purge_removes_managed_guests_that_are_not_listed_and_nobody_elses(host):
    host({"name": "a"}, {"name": "b"}, {"name": "kept", "delete_protection": True})
    foreseen = host({"name": "a"}, {"name": "kept"}, purge=True, check=True)
    done = host({"name": "a"}, {"name": "kept"}, purge=True)
    assert done["actions"] == foreseen["actions"] and [item["name"] for item in done["instances"]] == ["a", "kept", "b"]
    assert names(host) == ["a", "kept", "test"]
    assert not host({"name": "a"}, purge=True, purge_tags=["batch", "other"])["changed"]
    assert host({"name": "a"}, purge=True, purge_tags=["batch"], check=True)["failed"], "the protected one has the tag"
    protected = host({"name": "a"}, purge=True)
    assert protected["failed"] and "'kept' is protected" in protected["msg"]
    assert names(host) == ["a", "kept", "test"]


@pytest.mark.parametrize(
    ("instances", "message"),
    [
        (
            [{"name": "a"}, {"name": "a"}],
            "instances.name: 'a' is not allowed; two instances of the list have this name",
        ),
        ([{"vcpus": 1}], "instances[0].name: None is not allowed"),
        (
            [{"name": "a", "colour": "red"}],
            "1 of 1 instances failed: a: instances[0]: colour. Supported parameters include",
        ),
        (
            [{"name": name, "interfaces": [{"network": "default", "mac": "52:54:00:00:00:01"}]} for name in ("a", "b")],
            "instances.interfaces.mac: '52:54:00:00:00:01' is not allowed; two instances of the list have this MAC address",
        ),
        (
            [{"name": name, "disks": [{"source": "/data/a.qcow2"}]} for name in ("a", "b")],
            "instances.disks.source: '/data/a.qcow2' is not allowed; two instances of the list have this disk",
        ),
        (
            [{"name": name, "disks": [{"volume": "a.qcow2"}]} for name in ("a", "b")],
            "instances.disks.volume: 'default/a.qcow2' is not allowed; two instances of the list have this disk",
        ),
    ],
)
def test_bad_input_changes_nothing(host, instances, message):
    result = host(*instances)
    assert result["failed"] and result["msg"].startswith(message)
    assert names(host) == ["test"]


def test_at_least_one_at_a_time(host):
    assert host({"name": "a"}, parallel=0)["msg"].startswith("parallel: 0 is not allowed")


def test_secrets_of_instances_and_defaults_are_hidden(host):
    done = host(
        {"name": "a", "vnc": {"password": "geheim12"}},
        defaults=dict(DEFAULTS, vnc={"password": "geheim34"}),
    )
    assert "geheim" not in repr(done)
