# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which virtualisation is usable: capabilities as libvirt gives them on hosts of several kinds."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils import _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._host.virtualisation import (
    cpu_features,
    hardware_virtualisation,
    offered_virt_types,
    usable,
    usable_virt_types,
)

CAPABILITIES = """<capabilities><host><cpu><arch>{arch}</arch>{cpu}</cpu></host>
<guest><os_type>hvm</os_type><arch name='{arch}'><domain type='qemu'/>{kvm}</arch></guest>
<guest><os_type>hvm</os_type><arch name='s390x'><domain type='qemu'/></arch></guest></capabilities>"""
KVM = "<domain type='kvm'/>"


def capabilities(arch="x86_64", cpu="", kvm=KVM):
    return _xml.parse(CAPABILITIES.format(arch=arch, cpu=cpu, kvm=kvm))


@pytest.mark.parametrize(
    ("host", "features", "expected"),
    [
        (capabilities(), ["aes", "vmx"], True),
        (capabilities(), ["aes", "svm"], True),
        (capabilities(), ["aes", "hypervisor"], False),
        (capabilities(), [], False),
        (capabilities(kvm=""), ["vmx"], False),
        (capabilities(arch="aarch64"), [], True),
        (capabilities(arch="aarch64", kvm=""), [], False),
    ],
)
def test_kvm_is_usable_where_the_processor_can_virtualise(host, features, expected):
    assert hardware_virtualisation(host, features) is expected


def test_what_is_offered_is_named_once():
    assert offered_virt_types(capabilities()) == ("kvm", "qemu")
    assert offered_virt_types(capabilities(kvm="")) == ("qemu",)


def test_only_kvm_needs_hardware():
    assert usable(("kvm", "qemu", "xen"), False) == ("qemu", "xen")
    assert usable(("kvm", "qemu"), True) == ("kvm", "qemu")


def test_features_of_the_model_are_found_that_the_capabilities_do_not_list(embed_uri):
    """libvirt's model Opteron_G3 has AMD-V, which capabilities don't say once more."""
    host = capabilities(cpu="<model>Opteron_G3</model><vendor>AMD</vendor><feature name='vmx-extra'/>")
    with connect(embed_uri) as conn:
        features = cpu_features(
            conn, capabilities(cpu="<model>Opteron_G3</model><vendor>AMD</vendor><feature name='aes'/>")
        )
        assert "svm" in features
        assert "aes" in features
        assert features == sorted(set(features))
        # What libvirt can't expand is told as it is listed.
        assert cpu_features(conn, host) == ["vmx-extra"]


def test_this_host_has_kvm_only_if_its_processor_says_so(embed_uri):
    words = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    with connect(embed_uri) as conn:
        offered = offered_virt_types(_xml.parse(conn.getCapabilities()))
        expected = "kvm" in offered and ("vmx" in words or "svm" in words)
        assert ("kvm" in usable_virt_types(conn)) is expected
        assert "qemu" in usable_virt_types(conn)


def test_another_hypervisor_keeps_what_it_offers():
    with connect("test:///default") as conn:
        assert usable_virt_types(conn) == ("test",)
