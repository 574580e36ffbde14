# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin as Ansible loads it, over hosts of libvirt's in-memory driver."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._inventory import guests

GUEST = """
  <domain type="test">
    <name>{name}</name><memory unit="MiB">64</memory><os><type>hvm</type></os>
    <metadata>
      <kvmfleet:instance xmlns:kvmfleet="urn:kvmfleet:compute:1">
        <kvmfleet:flavor>m1.tiny</kvmfleet:flavor>{tags}
      </kvmfleet:instance>
    </metadata>
    <devices><interface type="network"><source network="default"/><filterref filter="web"/></interface></devices>
  </domain>"""
FOREIGN = (
    '<domain type="test"><name>foreign</name><memory unit="MiB">64</memory><os><type>hvm</type></os>'
    '<devices><interface type="bridge"><source bridge="br0"/></interface></devices></domain>'
)

UUID = "6695eb01-f6a4-8304-79aa-97f2502e193f"


@pytest.fixture
def inventory(tmp_path):
    """A function that runs ansible-inventory over two hosts, given further options; returns (its output, its messages)."""
    uris = {}
    for host, names in (("alpha", ("web01", "web02")), ("beta", ("db01", "web02"))):
        tags = {name: f"<kvmfleet:tag>{name[:-2]}</kvmfleet:tag>" for name in names}
        domains = "".join(GUEST.format(name=name, tags=tags[name]) for name in names)
        path = tmp_path / f"{host}.xml"
        path.write_text(f"<node>{domains}{FOREIGN if host == 'alpha' else ''}</node>")
        uris[host] = f"test://{path}"

    def run(hosts=None, before=(), **options):
        config = dict({"plugin": "kvmfleet.compute.instances", "hosts": dict(uris, **(hosts or {}))}, **options)
        source = tmp_path / "test.instances.yml"
        source.write_text(json.dumps(config))
        done = subprocess.run(
            [
                Path(sys.executable).parent / "ansible-inventory",
                *(word for path in (*before, source) for word in ("-i", path)),
                "--list",
            ],
            capture_output=True,
            text=True,
            check=False,
            env=dict(os.environ, ANSIBLE_NOCOLOR="1", ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="1", COLUMNS="1000"),
        )
        return (json.loads(done.stdout, object_hook=_plain) if done.returncode == 0 else None), done.stderr

    run.uris = uris
    return run


def _plain(value):
    """Texts that are no templates are marked as such."""
    return value.get("__ansible_unsafe", value)


def test_groups_and_variables(inventory):
    found, _messages = inventory()
    assert sorted(found["host_alpha"]["hosts"]) == ["foreign", "web01", "web02_alpha"]
    assert sorted(found["host_beta"]["hosts"]) == ["db01", "web02_beta"]
    assert sorted(found["managed"]["hosts"]) == ["db01", "web01", "web02_alpha", "web02_beta"]
    assert sorted(found["state_running"]["hosts"]) == ["db01", "foreign", "web01", "web02_alpha", "web02_beta"]
    assert found["network_br0"]["hosts"] == ["foreign"]
    assert sorted(found["filter_web"]["hosts"]) == sorted(found["network_default"]["hosts"])
    assert sorted(found["tag_web"]["hosts"]) == ["web01", "web02_alpha", "web02_beta"]
    variables = found["_meta"]["hostvars"]["db01"]
    assert variables["kvmfleet_host"] == "beta" and variables["kvmfleet_uri"] == inventory.uris["beta"]
    assert variables["kvmfleet_instance"]["flavor"] == "m1.tiny"
    assert variables["kvmfleet_drift"] is None
    assert "ansible_connection" not in variables


def test_filters(inventory):
    def names(found):
        return sorted(found["_meta"]["hostvars"])

    assert names(inventory(names=["db*", "foreign"])[0]) == ["db01", "foreign"]
    assert names(inventory(tags=["db"])[0]) == ["db01"]
    assert names(inventory(managed=False)[0]) == ["foreign"]
    assert names(inventory(states=["running"], names=["web01"])[0]) == ["web01"]
    assert inventory(states=["stopped"])[0]["_meta"]["hostvars"] == {}


def _host(tmp_path, name, *domains):
    """Return the URI of a host with the guests of these names; one of (name, uuid) has this UUID."""
    path = tmp_path / f"{name}.xml"
    texts = []
    for domain in domains:
        guest, uuid = domain if isinstance(domain, tuple) else (domain, None)
        text = GUEST.format(name=guest, tags="<kvmfleet:tag>web</kvmfleet:tag>")
        texts.append(text.replace("<memory", f"<uuid>{uuid}</uuid><memory", 1) if uuid else text)
    path.write_text(f"<node>{''.join(texts)}</node>")
    return f"test://{path}"


def _names(found, group):
    return sorted(found[group]["hosts"])


def test_a_guest_with_the_name_of_a_group_or_of_this_machine_is_renamed_and_no_group_becomes_a_child(
    inventory, tmp_path
):
    static = tmp_path / "static.ini"
    static.write_text("[databases]\ndb-a.example.com\n")
    hostile = ["all", "databases", "host_gamma", "localhost", "managed", "small", "tag_web", "ungrouped"]
    found, messages = inventory(
        hosts={"gamma": _host(tmp_path, "gamma", *hostile)},
        before=[static],
        groups={"small": "kvmfleet_instance.memory < 1000000000"},
    )
    renamed = [f"{name}_gamma" for name in hostile]
    assert _names(found, "host_gamma") == renamed
    ours = ["db01", "web01", "web02_alpha", "web02_beta"]
    assert _names(found, "managed") == sorted(ours + renamed)
    assert _names(found, "small") == sorted([*ours, "foreign", *renamed])
    assert found["databases"]["hosts"] == ["db-a.example.com"]
    assert not [group for group, content in found.items() if group != "all" and content.get("children")]
    for name in hostile:
        assert f"the guest '{name}' of gamma is '{name}_gamma' in the inventory: a group" in messages


def test_no_guest_is_lost_when_another_has_the_name_that_tells_two_apart(inventory, tmp_path):
    hosts = {
        "gamma": _host(tmp_path, "gamma", ("mail", UUID)),
        "delta": _host(tmp_path, "delta", "mail", "mail_gamma"),
    }
    found, messages = inventory(hosts=hosts, names=["mail*"])
    assert _names(found, "managed") == ["mail_delta", "mail_gamma", f"mail_gamma_{UUID}"]
    variables = found["_meta"]["hostvars"]
    assert variables["mail_gamma"]["kvmfleet_instance"]["name"] == "mail_gamma"
    assert variables[f"mail_gamma_{UUID}"]["kvmfleet_instance"]["name"] == "mail"
    assert f"the guest 'mail' of gamma is 'mail_gamma_{UUID}' in the inventory" in messages


def test_guests_of_one_name_in_two_sources_are_two_hosts(inventory, tmp_path):
    other = tmp_path / "other.instances.yml"
    hosts = {"gamma": _host(tmp_path, "gamma", "db01", ("mail", UUID))}
    other.write_text(json.dumps({"plugin": "kvmfleet.compute.instances", "hosts": hosts}))
    found, _messages = inventory(before=[other], names=["db01"])
    variables = found["_meta"]["hostvars"]
    assert {name: variables[name]["kvmfleet_host"] for name in variables} == {
        "db01": "gamma",
        "mail": "gamma",
        "db01_beta": "beta",
    }
    # The same guest in two sources is one host.
    again = tmp_path / "again.instances.yml"
    again.write_text(json.dumps({"plugin": "kvmfleet.compute.instances", "hosts": hosts, "names": ["mail"]}))
    assert "mail_gamma" not in inventory(before=[other, again])[0]["_meta"]["hostvars"]


def test_a_group_that_a_guest_names_like_another_guest_is_named_and_gets_into_no_group(inventory):
    found, messages = inventory(
        names=["web01", "db01", "foreign"],
        groups={"database": "kvmfleet_instance.name.startswith('db')"},
        keyed_groups=[{"key": "'db01' if kvmfleet_instance.name == 'web01' else 'other'", "separator": ""}],
    )
    assert found["database"] == {"hosts": ["db01"]}
    assert found["db01"] == {"hosts": ["web01"]}
    assert "Found both group and host with same name: db01" in messages


def test_groups_of_what_guests_say_have_names_that_ansible_allows(inventory, tmp_path):
    path = tmp_path / "gamma.xml"
    _host(tmp_path, "gamma", "mail")
    path.write_text(path.read_text().replace("<kvmfleet:tag>web<", "<kvmfleet:tag>a b!:all,{{ 1 }}<"))
    found, messages = inventory(hosts={"gamma": f"test://{path}"}, names=["mail"])
    assert found["tag_a_b__all____1___"]["hosts"] == ["mail"]
    assert "WARNING" not in messages


def test_characters_that_mean_something_to_ansible_are_replaced_and_named(inventory, tmp_path):
    found, messages = inventory(hosts={"gamma": _host(tmp_path, "gamma", "-oX=1", "a,b", "a:b", "Windows 10")})
    assert _names(found, "host_gamma")[:2] == ["Windows 10", "_oX_1"]
    assert "the guest '-oX=1' of gamma is '_oX_1' in the inventory: names there have letters" in messages
    first, second = _names(found, "host_gamma")[2:]
    assert first == "a_b_gamma" and second.startswith("a_b_gamma_")
    assert "Windows 10" not in messages


def test_constructed_groups_and_variables(inventory):
    found, _messages = inventory(
        names=["web01"],
        compose={"size": "kvmfleet_instance.memory"},
        groups={"small": "kvmfleet_instance.memory < 1000000000"},
        keyed_groups=[{"key": "kvmfleet_instance.flavor", "prefix": "flavor"}],
    )
    assert found["small"]["hosts"] == found["flavor_m1_tiny"]["hosts"] == ["web01"]
    assert found["_meta"]["hostvars"]["web01"]["size"] == 64 * 1024 * 1024


def test_guests_without_a_network_are_reached_by_their_agents(inventory):
    variables = inventory(names=["db01"], connection="guest_agent")[0]["_meta"]["hostvars"]["db01"]
    assert variables["ansible_connection"] == "kvmfleet.compute.guest_agent"
    assert variables["kvmfleet_guest"] == variables["kvmfleet_instance"]["uuid"]


def test_a_host_that_can_not_be_reached_is_named_and_the_rest_is_there(inventory):
    gone = {"gamma": "test:///nonexistent.xml"}
    found, messages = inventory(hosts=gone)
    assert "db01" in found["_meta"]["hostvars"]
    assert "the guests of gamma are not in the inventory: uri: 'test:///nonexistent.xml' can't be opened" in messages
    assert inventory(hosts=gone, unreachable="fail")[0] is None


def test_hosts_that_hang_are_named_and_the_rest_is_there(inventory, silent_uri, daemon, tmp_path):
    stopped = daemon.uri()
    daemon.freeze()
    begun = time.monotonic()
    found, messages = inventory(hosts={"gamma": silent_uri, "delta": stopped}, timeout="3s")
    assert time.monotonic() - begun < 30
    assert sorted(found["_meta"]["hostvars"]) == ["db01", "foreign", "web01", "web02_alpha", "web02_beta"]
    for host in ("gamma", "delta"):
        assert (
            f"the guests of {host} are not in the inventory: reading the guests took longer than 3 seconds" in messages
        )
    assert inventory(hosts={"gamma": silent_uri}, timeout="1s", unreachable="fail")[0] is None


def test_an_ssh_that_waits_for_a_silent_server_does_not_stay(inventory, tmp_path):
    ssh, started = tmp_path / "ssh", tmp_path / "started"
    ssh.write_text(f"#!/bin/sh\necho $$ >{started}\nexec sleep 1000\n")
    ssh.chmod(0o755)
    _found, messages = inventory(hosts={"gamma": f"qemu+ssh://gamma/system?command={ssh}"}, timeout="2s")
    assert "the guests of gamma are not in the inventory" in messages
    pid = int(started.read_text())
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "zombie" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline, "ssh is still there"
        time.sleep(0.05)


def test_more_hosts_than_are_read_at_once(inventory):
    hosts = {f"more{number}": uri for number in range(20) for uri in [inventory.uris["beta"]]}
    found, _messages = inventory(hosts=hosts, names=["db01"])
    assert len(found["_meta"]["hostvars"]) == 21


def test_the_cache_has_what_was_read_and_only_that(inventory, tmp_path):
    cache = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
        "cache_timeout": 600,
    }
    first = inventory(**cache)[0]
    for host in ("alpha", "beta"):
        (tmp_path / f"{host}.xml").unlink()
    assert inventory(**cache)[0] == first
    assert inventory(names=["db*"], unreachable="warn", **cache)[0]["_meta"]["hostvars"] == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"address_cidr": "ten"}, "address_cidr: 'ten' is not allowed; a network is needed"),
        ({"timeout": "soon"}, "timeout: 'soon' is not allowed; a time is a number and one of"),
        ({"timeout": "0s"}, "timeout: '0s' is not allowed; it must be longer than 0s"),
        ({"hosts": {"gamma": "compute1"}}, "hosts.gamma: 'compute1' is not allowed; a libvirt URI is needed"),
    ],
)
def test_bad_options_are_refused(inventory, options, message):
    found, messages = inventory(**options)
    assert found is None and message in messages


def _wanted(**options):
    everything = dict.fromkeys(("names", "states", "tags", "managed", "address_cidr"))
    return guests.Wanted.of(dict(everything, **dict({"hosts": {}, "ansible_host": ["agent", "lease"]}, **options)))


def test_the_address_is_of_the_first_source_that_has_one_in_the_network():
    entries = [
        {"address": "192.168.122.5", "source": "lease"},
        {"address": "10.0.0.5", "source": "agent"},
        {"address": "10.0.0.6", "source": "lease"},
    ]
    instance = {"interfaces": [{"addresses": entries}, {"addresses": []}]}

    def address(**options):
        return guests.variables(_wanted(**options), "a", "test:///", instance, None).get("ansible_host")

    assert address() == "10.0.0.5"
    assert address(ansible_host=["lease", "agent"]) == "192.168.122.5"
    assert address(ansible_host=["lease"], address_cidr="10.0.0.0/8") == "10.0.0.6"
    assert address(ansible_host=[]) is None
    assert address(address_cidr="172.16.0.0/12") is None


def test_another_question_is_another_entry_of_the_cache():
    assert _wanted().digest() == _wanted().digest() != _wanted(tags=["web"]).digest()


def test_a_network_of_two_addresses_is_refused_as_such():
    with pytest.raises(InvalidInput, match="address_cidr"):
        _wanted(address_cidr="10.0.0.1/8")
