# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An item of a list that has no name leaves all devices of a guest as they are, whatever made that guest."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain import metadata
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.describe import Facts
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.facets import interfaces
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import KvmfleetError
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance import storage
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.observe import Observed
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.plan import plan
from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.resource import parse
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage.volumes import PoolFacts, VolumeFacts
from ansible_collections.kvmfleet.compute.tests.unit import foreign
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._instance.specs import complete
from lxml import etree

ITEMS = {
    "empty drive": {"disks": [{"device": "cdrom"}]},
    "medium": {"disks": [{"device": "cdrom", "source": "/srv/new.iso"}]},
    "new disk": {"disks": [{"size": "20GiB"}]},
    "new disks": {"disks": [{"size": "20GiB"}, {"image": "tiny", "bus": "sata"}, {"device": "cdrom"}]},
    "new disk with a serial": {"disks": [{"size": "20GiB", "serial": "kvmfleet-data", "cache": "none"}]},
    "file": {"disks": [{"source": "/srv/new.img", "bus": "scsi", "serial": "kvmfleet-data"}]},
    "volume": {"disks": [{"volume": "theirs.img"}]},
    "root disk": {"root_disk": "20GiB"},
    "image": {"image": "tiny"},
    "network": {"interfaces": [{"network": "default"}]},
    "networks": {"interfaces": [{"network": "default", "mtu": 1400}, {"bridge": "br0", "model": "e1000e"}]},
    "input": {"inputs": [{"type": "tablet"}, {"type": "keyboard", "bus": "virtio"}]},
    "host device": {"host_devices": [{"pci": "0000:7f:1f.7"}]},
    "directory": {"filesystems": [{"target": "kvmfleet", "source": "/srv"}]},
    "serial console": {"serial_console": {"enabled": True}},
}
POOL = PoolFacts("default", "dir", "/pools")
IMAGE = VolumeFacts("images", "tiny", "/images/tiny", "qcow2", 1 << 30)
THEIRS = VolumeFacts("default", "theirs.img", "/pools/theirs.img", "raw", 1 << 30)


class _Volumes(dict):
    """No volume is there, whatever name is looked for."""

    def __missing__(self, key):
        return None

    def __contains__(self, key):
        return True


FACTS = storage.StorageFacts(
    pools={"default": POOL},
    volumes=_Volumes({("default", "theirs.img"): THEIRS}),
    images={"tiny": IMAGE},
)


def planned(root, spec):
    """Return the plan of a task on a guest that is off and has this definition, and the definition that it leads to."""
    facts = Facts("foreign", "", None, "stopped", "", persistent=True, autostart=False)
    found = plan(spec, Observed(exists=True, facts=facts, inactive=root, storage=FACTS))
    defined = [action.data for action in found.actions if action.name == "define"]
    return found, _completed(copy.deepcopy(defined[0]), spec) if defined else root


def _completed(root, spec):
    """A definition as it is after the run: volumes are made, and each interface has a MAC address."""
    interfaces.record_new(root, spec.wanted.get("interfaces", ()))
    for number, element in enumerate(root.findall("devices/interface")):
        if element.find("mac") is None:
            element.append(_xml.element_of("mac", {"address": f"52:54:00:ff:ff:{number:02x}"}))
    found = metadata.read(root)
    if found is not None:
        metadata.write(root, replace(found, volumes=tuple(replace(v, status="ready") for v in found.volumes)))
    return root


def spec_of(params):
    return parse(complete(dict(params, name="foreign", state="present")))


def devices(root):
    """The devices as libvirt writes them; it makes the console that is a serial port's twin by itself."""
    return Counter(etree.tostring(element) for element in root.find("devices") if not _is_twin(element))


def _is_twin(element):
    return element.tag == "console" and _xml.get(element, "target/@type") in (None, "serial")


def applied_twice(spec_for, least=300):
    """Plan a task on each definition, twice; spec_for(root): what it asks for, None to leave a definition out.

    Yields (name, devices before, devices after). Raises AssertionError when the second run would change something, or when
    the task is refused for too many definitions.
    """
    tried, refused = 0, {}
    for name, root in foreign.read().definitions.items():
        spec = spec_for(root)
        if spec is None:
            continue
        tried += 1
        try:
            _plan, after = planned(root, spec)
        except KvmfleetError as exc:
            refused[name] = exc.message
            continue
        yield name, devices(root), devices(after)
        again, _after = planned(after, spec)
        assert not again.actions and not again.changes, (name, again.actions, again.changes)
    print(f"{tried} definitions tried, {len(refused)} refused:", Counter(refused.values()).most_common())
    assert tried >= least and len(refused) <= tried / 20


def test_there_are_enough_definitions_of_other_tools():
    found = foreign.read()
    print(f"{found.count} definitions, {len(found.skipped)} skipped: {found.skipped}")
    assert found.count >= 300 and len(found.skipped) <= found.count / 20


@pytest.mark.parametrize("item", ITEMS)
def test_an_item_without_a_name_leaves_all_devices_as_they_are(item):
    spec = spec_of(ITEMS[item])
    for name, before, after in applied_twice(lambda root: spec):
        assert not before - after, (name, before - after)


def test_an_item_that_the_guest_fulfils_changes_nothing():
    def own(root):
        path = _xml.get(root, "devices/disk[@type='file']/source/@file")
        network = _xml.get(root, "devices/interface[@type='network']/source/@network")
        params = {"disks": [{"source": path}]} if path and path.startswith("/") else {}
        if network is not None:
            params["interfaces"] = [{"network": network}]
        return spec_of(params) if params else None

    for name, before, after in applied_twice(own, least=200):
        assert before == after, (name, before - after, after - before)


def test_a_disk_that_has_data_is_never_replaced_by_another():
    kinds = Counter()
    for root in foreign.read().definitions.values():
        for disk in root.findall("devices/disk"):
            target, source = _xml.get(disk, "target/@dev"), disk.find("source")
            if disk.get("device", "disk") == "cdrom" or source is None or not {*source.attrib} - {"index"}:
                continue
            try:
                spec = spec_of({"disks": [{"target": target, "source": "/srv/new.img"}]})
            except KvmfleetError:
                continue  # no name that a task can give
            with pytest.raises(KvmfleetError):
                planned(root, spec)
            kinds[disk.get("type")] += 1
    print(kinds)
    assert {"file", "block", "network", "nvme", "volume", "vhostuser"} <= set(kinds)
