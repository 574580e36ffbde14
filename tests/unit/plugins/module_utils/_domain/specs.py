# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Specs of guests for hypothesis: what a task could say, facet by facet, as its parameters."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.argspec import instance_options
from hypothesis import strategies as st

# What libvirt takes in a title or a tag: no control characters, and not only blanks, which XML would not keep.
TEXTS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("Cc", "Cs")), min_size=1, max_size=12
)
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,7}", fullmatch=True)
SIZES = st.integers(min_value=1, max_value=64).map(lambda count: f"{count * 16}MiB")
MACS = st.integers(min_value=0, max_value=0xFFFF).map(
    lambda number: f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"
)


def _mapping(**optional):
    return st.fixed_dictionaries({}, optional=optional)


CPUS = st.one_of(
    st.just({"mode": "maximum"}),
    st.just({"mode": "custom", "model": "qemu64"}),
    st.just({"mode": "host-model"}),
)
INTERFACES = st.lists(
    st.fixed_dictionaries(
        {"network": st.sampled_from(["default"]), "mac": MACS},
        optional={"model": st.sampled_from(["virtio", "e1000e", "rtl8139"]), "mtu": st.integers(1280, 9000)},
    ),
    max_size=3,
    unique_by=lambda item: item["mac"],
)
DISKS = st.lists(
    st.fixed_dictionaries(
        {"target": st.sampled_from(["vda", "vdb", "vdc"])},
        optional={
            "cache": st.sampled_from(["none", "writeback", "unsafe"]),
            "discard": st.sampled_from(["unmap", "ignore"]),
            "serial": st.from_regex(r"[a-z0-9]{1,10}", fullmatch=True),
            "readonly": st.booleans(),
            "shareable": st.booleans(),
        },
    ),
    max_size=3,
    unique_by=lambda item: item["target"],
).map(lambda items: [dict(item, source=f"/var/lib/data/{item['target']}.qcow2", format="qcow2") for item in items])

PARAMETERS = _mapping(
    memory=SIZES,
    vcpus=st.integers(1, 8).map(str),
    cpu=CPUS,
    boot=st.lists(st.sampled_from(["hd", "cdrom", "network"]), min_size=1, max_size=3, unique=True),
    title=st.one_of(st.just(""), TEXTS),
    description=st.one_of(st.just(""), TEXTS),
    interfaces=INTERFACES,
    disks=DISKS,
    serial_console=_mapping(
        enabled=st.just(True), log_file=NAMES.map(lambda name: f"/var/log/libvirt/qemu/{name}.log")
    ),
    vnc=_mapping(
        listen=st.sampled_from(["127.0.0.1", "0.0.0.0"]),
        port=st.sampled_from(["auto", "5901", "5950"]),
        password=st.from_regex(r"[A-Za-z0-9]{1,8}", fullmatch=True),
    ),
    agent=st.booleans(),
    rng=st.booleans(),
    tags=st.lists(TEXTS, max_size=3),
    metadata=st.dictionaries(NAMES, TEXTS, max_size=3),
    delete_protection=st.booleans(),
)


def complete(params, uri="test:///default"):
    """Return parameters as AnsibleModule would give them: every option there, defaults filled in, down into sub-options."""
    found = _filled(instance_options(), params)
    found["uri"] = uri
    return found


def _filled(options, params):
    found = {}
    for name, option in options.items():
        value = params.get(name, option.get("default"))
        if value is not None and "options" in option:
            if option["type"] == "list":
                value = [_filled(option["options"], item) for item in value]
            else:
                value = _filled(option["options"], value)
        found[name] = value
    return found
