# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host is and has, from libvirt's in-memory driver and its embedded QEMU driver."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._host import capacity, info, resources
from ansible_collections.kvmfleet.compute.plugins.module_utils._host.domain_capabilities import described

GIB = 1024**3
ALL = tuple(info.OPTIONS["gather"]["choices"])
GUEST = """<domain type='{type}'><name>{name}</name><memory unit='GiB'>1</memory>
<currentMemory unit='MiB'>256</currentMemory><vcpu current='2'>4</vcpu>
<os><type>hvm</type></os></domain>"""
NETWORK = """<network><name>{name}</name>{forward}<bridge name='{name}'/><mtu size='9000'/><domain name='lab.test'/>
<ip address='10.9.0.1' prefix='16'/><ip family='ipv6' address='fd00::1' prefix='64'/></network>"""
DOMAIN_CAPABILITIES = """<domainCapabilities><path>/usr/bin/qemu-system-x86_64</path><domain>kvm</domain>
<machine>pc-q35-7.2</machine><arch>x86_64</arch><vcpu max='288'/>
<os supported='yes'><enum name='firmware'><value>efi</value></enum>
<loader supported='yes'><enum name='secure'><value>yes</value><value>no</value></enum></loader></os>
<cpu><mode name='host-passthrough' supported='yes'/><mode name='maximum' supported='no'/>
<mode name='custom' supported='yes'><model usable='yes'>qemu64</model><model usable='no'>EPYC</model></mode></cpu>
<devices><disk supported='yes'><enum name='bus'><value>virtio</value><value>sata</value></enum></disk>
<tpm supported='no'><enum name='model'><value>tpm-tis</value></enum></tpm></devices></domainCapabilities>"""
MACHINES = """<capabilities><host/><guest><os_type>hvm</os_type><arch name='x86_64'>
<machine>pc-q35-7.2</machine><machine canonical='pc-q35-7.2'>q35</machine></arch></guest>
<guest><os_type>hvm</os_type><arch name='aarch64'><machine>virt</machine></arch></guest></capabilities>"""


def query(conn, gather=ALL, refresh_pools=False):
    return info.query(conn, info.parse({"gather": list(gather), "refresh_pools": refresh_pools}))["host"]


@pytest.fixture
def conn():
    with connect("test:///default") as conn:
        conn.lookupByName("test").destroy()
        conn.lookupByName("test").undefine()
        yield conn


def test_identity(conn):
    host = query(conn, gather=())
    assert host["hostname"] == conn.getHostname()
    assert (host["hypervisor"], host["arch"], host["uri"]) == ("TEST", "i686", "test:///default")
    assert host["libvirt_version"].count(".") == 2
    assert (host["virt_types"], host["usable_virt_types"], host["hardware_virtualisation"]) == (
        ("test",),
        ("test",),
        False,
    )


def test_uptime_is_of_this_host_alone():
    assert 0 < info.uptime("qemu:///system") <= float(pathlib.Path("/proc/uptime").read_text().split()[0])
    assert info.uptime("qemu+ssh://root@compute1/system") is None


def test_only_what_is_gathered_is_returned(conn):
    keys = {
        "cpu": {"cpu"},
        "memory": {"memory", "numa_cells"},
        "guests": {"guests", "capacity"},
        "pools": {"pools"},
        "networks": {"networks"},
        "domain_capabilities": {"domain_capabilities"},
    }
    identity = set(query(conn, gather=()))
    assert set(keys) == set(ALL)
    for kind, expected in keys.items():
        assert set(query(conn, gather=(kind,))) == identity | expected


def test_guests_and_what_they_have(conn):
    for name in ("on", "off", "saved"):
        domain = conn.defineXML(GUEST.format(name=name, type="test"))
        if name != "off":
            domain.create()
        if name == "saved":
            domain.managedSave()
    host = query(conn, gather=("guests",))
    assert host["guests"] == {"total": 3, "by_state": {"running": 1, "stopped": 1, "suspended": 1}}
    count = conn.getInfo()[2]
    assert host["capacity"]["vcpus"] == {"total": count, "allocated": 2, "defined": 6, "free": count - 2}
    memory = host["capacity"]["memory"]
    assert (memory["allocated"], memory["defined"]) == (GIB, 3 * GIB)
    assert memory["free"] == memory["total"] - GIB


def test_sizes_read_in_bulk_are_those_that_each_guest_tells(embed_uri):
    with connect(embed_uri) as conn:
        domain = conn.defineXML(GUEST.format(name="sized", type="qemu"))
        try:
            [size] = [size for size in capacity.guest_sizes(conn) if size.memory == GIB]
        finally:
            domain.undefine()
        assert (size.state, size.active, size.vcpus) == ("stopped", False, 2)


def test_free_is_below_zero_where_more_is_promised():
    assert capacity.use(4, [(True, 3), (True, 3), (False, 8)]) == {
        "total": 4,
        "allocated": 6,
        "defined": 14,
        "free": -2,
    }


def test_numa_cells(conn):
    cells = query(conn, gather=("memory",))["numa_cells"]
    assert [cell["id"] for cell in cells] == [0, 1]
    assert [cell["memory"] for cell in cells] == [2 * GIB, 4 * GIB]
    assert cells[1]["cpus"] == list(range(8, 16))
    assert [cell["free"] for cell in cells] == conn.getCellsFreeMemory(0, 2)


def test_pools(conn):
    xml = "<pool type='dir'><name>another</name><target><path>/srv/another</path></target></pool>"
    pool = conn.storagePoolDefineXML(xml)
    pool.setAutostart(1)
    off, on = query(conn, gather=("pools",), refresh_pools=True)["pools"]
    assert off == {
        "name": "another",
        "uuid": pool.UUIDString(),
        "type": "dir",
        "path": "/srv/another",
        "state": "inactive",
        "active": False,
        "persistent": True,
        "autostart": True,
        "capacity": None,
        "allocation": None,
        "available": None,
    }
    assert (on["name"], on["state"], on["active"]) == ("default-pool", "running", True)
    assert on["capacity"] == on["allocation"] + on["available"] > 0


@pytest.mark.parametrize(
    ("forward", "mode"), [("", "isolated"), ("<forward/>", "nat"), ("<forward mode='route'/>", "route")]
)
def test_networks(conn, forward, mode):
    network = conn.networkDefineXML(NETWORK.format(name="lab", forward=forward))
    default, lab = query(conn, gather=("networks",))["networks"]
    network.undefine()
    assert (default["name"], default["active"], default["mtu"]) == ("default", True, None)
    # libvirt's in-memory network has a netmask.
    assert default["addresses"] == [{"address": "192.168.122.1", "prefix": 24, "family": "ipv4"}]
    assert lab == {
        "name": "lab",
        "uuid": network.UUIDString(),
        "active": False,
        "persistent": True,
        "autostart": False,
        "mode": mode,
        "bridge": "lab",
        "domain": "lab.test",
        "mtu": 9000,
        "addresses": [
            {"address": "10.9.0.1", "prefix": 16, "family": "ipv4"},
            {"address": "fd00::1", "prefix": 64, "family": "ipv6"},
        ],
    }


def test_a_pool_or_network_that_vanishes_is_left_out(conn):
    pool = conn.storagePoolDefineXML("<pool type='dir'><name>gone</name><target><path>/gone</path></target></pool>")
    network = conn.networkDefineXML("<network><name>gone</name></network>")
    pool.undefine()
    network.undefine()
    assert resources.describe_pool(pool, False) is None
    assert resources.describe_network(network) is None


def test_a_hypervisor_without_storage_and_networks_has_none(embed_uri):
    with connect(embed_uri) as conn:
        host = query(conn)
    assert (host["pools"], host["networks"]) == ([], [])
    assert host["hypervisor"] == "QEMU"


def test_memory_of_this_host(embed_uri):
    words = pathlib.Path("/proc/meminfo").read_text(encoding="utf-8").split()
    with connect(embed_uri) as conn:
        memory = query(conn, gather=("memory",))["memory"]
    assert memory["total"] == int(words[words.index("MemTotal:") + 1]) * 1024
    assert 0 < memory["free"] <= memory["total"]


def test_processors_of_this_host(embed_uri):
    with connect(embed_uri) as conn:
        cpu = query(conn, gather=("cpu",))["cpu"]
    count = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").count("processor\t")
    assert cpu["online"] == count <= cpu["present"]
    assert set(cpu["times"]) >= {"user", "kernel", "idle"}
    assert cpu["features"]


def test_what_guests_of_this_host_can_have(embed_uri):
    with connect(embed_uri) as conn:
        host = query(conn, gather=("domain_capabilities",))
    found = host["domain_capabilities"]
    assert (found["arch"], found["virt_type"]) == (host["arch"], host["usable_virt_types"][0])
    assert "virtio" in found["disk_buses"]
    assert "vnc" in found["graphics_types"]
    assert found["default_machine"] in found["machines"]
    assert found["max_vcpus"] > 1


def test_domain_capabilities():
    assert described(_xml.parse(DOMAIN_CAPABILITIES), _xml.parse(MACHINES)) == {
        "arch": "x86_64",
        "virt_type": "kvm",
        "default_machine": "pc-q35-7.2",
        "machines": ["pc-q35-7.2", "q35"],
        "max_vcpus": 288,
        "firmware": ["bios", "uefi"],
        "secure_boot": True,
        "cpu_modes": ["host-passthrough", "custom"],
        "cpu_models": ["qemu64"],
        "disk_buses": ["virtio", "sata"],
        "graphics_types": [],
        "video_models": [],
        "tpm_models": [],
        "tpm_backends": [],
        "rng_backends": [],
        "filesystem_drivers": [],
    }
