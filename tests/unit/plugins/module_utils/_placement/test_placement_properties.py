# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Placement of instances on hosts: what holds for any fleet, checked by a second reading of the rules."""

from __future__ import annotations

import random
import re

from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import InvalidInput
from ansible_collections.kvmfleet.compute.plugins.module_utils._placement.placement import schedule
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._placement.fleets import (
    GIB,
    guest,
    host,
    instance,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

MIB = 1024**2
TAGS = ["ssd", "gpu"]
NAMES = [f"i{index}" for index in range(8)]
HOSTS = ["h1", "h2", "h3", "h4"]
tags = st.lists(st.sampled_from(TAGS), unique=True)
ratios = st.fixed_dictionaries(
    {}, optional={key: st.sampled_from([0.5, 1.0, 1.5, 4.0]) for key in ("vcpus", "memory", "disk")}
)


@st.composite
def fleets(draw, constrained=True):
    """Draw the arguments of schedule(). Guests that are there are among what their host has used."""
    hosts, guests, policies = {}, {}, {}
    names = draw(st.lists(st.sampled_from(HOSTS), unique=True, min_size=2))
    homes = draw(st.dictionaries(st.sampled_from([*NAMES[:3], "x1", "x2"]), st.sampled_from(names), max_size=3))
    seldom = st.integers(0, 9).map(lambda number: number == 9)
    for name in names:
        guests[name] = [guest(own) for own, home in homes.items() if home == name]
        used = (draw(st.integers(0, 8)), draw(st.integers(0, 4)), draw(st.integers(0, 30)))
        hosts[name] = host(
            vcpus=draw(st.integers(2, 12)),
            memory=draw(st.integers(6, 24)),
            disk=draw(st.integers(20, 120)),
            used=(used[0] + len(guests[name]), used[1] + len(guests[name]), used[2]),
            arch="aarch64" if constrained and draw(seldom) else "x86_64",
            virt_types=draw(st.sampled_from([("qemu",), ("kvm", "qemu")])),
        )
        policies[name] = {"tags": draw(tags), "overcommit": draw(ratios), "enabled": not draw(seldom)}
    instances = []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=3)):
        item = instance(name, draw(st.integers(1, 9)), draw(st.integers(1, 8)), draw(st.none() | st.integers(1, 40)))
        if constrained:
            item["schedule"] = {"require_tags": draw(tags)} if draw(seldom) else {}
            item["schedule"].update({"refuse_tags": draw(tags)} if draw(seldom) else {})
            item["arch"] = draw(st.sampled_from(["x86_64", "aarch64"])) if draw(seldom) else None
            item["virt_type"] = draw(st.sampled_from(["qemu", "kvm"])) if draw(seldom) else "auto"
        instances.append(item)
    policy = st.sampled_from(["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"])
    members = st.lists(st.sampled_from([*NAMES[:4], "x*"]), unique=True, min_size=2, max_size=4)
    group = st.fixed_dictionaries({"policy": policy, "members": members})
    return {
        "instances": instances,
        "hosts": hosts,
        "guests": guests,
        "policies": policies,
        "groups": draw(st.dictionaries(st.sampled_from("abc"), group, min_size=1)) if constrained else {},
        "strategy": draw(st.sampled_from(["spread", "pack"])),
    }


def plan_of(fleet):
    try:
        return schedule(**fleet)
    except InvalidInput as refused:
        # The one thing that may be wrong with what is drawn.
        assert "are to be on different hosts by this group" in str(refused)
        assume(False)


class Outcome:
    """What a plan makes of a fleet, computed from the input alone and not by the code under test."""

    def __init__(self, fleet, plan):
        self.fleet = fleet
        self.placements = plan["placements"]
        self.wanted = {item["name"]: item for item in fleet["instances"]}
        self.homes = {own["name"]: name for name, there in fleet["guests"].items() for own in there}
        self.new = {name: where for name, where in self.placements.items() if name not in self.homes}

    def capacity(self, name):
        """Return (total, capacity, used in the end) of vcpus, memory in MiB, and the pool in MiB."""
        facts, policy = self.fleet["hosts"][name]["host"], self.fleet["policies"][name]
        ratio = {"vcpus": 4.0, "memory": 1.0, "disk": 1.0, **policy["overcommit"]}
        pool = facts["pools"][0]
        rows = {
            "vcpus": (facts["capacity"]["vcpus"]["total"], 0, facts["capacity"]["vcpus"]["defined"]),
            "memory": (facts["capacity"]["memory"]["total"] // MIB, 512, facts["capacity"]["memory"]["defined"] // MIB),
            "disk": (pool["capacity"] // MIB, 0, pool["allocation"] // MIB),
        }
        found = {}
        for kind, (total, reserve, used) in rows.items():
            for own, where in self.placements.items():
                if where == name:
                    there = {"vcpus": 1, "memory": 1024, "disk": 0} if own in self.homes else dict.fromkeys(rows, 0)
                    if own in self.wanted and not (own in self.homes and kind == "disk"):
                        used += max(needs(self.wanted[own])[kind] - there[kind], 0)
            found[kind] = (total, int((total - reserve) * ratio[kind]), used)
        return found

    def on(self, name):
        """Return the names of all guests that are on a host in the end."""
        return {own for own, where in [*self.homes.items(), *self.placements.items()] if where == name}


def needs(item):
    return {
        "vcpus": item["vcpus"],
        "memory": int(item["memory"][:-3]) * 1024,
        "disk": int(item.get("root_disk", "0GiB")[:-3]) * 1024,
    }


def is_member(group, name):
    return name in group["members"] or (name.startswith("x") and "x*" in group["members"])


@given(fleets())
def test_every_instance_is_placed_once_or_left_with_a_reason_for_each_host(fleet):
    plan = plan_of(fleet)
    left = [entry["name"] for entry in plan["unplaced"]]
    assert sorted([*plan["placements"], *left]) == sorted(item["name"] for item in fleet["instances"])
    assert all(set(entry["refusals"]) == set(fleet["hosts"]) for entry in plan["unplaced"])
    there = {item["name"]: name for name, items in plan["hosts"].items() for item in items}
    assert there == plan["placements"]
    assert set(plan["hosts"]) == set(fleet["hosts"])


@given(fleets())
def test_no_host_gets_more_than_its_capacity(fleet):
    outcome = Outcome(fleet, plan_of(fleet))
    for name in set(outcome.new.values()):
        rows = outcome.capacity(name)
        for kind, (total, capacity, used) in rows.items():
            needed = [needs(outcome.wanted[own])[kind] for own, where in outcome.new.items() if where == name]
            assert max(needed) <= total
            # A host that was too full before gets nothing that needs more of what it lacks.
            assert used <= capacity or not any(needed)


@settings(max_examples=300)
@given(fleets())
def test_hard_rules_hold_for_what_is_placed(fleet):
    outcome = Outcome(fleet, plan_of(fleet))
    for own, name in outcome.new.items():
        policy, facts, item = fleet["policies"][name], fleet["hosts"][name]["host"], outcome.wanted[own]
        assert policy["enabled"]
        assert set(item["schedule"].get("require_tags", ())) <= set(policy["tags"])
        assert not set(item["schedule"].get("refuse_tags", ())) & set(policy["tags"])
        assert item["arch"] in (None, facts["arch"])
        assert item["virt_type"] in ("auto", *facts["usable_virt_types"])
        for group in fleet["groups"].values():
            others = {other for other in outcome.on(name) if is_member(group, other)} - {own}
            elsewhere = {
                other
                for place in fleet["hosts"]
                if place != name
                for other in outcome.on(place)
                if is_member(group, other)
            }
            if group["policy"] == "anti-affinity" and is_member(group, own):
                assert not others
            if group["policy"] == "affinity" and is_member(group, own):
                assert others or not elsewhere


@given(fleets())
def test_guests_stay_where_they_are(fleet):
    outcome = Outcome(fleet, plan_of(fleet))
    for own, home in outcome.homes.items():
        assert outcome.placements.get(own, home) == home


@given(fleets(), st.randoms(use_true_random=False))
def test_the_order_of_what_is_given_does_not_matter(fleet, order):
    def shuffled(value):
        if isinstance(value, dict):
            keys = list(value)
            order.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        if isinstance(value, (list, tuple)):
            return order.sample([shuffled(item) for item in value], len(value))
        return value

    plan, other = (
        plan_of(fleet),
        schedule(
            **shuffled({key: fleet[key] for key in fleet if key != "instances"}),
            instances=order.sample(fleet["instances"], len(fleet["instances"])),
        ),
    )
    assert list(plan["placements"].items()) == list(other["placements"].items())
    assert plan["unplaced"] == other["unplaced"]


@given(fleets())
def test_what_was_launched_as_planned_is_planned_the_same_again(fleet):
    plan = plan_of(fleet)
    outcome = Outcome(fleet, plan)
    guests = {
        name: [
            *fleet["guests"][name],
            *(
                guest(own, outcome.wanted[own]["vcpus"], needs(outcome.wanted[own])["memory"] / 1024)
                for own, where in outcome.new.items()
                if where == name
            ),
        ]
        for name in fleet["hosts"]
    }
    hosts = {}
    for name, result in fleet["hosts"].items():
        facts = result["host"]
        new = [needs(outcome.wanted[own]) for own, where in outcome.new.items() if where == name]
        added = {kind: sum(item[kind] for item in new) for kind in ("vcpus", "memory", "disk")}
        hosts[name] = host(
            vcpus=facts["capacity"]["vcpus"]["total"],
            memory=facts["capacity"]["memory"]["total"] // GIB,
            disk=facts["pools"][0]["capacity"] // GIB,
            used=(
                facts["capacity"]["vcpus"]["defined"] + added["vcpus"],
                facts["capacity"]["memory"]["defined"] // GIB + added["memory"] // 1024,
                facts["pools"][0]["allocation"] // GIB + added["disk"] // 1024,
            ),
            arch=facts["arch"],
            virt_types=facts["usable_virt_types"],
        )
    assert schedule(**{**fleet, "hosts": hosts, "guests": guests}) == plan


SENTENCES = {
    "disabled": r"it is disabled",
    "lacks": r"it does not have the tags? (.+)",
    "has": r"it has the tags? (.+), which (\w+) refuses",
    "arch": r"its architecture is (\w+), not (\w+)",
    "virt": r"it runs guests by ([\w ]+), not by (\w+)",
    "anti": r"(\w+) of the group (\w) is on it \(anti-affinity\)",
    "affinity": r"(\w+) of the group (\w) is on (\w+) \(affinity\)",
}
TOO_BIG = re.compile(r"(\d+)(?: MiB)? (vcpus|memory|pool default) needed, the host has (\d+)(?: MiB)?")
TOO_FULL = re.compile(
    r"(\d+)(?: MiB)? (vcpus|memory|pool default) needed(?: for ([\w ]+) together)?, (\d+)(?: MiB)? left"
)


def is_true(outcome, name, own, sentence):
    """Tell whether a refusal of an instance by a host is true of what the plan comes to."""
    fleet, item = outcome.fleet, outcome.wanted[own]
    policy, facts = fleet["policies"][name], fleet["hosts"][name]["host"]
    for kind, pattern in SENTENCES.items():
        match = re.fullmatch(pattern, sentence)
        if match is None:
            continue
        if kind == "disabled":
            return not policy["enabled"]
        # What an instance of a group of affinity is refused for may be what another one of its unit needs.
        items = [item, *(outcome.wanted[other] for other in outcome.wanted if other not in outcome.placements)]
        if kind == "lacks":
            lacked = set(match.group(1).split(", "))
            return any(lacked == set(one["schedule"].get("require_tags", ())) - set(policy["tags"]) for one in items)
        if kind == "has":
            refusing = outcome.wanted[match.group(2)]
            return set(match.group(1).split(", ")) == set(refusing["schedule"]["refuse_tags"]) & set(policy["tags"])
        if kind == "arch":
            return match.group(1) == facts["arch"] != match.group(2) and match.group(2) in {
                one["arch"] for one in items
            }
        if kind == "virt":
            kinds = match.group(1).split(" or ")
            return kinds == facts["usable_virt_types"] and match.group(2) in {one["virt_type"] for one in items} - set(
                kinds
            )
        group = fleet["groups"][match.group(2)]
        place = name if kind == "anti" else match.group(3)
        return (
            is_member(group, match.group(1))
            and match.group(1) in outcome.on(place)
            and group["policy"] == {"anti": "anti-affinity", "affinity": "affinity"}[kind]
            and (kind == "anti" or not any(is_member(group, other) for other in outcome.on(name)))
        )
    return all(is_short(outcome, name, own, part) for part in sentence.split("; "))


def is_short(outcome, name, own, part):
    rows = outcome.capacity(name)
    match = TOO_BIG.fullmatch(part)
    if match:
        total, _capacity, _used = rows["disk" if match.group(2).startswith("pool") else match.group(2)]
        return int(match.group(1)) > int(match.group(3)) == total
    match = TOO_FULL.fullmatch(part)
    kind = "disk" if match.group(2).startswith("pool") else match.group(2)
    _total, capacity, used = rows[kind]
    together = match.group(3).split(" and ") if match.group(3) else [own]
    amount = sum(needs(outcome.wanted[other])[kind] for other in together)
    return own in together and int(match.group(1)) == amount > int(match.group(4)) == max(capacity - used, 0)


@settings(max_examples=300)
@given(fleets())
def test_every_refusal_is_true(fleet):
    plan = plan_of(fleet)
    outcome = Outcome(fleet, plan)
    for entry in plan["unplaced"]:
        for name, sentence in entry["refusals"].items():
            assert is_true(outcome, name, entry["name"], sentence), (entry["name"], name, sentence)


def test_the_fleets_that_are_drawn_are_of_every_kind():
    # Else the properties above could be ones of nothing.
    seen = set()

    @settings(max_examples=300)
    @given(fleets())
    def look(fleet):
        plan = plan_of(fleet)
        outcome = Outcome(fleet, plan)
        for group in fleet["groups"].values():
            if sum(is_member(group, own) for own in outcome.new) > 1:
                seen.add(group["policy"])
        for entry in plan["unplaced"]:
            for sentence in entry["refusals"].values():
                seen.update(kind for kind, pattern in SENTENCES.items() if re.fullmatch(pattern, sentence))
                seen.update({"big"} if TOO_BIG.search(sentence) else ())
                seen.update({"full"} if TOO_FULL.search(sentence) else ())

    look()
    policies = {"affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"}
    assert seen == {*SENTENCES, "big", "full", *policies}


@given(fleets(constrained=False))
def test_one_instance_is_placed_wherever_there_is_a_host_for_it(fleet):
    assume(fleet["instances"])
    fleet["instances"] = fleet["instances"][:1]
    (own,) = (item["name"] for item in fleet["instances"])
    plan = plan_of(fleet)
    before = Outcome(fleet, {"placements": {}})
    assume(own not in before.homes)
    wanted = needs(before.wanted[own])
    fitting = [
        name
        for name in fleet["hosts"]
        if fleet["policies"][name]["enabled"]
        and all(
            wanted[kind] <= total and (not wanted[kind] or used + wanted[kind] <= capacity)
            for kind, (total, capacity, used) in before.capacity(name).items()
        )
    ]
    assert bool(fitting) == (own in plan["placements"])
    assert not fitting or plan["placements"][own] in fitting


def test_a_thousand_instances_are_spread_over_a_hundred_hosts():
    drawn = random.Random(1)  # noqa: S311
    hosts = {f"host{index:03}": host(vcpus=64, memory=512, disk=4000) for index in range(100)}
    instances = [instance(f"i{index:04}", drawn.randint(1, 8), drawn.randint(1, 32), 20) for index in range(1000)]
    groups = {"all": {"policy": "soft-anti-affinity", "members": ["i*"]}}
    plan = schedule(instances, hosts, groups=groups)
    assert len(plan["placements"]) == 1000
    counts = [len(items) for items in plan["hosts"].values()]
    assert max(counts) - min(counts) <= 1
