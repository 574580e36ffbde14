# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection plugin where no agent answers. What it does in guests, the scenario instances shows."""

from __future__ import annotations

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.playbook.play_context import PlayContext
from ansible_collections.kvmfleet.compute.plugins.connection import guest_agent
from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection

NAME = "kvmfleet.compute.guest_agent"


@pytest.fixture
def connection():
    """A function that makes a connection of the variables of a host; it is closed afterwards."""
    made = []
    options = yaml.safe_load(guest_agent.DOCUMENTATION)["options"]
    constants.config.initialize_plugin_configuration_definitions("connection", NAME, options)

    def make(**variables):
        plugin = guest_agent.Connection(PlayContext())
        plugin._load_name = NAME
        plugin.set_options(var_options=dict({"inventory_hostname": "test"}, **variables))
        made.append(plugin)
        return plugin

    yield make
    for plugin in made:
        plugin.close()


def test_the_options_that_hold_unless_others_are_given(connection):
    plugin = connection()
    assert plugin.transport == NAME
    assert [plugin.get_option(option) for option in ("remote_addr", "uri", "agent_timeout", "command_timeout")] == [
        "test",
        "qemu:///system",
        30,
        0,
    ]


def test_the_guest_and_its_libvirt_are_named_by_variables(connection):
    named = {"ansible_host": "192.0.2.7", "ansible_libvirt_uri": "test:///default"}
    assert connection(**named).get_option("remote_addr") == "192.0.2.7"
    assert connection(**named).get_option("uri") == "test:///default"
    named.update(kvmfleet_guest="web01", kvmfleet_uri="qemu:///session")
    assert connection(**named).get_option("remote_addr") == "web01"
    assert connection(**named).get_option("uri") == "qemu:///session"


def test_a_libvirt_that_says_nothing_makes_the_guest_unreachable(connection, silent_uri, monkeypatch):
    monkeypatch.setattr(_connection, "OPEN_TIMEOUT", 0.5)
    with pytest.raises(AnsibleConnectionFailure, match="no answer within 0.5 seconds"):
        connection(ansible_libvirt_uri=silent_uri)._connect()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"kvmfleet_uri": "test:///no/such/host.xml"}, "uri: 'test:///no/such/host.xml' can't be opened"),
        ({"kvmfleet_guest": "web01"}, "there is no guest with the name or the UUID 'web01' at test:///"),
        ({}, "asking the agent of the guest 'test' for guest-exec failed: this function is not supported"),
    ],
)
def test_a_guest_that_can_not_be_asked_is_unreachable(connection, test_uri, variables, message):
    plugin = connection(**dict({"kvmfleet_uri": test_uri}, **variables))
    with pytest.raises(AnsibleConnectionFailure) as raised:
        plugin.exec_command("true")
    assert raised.value.message.startswith(message)
    assert not plugin.connected


@pytest.mark.parametrize(("option", "value", "minimum"), [("agent_timeout", 0, 1), ("command_timeout", -1, 0)])
def test_a_time_that_is_none_is_refused(connection, test_uri, option, value, minimum):
    plugin = connection(kvmfleet_uri=test_uri, **{f"kvmfleet_{option}": value})
    with pytest.raises(AnsibleError) as raised:
        plugin.exec_command("true")
    assert raised.value.message == f"{option}: {value} is not allowed; it is a number of seconds of at least {minimum}"


def test_a_connection_is_open_until_it_is_reset_and_opens_again(connection, test_uri):
    plugin = connection(kvmfleet_uri=test_uri)
    assert not plugin.connected
    for _time in range(2):
        plugin._connect()
        assert plugin.connected
        plugin.reset()
        assert not plugin.connected


def test_what_is_wrong_with_a_path_is_said_before_the_guest_is_asked(connection, test_uri, tmp_path):
    plugin = connection(kvmfleet_uri=test_uri)
    (tmp_path / "file").touch()
    with pytest.raises(AnsibleFileNotFound, match="does not exist on the control node"):
        plugin.put_file(str(tmp_path / "none"), "/root/file")
    with pytest.raises(AnsibleError, match="the path 'file' in the guest is relative; an absolute one is needed"):
        plugin.put_file(str(tmp_path / "file"), "file")
    with pytest.raises(AnsibleError, match="the path 'file' in the guest is relative; an absolute one is needed"):
        plugin.fetch_file("file", str(tmp_path / "fetched"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "host.xml"]
