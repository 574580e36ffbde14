# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What reaches a running guest at once, what waits for its next boot, and what is refused."""

from __future__ import annotations

import copy
import pathlib

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.describe import Facts
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.observe import Observed
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.plan import plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.spec import parse
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.storage import StorageFacts
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.specs import complete

# A guest with 256 MiB of 512 MiB and 2 of 4 processors.
LIVE = _xml.parse((pathlib.Path(__file__).parents[1] / "_domain/running-guest.xml").read_text(encoding="utf-8"))
NAME = LIVE.findtext("name")
MAC = LIVE.find("devices/interface/mac").get("address")


def plan_for(state="running", inactive=LIVE, storage=None, live=LIVE, **options):
    spec = parse(complete(dict({"name": NAME, "state": "running"}, **options)))
    observed = Observed(
        exists=True,
        facts=Facts(NAME, LIVE.findtext("uuid"), None if state == "stopped" else 1, state, "booted", True, False),
        inactive=copy.deepcopy(inactive),
        live=None if state == "stopped" else copy.deepcopy(live),
        hotplug=True,
        networks={"default": True},
        storage=storage or StorageFacts(),
    )
    return plan(spec, observed)


def actions(found):
    return [(action.name, action.subject) for action in found.actions]


def test_memory_and_processors_grow_up_to_the_maximum_of_the_running_guest():
    found = plan_for(memory="512MiB", vcpus="4")
    assert actions(found) == [("define", NAME), ("set_vcpus", "4"), ("set_memory", "512MiB")]
    assert found.restart_required == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vcpus": "5"}, "vcpus: 5 is not allowed; the running guest can have 2 to 4 with apply: live"),
        (
            {"memory": "1GiB"},
            "memory: '1GiB' is not allowed; the running guest can have 1KiB to 512MiB with apply: live",
        ),
        ({"cpu": {"mode": "maximum"}}, "cpu.mode can't be changed while the guest runs"),
    ],
)
def test_what_a_running_guest_can_not_take_is_refused_when_it_must_be_live(options, message):
    with pytest.raises(InvalidInput, match=message):
        plan_for(apply="live", **options)
    assert plan_for(**options).restart_required


def test_a_restart_brings_what_can_not_be_live_and_only_then():
    assert ("restart", NAME) in actions(plan_for(apply="restart", vcpus="8"))
    assert ("restart", NAME) not in actions(plan_for(apply="restart", vcpus="4"))


def test_the_next_boot_alone_leaves_the_running_guest_as_it_is():
    found = plan_for(apply="next_boot", vcpus="4", disks=[{"target": "vdx", "source": "/data/x.qcow2"}])
    assert actions(found) == [("define", NAME)]
    assert found.restart_required == ("vcpus", "disks[vdx]")


def test_a_device_is_plugged_in_after_the_definition_has_it_and_unplugged_before_it_forgets_it():
    found = plan_for(
        disks=[{"target": "vdx", "source": "/data/x.qcow2"}],
        interfaces=[{"mac": MAC, "state": "absent"}],
        unplug_timeout="5s",
    )
    assert actions(found) == [
        ("detach_device", f"interfaces[{MAC}]"),
        ("define", NAME),
        ("attach_device", "disks[vdx]"),
    ]


def test_a_run_that_died_between_definition_and_device_is_completed():
    with_disk = copy.deepcopy(LIVE)
    disk = copy.deepcopy(with_disk.find("devices/disk"))
    disk.find("target").set("dev", "vdx")
    disk.find("source").set("file", "/data/x.qcow2")
    disk.remove(disk.find("boot"))
    with_disk.find("devices").append(disk)
    found = plan_for(inactive=with_disk, disks=[{"target": "vdx", "source": "/data/x.qcow2"}])
    assert actions(found) == [("attach_device", "disks[vdx]")]


def test_a_network_is_changed_in_place():
    found = plan_for(interfaces=[{"mac": MAC, "bridge": "br0"}])
    assert actions(found) == [("define", NAME), ("update_device", f"interfaces[{MAC}]")]


def test_an_interface_without_a_name_is_plugged_in_beside_those_of_others():
    found = plan_for(interfaces=[{"bridge": "br-new"}])
    assert actions(found) == [("define", NAME), ("attach_device", "interfaces[new]")]
    with_it = found.actions[0].data
    assert _xml.get(with_it, "devices/interface/mac/@address") == MAC
    again = plan_for(inactive=with_it, interfaces=[{"bridge": "br-new"}])
    assert actions(again) == [("attach_device", "interfaces[new]")], "a run that died in between is completed"


def test_a_new_disk_has_no_device_name_of_the_running_guest():
    inactive = copy.deepcopy(LIVE)
    names = {element.get("dev") for element in LIVE.findall("devices/disk/target")}
    for disk in inactive.findall("devices/disk")[1:]:
        disk.getparent().remove(disk)
    found = plan_for(
        inactive=inactive, storage=StorageFacts(in_use=frozenset(names)), disks=[{"source": "/data/x.img"}]
    )
    assert found.actions[0].data.findall("devices/disk/target")[-1].get("dev") not in names


@pytest.mark.parametrize("state", ["running", "stopped"])
@pytest.mark.parametrize("purge", [False, True])
def test_the_root_disk_stays(state, purge):
    root_disk = LIVE.find("devices/disk[@device='disk']/target").get("dev")
    options = {"purge": ["disks"]} if purge else {"disks": [{"target": root_disk, "state": "absent"}]}
    with pytest.raises(InvalidInput, match=f"disks: '{root_disk}' is not allowed; it is the guest's root disk"):
        plan_for(state=state, **options)


def test_two_interfaces_with_one_address_are_refused():
    with pytest.raises(InvalidInput, match=r"interfaces\[.*\]: two items of the list name the same device"):
        plan_for(interfaces=[{"mac": MAC, "network": "default"}, {"mac": MAC, "network": "default"}])
    other = {"alias": "ua-second", "mac": None, "network": "default"}
    two = plan_for(interfaces=[dict(other), {"mac": MAC, "network": "default"}])
    assert ("attach_device", "interfaces[ua-second]") in actions(two)


@pytest.mark.parametrize("state", ["running", "stopped"])
@pytest.mark.parametrize("options", [{}, {"tags": ["t"]}, {"interfaces": [{"bridge": "br0"}]}])
def test_two_interfaces_that_have_one_address_already_are_not_judged(state, options):
    pair = copy.deepcopy(LIVE)
    for mac in pair.findall("devices/interface/mac"):
        mac.set("address", MAC)
    assert plan_for(state, inactive=pair, live=pair, **options)


def test_a_device_to_be_absent_must_be_named():
    with pytest.raises(InvalidInput, match=r"a device that is to be absent is named by its mac or alias"):
        plan_for(interfaces=[{"network": "default", "state": "absent"}])


def with_devices(*devices):
    """Return a running guest of a q35 machine with one free port."""
    live = copy.deepcopy(LIVE)
    for element in live.find("devices"):
        if element.find("address") is None:
            element.append(_xml.parse('<address type="pci" bus="0x00" slot="0x1f"/>'))
    texts = [
        '<controller type="pci" index="0" model="pcie-root"/>',
        '<controller type="pci" index="1" model="pcie-root-port"><address type="pci" bus="0x00" slot="0x02"/></controller>',
        *devices,
    ]
    live.find("devices").extend(map(_xml.parse, texts))
    return live


SATA = '<disk type="file" device="cdrom"><target dev="sdq" bus="sata"/></disk>'
BUILT_IN = (
    '<interface type="bridge"><mac address="52:54:00:00:00:77"/><source bridge="br0"/><model type="virtio"/>'
    '<address type="pci" bus="0x00" slot="0x05"/></interface>'
)


@pytest.mark.parametrize(
    ("options", "device", "option", "subject", "reason"),
    [
        (
            {"disks": [{"target": "sdx", "bus": "sata", "source": "/x"}]},
            "",
            "disks[sdx]",
            None,
            "a guest takes no sata disk",
        ),
        (
            {"disks": [{"target": "sdq", "state": "absent"}]},
            SATA,
            "disks[sdq]",
            None,
            "a guest releases no sata CD-ROM drive",
        ),
        (
            {"interfaces": [{"mac": "52:54:00:00:00:77", "state": "absent"}]},
            BUILT_IN,
            "interfaces[52:54:00:00:00:77]",
            None,
            "it is on the root bus of PCIe",
        ),
        (
            {"disks": [{"target": name, "source": f"/{name}"} for name in ("vdx", "vdy")]},
            "",
            "disks[vdy]",
            None,
            "the running guest has no free PCIe root port; pci_root_ports gives it more at its next boot",
        ),
        (
            {"interfaces": [{"bridge": "br9", "model": "e1000"}]},
            "",
            "interfaces[0]",
            "interfaces[new]",
            "the running guest has no free slot of conventional PCI",
        ),
        (
            {"inputs": [{"type": "tablet"}]},
            "",
            "inputs[0]",
            "inputs[tablet on usb]",
            "the running guest has no USB controller",
        ),
    ],
)
def test_a_device_that_can_not_come_or_go_waits_with_a_warning(options, device, option, subject, reason):
    running = with_devices(*filter(None, [device]))
    found = plan_for(live=running, inactive=running, **options)
    assert found.restart_required == (option,)
    (warning,) = found.warnings
    assert warning.startswith(f"{subject or option}: {reason}") and warning.endswith(
        "the change waits for the guest's next boot"
    )
    assert not any(action.subject == (subject or option) for action in found.actions)
    after = found.actions[0].data
    again = plan_for(live=running, inactive=after, **options)
    assert (again.restart_required, again.warnings) == (found.restart_required, found.warnings)
    assert "define" not in [name for name, _subject in actions(again)]
    with pytest.raises(InvalidInput, match="apply: 'live' is not allowed"):
        plan_for(apply="live", live=running, inactive=running, **options)


def test_an_interface_that_has_no_tap_device_does_not_move_while_the_guest_runs():
    found = plan_for(interfaces=[{"mac": "52:54:00:12:34:58", "bridge": "br0"}])
    assert actions(found) == [("define", NAME)] and found.restart_required
