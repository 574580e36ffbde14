# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vm_instance_info, run as Ansible runs it."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.tests.unit.plugins.modules.returned import differences, documented

EVERYTHING = ["definition", "addresses", "statistics", "agent"]
GUEST = """<domain type='qemu'><name>full</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>
<disk type='file' device='cdrom'><target dev='hda' bus='ide'/></disk>
<interface type='user'><mac address='52:54:00:00:00:01'/></interface><serial type='pty'/>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<graphics type='vnc' passwd='geheim'><listen type='none'/></graphics></devices></domain>"""


@pytest.fixture
def full(embed_uri):
    """A running guest of real QEMU with one of each device."""
    with connect(embed_uri) as conn:
        domain = conn.createXML(GUEST)
        yield embed_uri
        domain.destroy()


def test_all_that_is_returned_is_documented_and_the_other_way_round(run_module, full):
    result = run_module("vm_instance_info", {"uri": full, "gather": EVERYTHING, "xml": ["live"]})
    [instance] = result["instances"]
    assert list(differences({"instances": [instance]}, documented("vm_instance_info"))) == []
    assert (instance["name"], instance["state"]) == ("full", "running")
    assert instance["agent"] == {"channel": True, "connected": False}
    assert instance["guest"] is None
    assert instance["serial_console"]["pty"].startswith("/dev/pts/")
    assert instance["graphics"][0]["type"] == "vnc"
    assert instance["statistics"]["memory"]["maximum"] == instance["memory"] == 64 * 1024 * 1024
    assert "geheim" not in str(result)


def test_an_address_is_as_documented(run_module, tmp_path):
    host = tmp_path / "addressed.xml"
    host.write_text(
        "<node><domain type='test'><name>web01</name><memory>65536</memory><os><type>hvm</type></os><devices>"
        "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface>"
        "</devices></domain><network><name>default</name><ip address='192.168.122.1' netmask='255.255.255.0'>"
        "<dhcp><range start='192.168.122.2' end='192.168.122.9'/></dhcp></ip></network></node>"
    )
    result = run_module("vm_instance_info", {"uri": f"test://{host}"})
    [address] = result["instances"][0]["interfaces"][0]["addresses"]
    assert address["address"].startswith("192.168.122.")
    below = documented("vm_instance_info")["instances"]["contains"]["interfaces"]["contains"]["addresses"]["contains"]
    assert list(differences(address, below)) == []


def test_check_mode_reads_the_same(run_module, shared_uri):
    real = run_module("vm_instance_info", {"uri": shared_uri})
    assert run_module("vm_instance_info", {"uri": shared_uri}, check=True) == real
    assert real["changed"] is False
    assert real["failed"] is False
    assert [instance["name"] for instance in real["instances"]] == ["test"]


def test_a_name_that_no_guest_has_is_not_an_error(run_module, test_uri):
    result = run_module("vm_instance_info", {"uri": test_uri, "names": ["nobody"]})
    assert (result["failed"], result["instances"]) == (False, [])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"gather": ["all"]},
            "gather[0]: 'all' is not allowed; one of definition, addresses, statistics, agent is needed",
        ),
        ({"states": ["off"]}, "states[0]: 'off' is not allowed; one of running, stopped, paused, suspended, "),
        ({"address_sources": ["dns"]}, "address_sources[0]: 'dns' is not allowed; one of lease, agent, arp is needed"),
        ({"uuids": ["web01"]}, "uuids: 'web01' is not allowed; a UUID such as "),
        ({"agent_timeout": "2 hours"}, "agent_timeout: '2 hours' is not allowed; a time is a number and one of "),
        ({"agent_timeout": "0s"}, "agent_timeout: '0s' is not allowed; it must be longer than 0s"),
        ({"uri": "test:///nowhere.xml"}, "uri: 'test:///nowhere.xml' can't be opened: "),
    ],
)
def test_bad_input_is_one_clear_sentence(run_module, test_uri, params, message):
    result = run_module("vm_instance_info", dict({"uri": test_uri}, **params))
    assert result["failed"] is True
    assert result["msg"].startswith(message)
    assert "\n" not in result["msg"]
