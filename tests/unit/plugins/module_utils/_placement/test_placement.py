# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Placement of instances on hosts, as tables."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._placement.placement import schedule
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._placement.fleets import (
    GIB,
    guest,
    host,
    instance,
)

TWO = {"one": host(), "two": host()}


def placements(*arguments, **options):
    return schedule(*arguments, **options)["placements"]


def refusals(*arguments, **options):
    """Return why each host was refused for the one instance that has none."""
    (entry,) = schedule(*arguments, **options)["unplaced"]
    return entry["refusals"]


def test_spread_takes_the_emptiest_host_and_pack_the_fullest():
    instances = [instance("a"), instance("b")]
    assert placements(instances, TWO) == {"a": "one", "b": "two"}
    assert placements(instances, TWO, strategy="pack") == {"a": "one", "b": "one"}
    hosts = {"one": host(used=(0, 1, 0)), "two": host()}
    assert placements([instance("a")], hosts) == {"a": "two"}
    assert placements([instance("a")], hosts, strategy="pack") == {"a": "one"}


@pytest.mark.parametrize("used", [(20, 0, 0), (0, 10, 0), (0, 0, 60)])
def test_how_full_a_host_is_is_the_largest_of_its_shares(used):
    hosts = {"a-fuller": host(used=used), "b-emptier": host(used=(5, 5, 5))}
    assert placements([instance("web", disk=10)], hosts) == {"web": "b-emptier"}


def test_the_biggest_goes_first():
    # In the order of names, the small ones would take the room of the big one.
    instances = [instance("a", memory=4), instance("b", memory=4), instance("z", memory=12)]
    assert placements(instances, {"one": host(), "two": host()}) == {"a": "two", "b": "two", "z": "one"}


def test_what_only_few_hosts_can_take_goes_before_what_is_bigger():
    instances = [instance("big", memory=12), instance("small", memory=8, schedule={"require_tags": ["ssd"]})]
    policies = {"one": {"tags": ["ssd"]}}
    assert placements(instances, TWO, policies=policies) == {"big": "two", "small": "one"}


def test_the_result_has_the_instances_of_each_host_as_they_were_given():
    first = instance("z", tags=["web"], schedule={"refuse_tags": ["slow"]})
    second = instance("a", memory=2)
    plan = schedule([first, second], TWO, strategy="pack", defaults={"arch": "x86_64"})
    assert plan == {
        "placements": {"a": "one", "z": "one"},
        "hosts": {"one": [instance("z", tags=["web"]), second], "two": []},
        "unplaced": [],
    }
    assert list(plan["placements"]) == ["a", "z"]


def test_a_guest_that_is_there_stays_wherever_it_is():
    guests = {"one": [], "two": {"instances": [guest("web"), guest("other")]}}
    policies = {"two": {"enabled": False}}
    wanted = [instance("web", schedule={"require_tags": ["nowhere"]})]
    assert placements(wanted, TWO, guests=guests, policies=policies) == {"web": "two"}


def test_a_guest_that_is_there_needs_no_room_but_what_it_grows_by():
    hosts = {"one": host(used=(1, 10, 0)), "two": host(memory=1)}
    guests = {"one": [guest("web", memory=4)], "two": []}
    instances = [instance("web", memory=6), instance("new", memory=3)]
    # 16 GiB less half a GiB are 15.5 GiB, of which 10 are used and 2 more will be.
    assert placements(instances, hosts, guests=guests) == {"new": "one", "web": "one"}
    instances = [instance("web", memory=6), instance("new", memory=4)]
    assert refusals(instances, hosts, guests=guests) == {
        "one": "4096 MiB memory needed, 3584 MiB left",
        "two": "4096 MiB memory needed, the host has 1024 MiB",
    }
    # One that is to be smaller has its room as long as it is not.
    instances = [instance("web", memory=1), instance("new", memory=6)]
    assert refusals(instances, hosts, guests=guests)["one"] == "6144 MiB memory needed, 5632 MiB left"


def test_memory_is_the_most_that_an_instance_may_use():
    wanted = instance("web", memory=1, max_memory="8GiB")
    assert refusals([wanted], {"one": host(memory=4)}) == {"one": "8192 MiB memory needed, the host has 4096 MiB"}
    guests = {"one": [{**guest("web", memory=1), "max_memory": 4 * GIB}]}
    hosts = {"one": host(used=(1, 4, 0))}
    # It will have 4 GiB more, so 8 of 15.5 GiB are taken.
    assert refusals([wanted, instance("new", memory=8)], hosts, guests=guests) == {
        "one": "8192 MiB memory needed, 7680 MiB left"
    }


def test_an_existing_guest_needs_no_size():
    guests = {"one": [], "two": [guest("web")]}
    assert placements([{"name": "web"}], TWO, guests=guests) == {"web": "two"}
    # Of vm_instance_info without the definition, there is only the name.
    assert placements([instance("web")], TWO, guests={"one": [], "two": [{"name": "web"}]}) == {"web": "two"}


def test_an_instance_that_is_to_be_absent_is_where_it_is_or_nowhere():
    gone, there = instance("gone", state="absent"), instance("there", state="absent")
    plan = schedule([gone, there], TWO, guests={"one": [], "two": [guest("there")]})
    assert plan == {"placements": {"there": "two"}, "hosts": {"one": [], "two": [there]}, "unplaced": []}


def test_sizes_come_from_the_flavor_unless_the_instance_has_its_own():
    hosts = {"one": host(vcpus=2, memory=5, disk=50)}
    flavors = {"large": {"memory": "4GiB", "vcpus": 2, "root_disk": "60GiB"}}
    own = {"name": "web", "flavor": "large", "flavors": flavors}
    assert placements([own], hosts) == {"web": "one"}
    assert refusals([{**own, "image": "debian"}], hosts) == {
        "one": "61440 MiB pool default needed, the host has 51200 MiB"
    }
    assert placements([{**own, "image": "debian", "root_disk": "50GiB"}], hosts) == {"web": "one"}
    assert refusals([{**own, "vcpus": 3}], hosts) == {"one": "3 vcpus needed, the host has 2"}
    assert placements([{"name": "web", "flavor": "m1.medium"}], hosts) == {"web": "one"}
    assert refusals([{"name": "web"}], hosts, defaults={"flavor": "m1.large"}) == {
        "one": "8192 MiB memory needed, the host has 5120 MiB; 4 vcpus needed, the host has 2"
    }


DISKS = [
    (
        [{"size": "60GiB"}, {"size": "60GiB", "pool": "default"}],
        "122880 MiB pool default needed, the host has 102400 MiB",
    ),
    ([{"size": "60GiB"}, {"size": "60GiB", "volume": "theirs"}, {"source": "/dev/sdz"}, {"device": "cdrom"}], None),
    ([{"size": "60GiB"}, {"target": "vdb", "size": "60GiB", "state": "absent"}], None),
    ([{"image": "debian"}], None),
    ([{"image": "debian", "pool": "stopped"}], "it has no active pool stopped"),
    (
        [{"size": "1GiB", "pool": "fast"}, {"size": "1GiB", "pool": "vast"}],
        "it has no active pool fast and no active pool vast",
    ),
]


@pytest.mark.parametrize(("disks", "reason"), DISKS)
def test_the_disks_that_will_be_made_need_room_in_their_pool(disks, reason):
    plan = schedule([instance("web", disks=disks)], {"one": host()})
    assert [entry["refusals"] for entry in plan["unplaced"]] == ([] if reason is None else [{"one": reason}])


def test_a_root_disk_without_an_image_needs_room_too():
    wanted = instance("web", root_disk="200GiB", pool="stopped")
    assert refusals([wanted], TWO)["one"] == "it has no active pool stopped"


FITS_BY_DEFAULT = [
    ({"vcpus": 8}, (24, 0, 0), None),
    ({"vcpus": 8}, (25, 0, 0), "8 vcpus needed, 7 left"),
    ({"memory": 15.5}, (0, 0, 0), None),
    ({"memory": 15.75}, (0, 0, 0), "16128 MiB memory needed, 15872 MiB left"),
    ({"disk": 40}, (0, 0, 60), None),
    ({"disk": 41}, (0, 0, 60), "41984 MiB pool default needed, 40960 MiB left"),
    ({"vcpus": 1}, (99, 0, 0), "1 vcpus needed, 0 left"),
]


@pytest.mark.parametrize(("size", "used", "reason"), FITS_BY_DEFAULT)
def test_the_overcommit_and_the_reserve_of_nova_are_the_default(size, used, reason):
    plan = schedule([instance("web", **size)], {"one": host(used=used)})
    assert [entry["refusals"] for entry in plan["unplaced"]] == ([] if reason is None else [{"one": reason}])


OVERCOMMIT = [
    ({"vcpus": 1}, None, {"vcpus": 8}, None),
    ({"vcpus": 1}, None, {"vcpus": 9}, "9 vcpus needed, the host has 8"),
    ({"memory": 2}, (0, 16, 0), {"memory": 15}, None),
    ({"memory": 0.5}, None, {"memory": 8}, "8192 MiB memory needed, 7936 MiB left"),
    ({"disk": 1.5}, (0, 0, 100), {"disk": 50}, None),
    ({"disk": "1.5"}, (0, 0, 101), {"disk": 50}, "51200 MiB pool default needed, 50176 MiB left"),
]


@pytest.mark.parametrize(("ratios", "used", "size", "reason"), OVERCOMMIT)
def test_a_host_s_own_overcommit_goes_before_the_shared_one(ratios, used, size, reason):
    hosts = {"one": host(used=used or (0, 0, 0))}
    expected = [] if reason is None else [{"one": reason}]
    for options in (
        {"overcommit": ratios},
        {"overcommit": {"vcpus": 9, "memory": 9, "disk": 9}, "policies": {"one": {"overcommit": ratios}}},
    ):
        plan = schedule([instance("web", **size)], hosts, **options)
        assert [entry["refusals"] for entry in plan["unplaced"]] == expected


def test_what_is_reserved_is_not_placed_on():
    reserved = {"vcpus": 2, "memory": "1GiB", "disk": "10GiB"}
    big = instance("web", vcpus=7, memory=15.5, disk=91)
    expected = (
        "15872 MiB memory needed, 15360 MiB left; 93184 MiB pool default needed, 92160 MiB left; 7 vcpus needed, 6 left"
    )
    for options in ({"reserved": reserved}, {"policies": {"one": {"reserved": reserved}}, "reserved": {"vcpus": 1}}):
        assert refusals([big], {"one": host()}, overcommit={"vcpus": 1}, **options) == {"one": expected}
    # A host that keeps more than it has takes nothing.
    assert refusals([instance("web")], {"one": host()}, reserved={"memory": "1TiB"}) == {
        "one": "1024 MiB memory needed, 0 MiB left"
    }


UNFIT = [
    ({}, {"enabled": False}, "it is disabled"),
    ({}, {"enabled": "no", "reason": "new disks"}, "it is disabled (new disks)"),
    ({"schedule": {"require_tags": ["ssd", "gpu", "az1"]}}, {"tags": ["az1"]}, "it does not have the tags gpu, ssd"),
    ({"schedule": {"refuse_tags": ["slow"]}}, {"tags": ["slow", "az1"]}, "it has the tag slow, which web refuses"),
    ({"arch": "aarch64"}, {}, "its architecture is x86_64, not aarch64"),
    ({"virt_type": "kvm"}, {}, "it runs guests by qemu, not by kvm"),
    ({"interfaces": [{"network": "dmz"}, {"bridge": "br0"}]}, {}, "it has no network dmz"),
]


@pytest.mark.parametrize(("needs", "policy", "reason"), UNFIT)
def test_a_host_is_refused_for_what_it_is(needs, policy, reason):
    hosts = {"one": host(), "two": host(arch="aarch64", virt_types=("kvm", "qemu"), networks=("dmz",))}
    policies = {"one": policy, "two": {"tags": ["ssd", "gpu", "az1"]}}
    assert refusals([instance("web", **needs)], {"one": hosts["one"]}, policies={"one": policy}) == {"one": reason}
    assert placements([instance("web", **needs)], hosts, policies=policies) == {"web": "two"}


@pytest.mark.parametrize("needs", [{"arch": "i686"}, {"virt_type": "auto"}, {"virt_type": "qemu"}])
def test_a_host_is_not_refused_for_what_it_can_do(needs):
    assert placements([instance("web", **needs)], {"one": host()}) == {"web": "one"}


def test_networks_that_were_not_read_are_not_missed():
    facts = host()
    del facts["host"]["networks"]
    assert placements([instance("web", interfaces=[{"network": "dmz"}])], {"one": facts}) == {"web": "one"}


def test_the_facts_may_be_given_without_the_result_around_them():
    assert placements([instance("web")], {"one": host()["host"]}) == {"web": "one"}


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({}, "nothing is known of it, as vm_host_info was not run there"),
        (None, "nothing is known of it, as vm_host_info was not run there"),
        ({"skipped": True}, "nothing is known of it, as vm_host_info was not run there"),
        ({"unreachable": True, "msg": "no route to host"}, "nothing is known of it: no route to host"),
        ({"failed": True}, "nothing is known of it: vm_host_info failed"),
    ],
)
def test_a_host_of_which_nothing_is_known_gets_nothing(facts, reason):
    assert refusals([instance("web")], {"one": facts}) == {"one": reason}
    assert placements([instance("web")], {"one": facts, "two": host()}) == {"web": "two"}
    # What it was known to have stays there.
    guests = {"one": [guest("web")], "two": []}
    assert placements([instance("web")], {"one": facts, "two": host()}, guests=guests) == {"web": "one"}


def group(policy, *members):
    return {"pair": {"policy": policy, "members": list(members)}}


def test_anti_affinity_puts_no_two_on_one_host():
    instances = [instance(name) for name in ("web1", "web2", "web3")]
    plan = schedule(instances, TWO, groups=group("anti-affinity", "web*"), strategy="pack")
    assert plan["placements"] == {"web1": "one", "web2": "two"}
    assert plan["unplaced"] == [
        {
            "name": "web3",
            "refusals": {
                "one": "web1 of the group pair is on it (anti-affinity)",
                "two": "web2 of the group pair is on it (anti-affinity)",
            },
        }
    ]


def test_guests_that_are_not_listed_count_in_groups():
    guests = {"one": [guest("web1"), guest("db1")], "two": []}
    options = {"guests": guests, "strategy": "pack"}
    assert placements([instance("web2")], TWO, groups=group("anti-affinity", "web1", "web2"), **options) == {
        "web2": "two"
    }
    assert placements([instance("app")], TWO, groups=group("affinity", "app", "db1")) == {"app": "one"}
    hosts = {"one": host(), "two": host(used=(4, 8, 8))}
    assert placements(
        [instance("app")], hosts, groups=group("affinity", "app", "db1"), guests={"one": [], "two": [guest("db1")]}
    ) == {"app": "two"}
    assert refusals(
        [instance("app", memory=15)],
        TWO,
        groups=group("affinity", "app", "db1"),
        guests=guests,
        reserved={"memory": "2GiB"},
    ) == {"one": "15360 MiB memory needed, 14336 MiB left", "two": "db1 of the group pair is on one (affinity)"}


def test_what_must_be_on_one_host_is_placed_together_or_not_at_all():
    hosts = {"small": host(memory=4), "wide": host(memory=12, used=(0, 3, 0))}
    instances = [instance("a", memory=3), instance("b", memory=3)]
    assert placements(instances, hosts, strategy="pack") == {"a": "small", "b": "wide"}
    together = placements(instances, hosts, strategy="pack", groups=group("affinity", "a", "b"))
    assert together == {"a": "wide", "b": "wide"}
    plan = schedule([instance("a", memory=3), instance("b", memory=8)], hosts, groups=group("affinity", "a", "b"))
    refused = {
        "small": "8192 MiB memory needed, the host has 4096 MiB",
        "wide": "11264 MiB memory needed for a and b together, 8704 MiB left",
    }
    assert plan["placements"] == {}
    assert plan["unplaced"] == [{"name": "a", "refusals": refused}, {"name": "b", "refusals": refused}]


def test_groups_that_share_members_are_one():
    groups = {"g1": {"policy": "affinity", "members": ["a", "b"]}, "g2": {"policy": "affinity", "members": ["b", "c"]}}
    instances = [instance(name) for name in "abcd"]
    placed = placements(instances, TWO, groups=groups)
    assert placed["a"] == placed["b"] == placed["c"] != placed["d"]


def test_soft_affinity_is_kept_where_there_is_room():
    instances = [instance("a", memory=8), instance("b", memory=4), instance("c", memory=4)]
    assert placements(instances, TWO, groups=group("soft-affinity", "*")) == {"a": "one", "b": "one", "c": "two"}


def test_soft_anti_affinity_spreads_as_evenly_as_it_can():
    hosts = {"one": host(memory=100), "two": host(memory=6)}
    instances = [instance(f"web{index}") for index in range(4)]
    placed = placements(instances, hosts, groups=group("soft-anti-affinity", "web*"), strategy="pack")
    assert sorted(placed.values()) == ["one", "one", "two", "two"]


SIZES = "B, KiB, MiB, GiB, TiB, PiB, KB, MB, GB, TB, PB, such as 2GiB"
BAD = [
    ({"instances": {"name": "web"}}, "instances: {'name': 'web'} is not allowed; a list of instances is needed"),
    ({"instances": ["web"]}, "instances[0]: 'web' is not allowed; a mapping is needed"),
    ({"instances": [{"vcpus": 1}]}, "instances[0].name: None is not allowed; an instance has a name"),
    (
        {"instances": [instance("web"), instance("web")]},
        "instances[1].name: 'web' is not allowed; another instance of the list has this name",
    ),
    (
        {"instances": [{"name": "web", "vcpus": 1}]},
        "instances[web].memory: None is not allowed; a new instance needs a flavor, or memory",
    ),
    (
        {"instances": [instance("web", disks=[{"size": "1"}])]},
        f"instances[web].disks[0].size: '1' is not allowed; a size is a number and one of {SIZES}",
    ),
    (
        {"instances": [instance("web", vcpus="many")]},
        "instances[web].vcpus: 'many' is not allowed; it must be a whole number of virtual CPUs, of 1 or more",
    ),
    (
        {"instances": [instance("web", vcpus="many")], "guests": {"one": [guest("web")]}},
        "instances[web].vcpus: 'many' is not allowed; it must be a whole number of virtual CPUs, of 1 or more",
    ),
    (
        {"instances": [instance("web", schedule={"host": "one"})]},
        "instances[web].schedule.host: 'one' is not allowed; known keys are require_tags, refuse_tags",
    ),
    (
        {"instances": [instance("web", schedule={"require_tags": "ssd"})]},
        "instances[web].schedule.require_tags: 'ssd' is not allowed; a list of names is needed",
    ),
    ({"hosts": ["one"]}, "hosts: ['one'] is not allowed; a mapping is needed"),
    ({"hosts": {"one": "up"}}, "hosts[one]: 'up' is not allowed; a mapping is needed"),
    (
        {"hosts": {"one": {"host": {"arch": "x86_64"}}}},
        "hosts[one].capacity: it is missing; vm_host_info returns it with gather: [guests, pools]",
    ),
    ({"guests": {"far": []}}, "guests: 'far' is not allowed; it is not one of hosts"),
    (
        {"guests": {"one": {"unreachable": True}}},
        "guests: those of 'one' are not known, so a guest that is there could be launched a second time; "
        "run vm_instance_info there, or leave the host out of hosts",
    ),
    (
        {"hosts": TWO, "guests": {"one": [guest("web")], "two": [guest("web")]}},
        "guests: the guest 'web' is on 'one' and on 'two'; remove or rename one of the two",
    ),
    ({"policies": {"far": {}}}, "policies: 'far' is not allowed; it is not one of hosts"),
    (
        {"policies": {"one": {"enable": True}}},
        "policies[one].enable: True is not allowed; known keys are enabled, reason, tags, overcommit, reserved",
    ),
    ({"policies": {"one": {"enabled": "maybe"}}}, "policies[one].enabled: 'maybe' is not allowed; it is true or false"),
    (
        {"policies": {"one": {"overcommit": {"vcpus": 0}}}},
        "policies[one].overcommit.vcpus: 0 is not allowed; a ratio is a number above 0, 1000 at most",
    ),
    (
        {"overcommit": {"memory": "nan"}},
        "overcommit.memory: 'nan' is not allowed; a ratio is a number above 0, 1000 at most",
    ),
    (
        {"overcommit": {"memory": "half"}},
        "overcommit.memory: 'half' is not allowed; a ratio is a number above 0, 1000 at most",
    ),
    ({"overcommit": {"ram": 1}}, "overcommit.ram: 1 is not allowed; known keys are vcpus, memory, disk"),
    ({"reserved": {"vcpus": -1}}, "reserved.vcpus: -1 is not allowed; a whole number of CPUs is needed"),
    (
        {"reserved": {"memory": "1"}},
        f"reserved.memory: '1' is not allowed; a size is a number and one of {SIZES}",
    ),
    ({"groups": ["web"]}, "groups: ['web'] is not allowed; a mapping is needed"),
    (
        {"groups": {"g": {"policy": "together", "members": ["web"]}}},
        "groups[g].policy: 'together' is not allowed; "
        "it is one of affinity, anti-affinity, soft-affinity, soft-anti-affinity",
    ),
    ({"groups": {"g": {"policy": "affinity"}}}, "groups[g].members: None is not allowed; a group has members"),
    (
        {
            "instances": [instance("a"), instance("b")],
            "groups": {
                "g": {"policy": "affinity", "members": ["*"]},
                "h": {"policy": "anti-affinity", "members": ["*"]},
            },
        },
        "groups[h]: 'a' and 'b' are to be on different hosts by this group, and on one host by their groups of affinity",
    ),
    ({"strategy": "random"}, "strategy: 'random' is not allowed; it is one of spread, pack"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_input_is_refused_in_one_sentence(options, message):
    with pytest.raises(InvalidInput) as refused:
        schedule(**{"instances": [instance("web")], "hosts": {"one": host()}, **options})
    assert str(refused.value) == message
