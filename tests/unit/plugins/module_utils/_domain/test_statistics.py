# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shapes of statistics and of the agent's answers, from what libvirt and an agent gave."""

from __future__ import annotations

import re

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import bulk
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.statistics import groups, statistics
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import information

# libvirt 9.0, a running guest of QEMU 7.2.
RUNNING = {
    "state.state": 1,
    "state.reason": 1,
    "cpu.time": 260000000,
    "cpu.user": 60000000,
    "cpu.system": 200000000,
    "cpu.cache.monitor.count": 0,
    "balloon.current": 65536,
    "balloon.maximum": 131072,
    "balloon.last-update": 1700000000,
    "balloon.major_fault": 12,
    "balloon.rss": 49384,
    "vcpu.current": 1,
    "vcpu.maximum": 2,
    "vcpu.0.state": 1,
    "vcpu.0.time": 20000000,
    "net.count": 1,
    "net.0.name": "vnet0",
    "net.0.rx.bytes": 90,
    "block.count": 1,
    "block.0.name": "vda",
    "block.0.path": "/srv/d.qcow2",
    "block.0.backingIndex": 1,
    "block.0.rd.reqs": 3,
    "block.0.capacity": 67108864,
}
# libvirt 9.0, agent 7.2 in Debian 12.
ANSWER = {
    "hostname": "web01",
    "os.id": "debian",
    "os.pretty-name": "Debian GNU/Linux 12 (bookworm)",
    "os.kernel-release": "6.1.0-18-cloud-amd64",
    "timezone.name": "UTC",
    "timezone.offset": 0,
    "user.count": 1,
    "user.0.name": "root",
    "user.0.login-time": 1700000000000,
    "fs.count": 1,
    "fs.0.name": "vda1",
    "fs.0.mountpoint": "/",
    "fs.0.fstype": "ext4",
    "fs.0.total-bytes": 1000,
    "fs.0.used-bytes": 400,
    "fs.0.disk.count": 1,
    "fs.0.disk.0.alias": "vda",
    "if.count": 1,
    "if.0.name": "eth0",
    "if.0.hwaddr": "52:54:00:12:34:56",
    "if.0.addr.count": 1,
    "if.0.addr.0.type": "ipv4",
    "if.0.addr.0.addr": "192.168.122.57",
    "if.0.addr.0.prefix": 24,
}
GUEST = """<domain type='qemu'><name>measured</name><memory unit='MiB'>64</memory><vcpu current='1'>2</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>
<disk type='file' device='cdrom'><target dev='hda' bus='ide'/></disk>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
</devices></domain>"""


def test_statistics():
    assert statistics(RUNNING) == {
        "cpu": {"time": 260000000, "user": 60000000, "system": 200000000},
        "memory": {
            "current": 65536 * 1024,
            "maximum": 131072 * 1024,
            "last_update": 1700000000,
            "major_fault": 12,
            "rss": 49384 * 1024,
        },
        "vcpus": [{"number": 0, "state": "running", "time": 20000000}],
        "interfaces": [{"name": "vnet0", "rx_bytes": 90}],
        "disks": [
            {"name": "vda", "path": "/srv/d.qcow2", "backingIndex": 1, "rd_reqs": 3, "capacity": 67108864},
        ],
    }


def test_a_driver_that_only_tells_states_has_empty_statistics():
    assert statistics({"state.state": 1, "state.reason": 0}) == {
        "cpu": {},
        "memory": {},
        "vcpus": [],
        "interfaces": [],
        "disks": [],
    }


def test_facts_of_the_agent():
    assert information.facts(ANSWER) == {
        "hostname": "web01",
        "os": {
            "id": "debian",
            "pretty_name": "Debian GNU/Linux 12 (bookworm)",
            "kernel_release": "6.1.0-18-cloud-amd64",
        },
        "timezone": {"name": "UTC", "offset": 0},
        "users": [{"name": "root", "login_time": 1700000000000}],
        "filesystems": [
            {
                "name": "vda1",
                "mountpoint": "/",
                "fstype": "ext4",
                "total_bytes": 1000,
                "used_bytes": 400,
                "disks": [{"alias": "vda"}],
            }
        ],
        "interfaces": [
            {
                "name": "eth0",
                "mac": "52:54:00:12:34:56",
                "addresses": [{"address": "192.168.122.57", "prefix": 24, "family": "ipv4"}],
            }
        ],
    }


@pytest.fixture
def measured(embed_uri):
    """A guest of real QEMU that runs nothing; it is gone afterwards."""
    with connect(embed_uri) as conn:
        domain = conn.createXML(GUEST)
        yield conn, domain
        for left in conn.listAllDomains(0):
            left.destroy()


def test_statistics_of_a_real_guest(measured):
    conn, domain = measured
    [(_domain, parameters)] = bulk.statistics(conn, [domain], groups() | libvirt.VIR_DOMAIN_STATS_STATE)
    found = statistics(parameters)
    assert parameters["state.state"] == libvirt.VIR_DOMAIN_RUNNING
    assert found["cpu"]["time"] > 0
    assert found["memory"]["maximum"] == 64 * 1024 * 1024
    assert [(vcpu["number"], vcpu["state"]) for vcpu in found["vcpus"]] == [(0, "running")]
    assert found["disks"][0]["name"] == "hda"
    assert not [name for name in re.findall(r"'([^']*)':", str(found)) if re.search(r"[.-]|\d", name)]


def test_a_guest_that_vanished_is_not_in_the_statistics(measured):
    conn, domain = measured
    domain.destroy()
    assert bulk.statistics(conn, [domain], libvirt.VIR_DOMAIN_STATS_STATE) == []
    assert bulk.statistics(conn, [], libvirt.VIR_DOMAIN_STATS_STATE) == []


def test_an_agent_that_can_not_be_asked_is_an_error_of_its_guest_alone(measured):
    _conn, domain = measured
    found = information.information(domain, 1)
    assert "agent" in found.pop("error")
    assert found == information.facts({})
