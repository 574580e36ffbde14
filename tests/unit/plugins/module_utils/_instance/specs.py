# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Specs of guests for hypothesis: what a task could say, facet by facet, as its parameters."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils._instance.argspec import instance_options
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

FIRMWARE = st.sampled_from(
    [
        {"firmware": "bios"},
        {"firmware": "uefi"},
        {"firmware": "bios", "secure_boot": False},
        {"firmware": "uefi", "secure_boot": False},
        {"firmware": "uefi", "secure_boot": True},
    ]
)
DIRECT_BOOT = st.one_of(
    st.just({"enabled": False}),
    st.fixed_dictionaries(
        {"kernel": st.just("/srv/vmlinuz")},
        optional={"initrd": st.sampled_from(["", "/srv/initrd"]), "cmdline": st.one_of(st.just(""), TEXTS)},
    ),
)
TPM = st.one_of(
    st.just({"enabled": False}),
    _mapping(enabled=st.just(True), model=st.sampled_from(["tpm-crb", "tpm-tis"]), persistent_state=st.booleans()),
    st.just({"model": "tpm-tis", "version": "1.2"}),
)
LAUNCH_SECURITY = st.one_of(
    st.sampled_from([{"enabled": False}, {"type": "s390-pv"}]),
    st.fixed_dictionaries(
        {"type": st.just("sev"), "policy": st.sampled_from(["0x3", "7", "0x00ff"])},
        optional={
            "cbitpos": st.integers(1, 64),
            "reduced_phys_bits": st.integers(1, 8),
            "kernel_hashes": st.booleans(),
            "dh_cert": st.sampled_from(["", "QUJD"]),
            "session": st.sampled_from(["", "QUJD"]),
        },
    ),
)
# By itself: neither the oldest libvirt that tests run with nor its schema know it.
SEV_SNP = st.fixed_dictionaries(
    {"type": st.just("sev-snp"), "policy": st.sampled_from(["0x30000", "196608"])},
    optional={
        "kernel_hashes": st.booleans(),
        "author_key": st.booleans(),
        "vcek": st.booleans(),
        "guest_visible_workarounds": st.sampled_from(["", "QUJD"]),
        "id_block": st.sampled_from(["", "QUJD"]),
        "id_auth": st.sampled_from(["", "QUJD"]),
        "host_data": st.sampled_from(["", "QUJD"]),
    },
)
ENTRIES = st.one_of(st.just(""), TEXTS)
SMBIOS = st.one_of(
    st.sampled_from([{"mode": "emulate"}, {"mode": "host"}]),
    _mapping(
        mode=st.just("sysinfo"),
        bios=_mapping(vendor=ENTRIES, version=ENTRIES, date=st.sampled_from(["", "12/31/2026"])),
        system=_mapping(manufacturer=ENTRIES, product=ENTRIES, serial=ENTRIES, sku=ENTRIES, family=ENTRIES),
        baseboard=_mapping(manufacturer=ENTRIES, serial=ENTRIES, asset=ENTRIES, location=ENTRIES),
        chassis=_mapping(manufacturer=ENTRIES, serial=ENTRIES, sku=ENTRIES),
        oem_strings=st.lists(TEXTS, max_size=2),
    ),
)
TIMERS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"name": st.just("rtc")},
            optional={
                "present": st.booleans(),
                "tickpolicy": st.sampled_from(["catchup", "delay"]),
                "track": st.sampled_from(["guest", "wall"]),
            },
        ),
        st.fixed_dictionaries(
            {"name": st.just("tsc")},
            optional={"frequency": st.integers(1, 10**10), "mode": st.sampled_from(["native", "emulate"])},
        ),
        st.fixed_dictionaries({"name": st.sampled_from(["hpet", "kvmclock", "hypervclock"]), "present": st.booleans()}),
    ),
    max_size=3,
    unique_by=lambda timer: timer["name"],
)
CLOCKS = st.one_of(
    _mapping(offset=st.sampled_from(["utc", "localtime"]), timers=TIMERS),
    _mapping(timezone=st.sampled_from(["Europe/Paris", "UTC"]), timers=TIMERS),
)
HYPERV = st.one_of(
    st.just({"mode": "passthrough"}),
    _mapping(
        mode=st.just("custom"),
        enlightenments=st.lists(st.sampled_from(["relaxed", "vapic", "vpindex", "runtime", "reset"]), max_size=3).map(
            lambda names: [*names, "vpindex", "synic", "stimer"] if "reset" in names else names
        ),
        spinlocks=st.sampled_from([0, 4095, 8191]),
        vendor_id=st.sampled_from(["", "kvmfleet"]),
    ),
)


HUGE_PAGES = st.one_of(
    st.just({"enabled": False}),
    _mapping(enabled=st.just(True), size=st.sampled_from(["2MiB", "1GiB"])),
)
MEMORY_BACKING = _mapping(
    source=st.sampled_from(["anonymous", "file", "memfd"]),
    access=st.sampled_from(["private", "shared"]),
    locked=st.booleans(),
)
CPU_SETS = st.sampled_from(["0", "0-3", "8,2-5", "1,0"])
CPU_PINNING = _mapping(
    vcpus=st.lists(CPU_SETS, max_size=1).map(
        lambda sets: [{"vcpu": index, "cpus": cpus} for index, cpus in enumerate(sets)]
    ),
    emulator=st.one_of(st.just(""), CPU_SETS),
)
CPU_LIMITS = _mapping(
    shares=st.integers(2, 2048) | st.just(0),
    period=st.sampled_from(["100ms", "0"]),
    quota=st.sampled_from(["50ms", "1.5s", "0"]),
)
BALLOON = st.one_of(
    st.just({"model": "none"}),
    _mapping(
        model=st.just("virtio"),
        free_page_reporting=st.booleans(),
        deflate_on_oom=st.booleans(),
        stats_period=st.sampled_from(["0", "5s", "1m"]),
    ),
)
WATCHDOG = st.one_of(
    st.just({"enabled": False}),
    _mapping(
        enabled=st.just(True),
        model=st.sampled_from(["i6300esb", "ib700"]),
        action=st.sampled_from(["reset", "poweroff", "inject-nmi"]),
    ),
)
PANIC = st.sampled_from([{"enabled": False}, {"enabled": True}, {"model": "isa"}, {"model": "hyperv"}])
VSOCK = st.one_of(
    st.just({"enabled": False}),
    _mapping(enabled=st.just(True), cid=st.one_of(st.just("auto"), st.integers(3, 2**32 - 2).map(str))),
)
VIDEO = st.one_of(
    st.fixed_dictionaries({"model": st.sampled_from(["virtio", "qxl"])}, optional={"heads": st.integers(1, 4)}),
    st.fixed_dictionaries(
        {"model": st.sampled_from(["vga", "qxl"])}, optional={"vram": st.sampled_from(["16MiB", "64MiB"])}
    ),
    st.sampled_from([{"model": "none"}, {"model": "bochs"}]),
)
SOUND = st.sampled_from([{"enabled": False}, {"enabled": True}, {"model": "ich9"}, {"model": "ac97"}, {"model": "usb"}])
INPUTS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["tablet", "mouse", "keyboard"])}, optional={"bus": st.sampled_from(["usb", "virtio"])}
    ),
    max_size=3,
    unique_by=lambda item: (item["type"], item.get("bus", "usb")),
)
HOST_DEVICES = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"pci": st.sampled_from(["0000:01:00.0", "0A:1f.7", "0001:02:03.4"])}, optional={"managed": st.booleans()}
        ),
        st.fixed_dictionaries({"usb": st.sampled_from(["046d:C52B", "1/4", "002/010"])}),
        st.just({"mdev": "4b20d080-1b54-4048-85b3-a6a62d165c01"}),
    ),
    max_size=3,
    unique_by=lambda item: next(item[kind] for kind in ("pci", "usb", "mdev") if kind in item),
)
FILESYSTEMS = st.lists(
    st.fixed_dictionaries({"target": NAMES, "source": st.sampled_from(["/srv", "/srv/data"])}),
    max_size=2,
    unique_by=lambda item: item["target"],
)


def _with_whole_guest(params):
    """Make what speaks of the guest as a whole agree with it: cells have its memory and CPUs, disks threads that it has."""
    if "cells" in params:
        count = params.pop("cells")
        if count:
            whole = {"memory": f"{count * 64}MiB", "vcpus": str(count)}
            params = dict(params, **whole, **{f"max_{option}": value for option, value in whole.items()})
        cells = [{"cpus": str(index), "memory": "64MiB"} for index in range(count)]
        params["numa"] = dict(params.get("numa", {}), cells=cells)
    if params.get("iothreads") and params.get("disks"):
        params["disks"] = [dict(disk, iothread=1) for disk in params["disks"]]
    if params.get("filesystems") and "memory_backing" in params:
        params["memory_backing"] = dict(params["memory_backing"], access="shared")
    return params


def _with_boot(params):
    """Give the devices an order to boot in, where the task does not name kinds of device; and spread what belongs together."""
    params = dict(params)
    params.update(params.pop("firmware_and_secure_boot", {}))
    if params.pop("ordered", False) and "boot" not in params:
        devices = [dict(item) for kind in ("interfaces", "disks") for item in params.get(kind, ())]
        for order, item in enumerate(devices, 1):
            item["boot_order"] = order
        count = len(params.get("interfaces", ()))
        params.update(
            {kind: found for kind, found in (("interfaces", devices[:count]), ("disks", devices[count:])) if found}
        )
    return params


PARAMETERS = (
    _mapping(
        huge_pages=HUGE_PAGES,
        memory_backing=MEMORY_BACKING,
        iothreads=st.integers(0, 4),
        cpu_pinning=CPU_PINNING,
        cpu_limits=CPU_LIMITS,
        cells=st.integers(0, 3),
        numa=st.fixed_dictionaries({"mode": st.sampled_from(["strict", "preferred"]), "nodeset": CPU_SETS}),
        memory_balloon=BALLOON,
        watchdog=WATCHDOG,
        panic=PANIC,
        vsock=VSOCK,
        video=VIDEO,
        sound=SOUND,
        inputs=INPUTS,
        host_devices=HOST_DEVICES,
        filesystems=FILESYSTEMS,
        ordered=st.booleans(),
        firmware_and_secure_boot=FIRMWARE,
        boot_menu=st.booleans(),
        direct_boot=DIRECT_BOOT,
        tpm=TPM,
        launch_security=LAUNCH_SECURITY,
        smbios=SMBIOS,
        clock=CLOCKS,
        hyperv=HYPERV,
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
        pci_root_ports=st.integers(0, 20),
        tags=st.lists(TEXTS, max_size=3),
        metadata=st.dictionaries(NAMES, TEXTS, max_size=3),
        delete_protection=st.booleans(),
    )
    .map(_with_boot)
    .map(_with_whole_guest)
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
