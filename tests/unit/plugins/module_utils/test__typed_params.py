# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""libvirt's flat parameter names as lists and mappings."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils._typed_params import items, mapping
from hypothesis import given
from hypothesis import strategies as st

PARAMETERS = {
    "state.state": 1,
    "cpu.time": 5,
    "cpu.cache.monitor.count": 0,
    "balloon.last-update": 7,
    "block.count": 2,
    "block.1.rd.reqs": 3,
    "block.0.name": "vda",
    "block.0.rd.reqs": 4,
    "vcpu.current": 2,
    "vcpu.3.time": 9,
    "fs.0.disk.count": 1,
    "fs.0.disk.0.alias": "vda",
    "fs.0.name": "vda1",
}


def test_a_mapping_has_no_lists_and_no_counts():
    assert mapping(PARAMETERS, "cpu") == {"time": 5}
    assert mapping(PARAMETERS, "vcpu") == {"current": 2}
    assert mapping(PARAMETERS, "block") == {}


def test_dots_and_dashes_become_underscores():
    assert mapping(PARAMETERS, "balloon") == {"last_update": 7}
    assert mapping({"rd.reqs": 3}) == {"rd_reqs": 3}


def test_a_list_is_in_the_order_of_its_numbers_and_may_have_gaps():
    assert items(PARAMETERS, "block") == [(0, {"name": "vda", "rd.reqs": 4}), (1, {"rd.reqs": 3})]
    assert items(PARAMETERS, "vcpu") == [(3, {"time": 9})]


def test_a_list_in_a_list():
    [(_number, filesystem)] = items(PARAMETERS, "fs")
    assert mapping(filesystem) == {"name": "vda1"}
    assert items(filesystem, "disk") == [(0, {"alias": "vda"})]


def test_a_prefix_is_a_whole_word():
    assert mapping({"block.name": 1, "blocked.name": 2}, "block") == {"name": 1}
    assert items({"net.0.name": 1, "network.0.name": 2}, "net") == [(0, {"name": 1})]


@given(st.lists(st.fixed_dictionaries({"name": st.text(max_size=3), "rd.bytes": st.integers()}), max_size=12))
def test_every_item_of_a_list_is_found_again(devices):
    flat = {f"block.{number}.{name}": value for number, device in enumerate(devices) for name, value in device.items()}
    assert items(dict(flat, **{"block.count": len(devices)}), "block") == list(enumerate(devices))
