# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Which kinds of virtualisation a host offers, and which of them really work."""

from __future__ import annotations

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _xml
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import etree, libvirt

# What the processors of this architecture must have for KVM: Intel's VT-x or AMD's AMD-V.
X86 = ("x86_64", "i686")
X86_VIRTUALISATION = ("vmx", "svm")


def offered_virt_types(capabilities):
    """Return the domain types that libvirt offers, such as ("kvm", "qemu"). Takes the parsed capabilities."""
    kinds = {element.get("type") for element in capabilities.iterfind("guest/arch/domain")}
    return tuple(sorted(kinds))


def cpu_features(conn, capabilities):
    """Return the names of all features of the host's processor, sorted: those of its model and those beyond it.

    Source: host CPU of the capabilities, expanded by virConnectBaselineCPU.
    """
    cpu = capabilities.find("host/cpu")
    features = {element.get("name") for element in cpu.iterfind("feature")}
    try:
        expanded = conn.baselineCPU(
            [etree.tostring(cpu, encoding="unicode")], libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES
        )
    except libvirt.libvirtError:
        # A driver or an architecture without CPU models: there is no model that could hide a feature.
        return sorted(features)
    return sorted(features.union(element.get("name") for element in _xml.parse(expanded).iterfind("feature")))


def hardware_virtualisation(capabilities, features):
    """Tell whether guests run on the processor itself.

    libvirt offers KVM wherever QEMU knows it and /dev/kvm is there, which is also so in a virtual machine whose
    processor can't virtualise; guests hang there. So on x86 the processor's feature decides.
    """
    if "kvm" not in offered_virt_types(capabilities):
        return False
    if capabilities.findtext("host/cpu/arch") not in X86:
        return True
    return any(name in features for name in X86_VIRTUALISATION)


def usable(offered, hardware):
    """Return those of the offered domain types on which guests really run; `hardware` is hardware_virtualisation()."""
    return tuple(kind for kind in offered if kind != "kvm" or hardware)


def usable_virt_types(conn):
    """Return the domain types of the host on which guests really run, such as ("qemu",). Raises LibvirtFailed."""
    with _connection.doing("reading the host's capabilities"):
        capabilities = _xml.parse(conn.getCapabilities())
        hardware = hardware_virtualisation(capabilities, cpu_features(conn, capabilities))
    return usable(offered_virt_types(capabilities), hardware)
