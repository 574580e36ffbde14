# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guest info against libvirt's in-memory driver: filters, what is gathered, and guests that vanish."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import describe, metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput, KvmfleetError
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import info

GUEST = """<domain type='test'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>2</vcpu>
<os><type arch='i686'>hvm</type></os><devices>
<interface type='network'><mac address='52:54:00:00:00:{index:02x}'/><source network='default'/></interface>
</devices></domain>"""
TAGS = {"web01": ("prod", "web"), "web02": ("web",), "db01": ("prod",)}
IDENTITY = {"name", "uuid", "id", "state", "state_reason", "persistent", "autostart"}


def make_spec(**params):
    values = {option: rules.get("default") for option, rules in info.OPTIONS.items()}
    return info.parse(dict(values, **params))


@pytest.fixture(scope="module")
def conn():
    """web01 runs, web02 is paused, db01 is saved to disk, legacy is not managed and stopped, temp is transient."""
    with connect("test:///default") as conn:
        conn.lookupByName("test").undefine()
        conn.lookupByName("test").destroy()
        domains = {}
        for index, name in enumerate(["web02", "web01", "legacy", "db01"]):
            root = _xml.parse(GUEST.format(name=name, index=index))
            if name in TAGS:
                metadata.write(root, metadata.InstanceMetadata(tags=TAGS[name]))
            domains[name] = conn.defineXML(_xml.to_text(root))
        for name in TAGS:
            domains[name].create()
        domains["web01"].setAutostart(1)
        domains["web02"].suspend()
        domains["db01"].managedSave()
        conn.createXML(GUEST.format(name="temp", index=9))
        yield conn


def names(conn, **params):
    return [instance["name"] for instance in info.query(conn, make_spec(**params))["instances"]]


def instance(conn, name, **params):
    [found] = info.query(conn, make_spec(names=[name], **params))["instances"]
    return found


def test_all_guests_ordered_by_name(conn):
    assert names(conn) == ["db01", "legacy", "temp", "web01", "web02"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"names": ["web01", "nobody"]}, ["web01"]),
        ({"names": []}, []),
        ({"uuids": ["00000000-0000-0000-0000-000000000001"]}, []),
        ({"states": ["running"]}, ["temp", "web01"]),
        ({"states": ["paused", "suspended"]}, ["db01", "web02"]),
        ({"states": ["stopped"]}, ["legacy"]),
        ({"tags": ["web"]}, ["web01", "web02"]),
        ({"tags": ["web", "prod"]}, ["web01"]),
        ({"tags": ["nothing"]}, []),
        ({"managed": True}, ["db01", "web01", "web02"]),
        ({"managed": False}, ["legacy", "temp"]),
        ({"tags": ["prod"], "states": ["running"], "managed": True}, ["web01"]),
    ],
)
def test_filters(conn, filters, expected):
    assert names(conn, **filters) == expected
    assert names(conn, gather=[], **filters) == expected


def test_a_uuid_is_found_however_it_is_written(conn):
    found = conn.lookupByName("web02").UUIDString()
    assert names(conn, uuids=[found.upper().replace("-", "")]) == ["web02"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web01", ("running", True, True)),
        ("web02", ("paused", True, False)),
        ("db01", ("suspended", True, False)),
        ("legacy", ("stopped", True, False)),
        ("temp", ("running", False, False)),
    ],
)
def test_states_read_in_bulk_are_those_that_each_guest_tells(conn, name, expected):
    found = instance(conn, name)
    assert (found["state"], found["persistent"], found["autostart"]) == expected
    assert found == describe.instance(conn, conn.lookupByName(name))


def test_only_what_is_gathered_is_returned(conn):
    assert set(instance(conn, "web01", gather=[])) == IDENTITY
    assert set(instance(conn, "web01", gather=["addresses"])) == IDENTITY | {"interfaces"}
    assert set(instance(conn, "web01", gather=["statistics"])) == IDENTITY | {"statistics"}
    assert set(instance(conn, "web01", gather=["agent"])) == IDENTITY | {"agent", "guest"}
    definition = instance(conn, "web01", gather=["definition"])
    assert "addresses" not in definition["interfaces"][0]
    assert set(instance(conn, "web01")) == set(definition)


def test_addresses_are_of_guests_that_are_on(conn):
    assert instance(conn, "web01")["interfaces"][0]["addresses"][0]["source"] == "lease"
    assert instance(conn, "legacy")["interfaces"][0]["addresses"] == []
    assert instance(conn, "web01", address_sources=[])["interfaces"][0]["addresses"] == []


def test_xml(conn):
    xml = instance(conn, "web01", gather=[], xml=["live", "inactive"])["xml"]
    assert _xml.parse(xml["live"]).get("id") is not None
    assert _xml.parse(xml["inactive"]).get("id") is None
    assert instance(conn, "legacy", gather=[], xml=["live"])["xml"] == {"live": None}


def test_no_password_in_any_xml(embed_uri):
    with connect(embed_uri) as conn:
        domain = conn.defineXML(
            "<domain type='qemu'><name>secret</name><memory>65536</memory><os><type arch='x86_64'>hvm</type></os>"
            "<devices><graphics type='vnc' port='-1' passwd='geheim'/></devices></domain>"
        )
        try:
            xml = instance(conn, "secret", gather=[], xml=["inactive", "migratable"])["xml"]
            assert all("<graphics" in text and "geheim" not in text for text in xml.values())
        finally:
            domain.undefine()


def test_a_guest_that_vanishes_while_it_is_read_is_left_out(conn):
    domain = conn.defineXML(GUEST.format(name="fleeting", index=8))
    spec = make_spec(names=["fleeting"], xml=["inactive"])
    [guest] = info.read_guests(conn, spec)
    domain.undefine()
    assert info.report(conn, spec, {}, guest) is None
    assert info.with_definition(guest) is None
    assert info.query(conn, spec) == {"instances": []}


@pytest.mark.parametrize("uuid", ["web01", "", "8a53e7c5-6f0e-4b5a-9f53-0d8c8f2e2a1"])
def test_something_else_than_a_uuid_is_refused(uuid):
    with pytest.raises(InvalidInput, match=f"^uuids: '{uuid}' is not allowed; a UUID such as"):
        make_spec(uuids=[uuid])


@pytest.mark.parametrize("timeout", ["0", "0s", "soon", "-1s"])
def test_a_useless_timeout_is_refused(timeout):
    with pytest.raises(InvalidInput, match=f"^agent_timeout: '{timeout}' is not allowed; "):
        make_spec(agent_timeout=timeout)


def test_a_timeout_is_whole_seconds_for_libvirt():
    assert make_spec(agent_timeout="1500ms").agent_timeout == 2


def test_what_libvirt_refuses_is_said_with_what_was_done(conn):
    with connect("test:///default") as other:
        other.close()
        with pytest.raises(KvmfleetError, match="^reading the guests failed: .*VIR_ERR_INVALID_CONN"):
            info.query(other, make_spec())
