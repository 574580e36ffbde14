# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read config drives as cloud-init does, with its own code; run by Debian's Python, with cloud-init on its path.

    read.py config-2|cidata DIRECTORY MACS

MACS is a JSON mapping of MAC addresses to the names that the guest's interfaces have. What cloud-init makes of the files is
written as JSON: metadata, keys, the merged cloud-config, scripts, and the network as files of ifupdown, netplan, systemd-networkd and
ifcfg (sysconfig).
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
from pathlib import Path

from cloudinit import distros, handlers, helpers, user_data, util
from cloudinit.config.schema import get_schema, validate_cloudconfig_schema
from cloudinit.handlers.cloud_config import CloudConfigPartHandler
from cloudinit.net import eni, netplan, network_state, networkd, sysconfig
from cloudinit.sources import normalize_pubkey_data
from cloudinit.sources.helpers import openstack


def read_config_drive(directory, macs):
    found = openstack.ConfigDriveReader(directory).read_v2()
    metadata = found["metadata"]
    network = openstack.convert_net_json(found["networkdata"], known_macs=macs) if found.get("networkdata") else None
    vendor = found.get("vendordata") or {}
    return {
        "instance_id": metadata["instance-id"],
        "hostname": metadata["local-hostname"],
        "keys": normalize_pubkey_data(metadata.get("public_keys")),
        "meta": metadata["meta"],
        "user_data": found.get("userdata"),
        "vendor_data": vendor.get("cloud-init"),
        "network": network,
        "random_seed": len(metadata["random_seed"]) if "random_seed" in metadata else None,
    }


def read_nocloud(directory):
    found = util.pathprefix2dict(
        directory, required=["user-data", "meta-data"], optional=["vendor-data", "network-config"]
    )
    metadata = util.load_yaml(found["meta-data"])
    return {
        "instance_id": metadata["instance-id"],
        "hostname": metadata["local-hostname"],
        "keys": normalize_pubkey_data(metadata.get("public-keys")),
        "meta": metadata.get("meta", {}),
        "user_data": found["user-data"],
        "vendor_data": util.decode_binary(found["vendor-data"]) if "vendor-data" in found else None,
        "network": util.load_yaml(found["network-config"]) if "network-config" in found else None,
    }


def merged(blob, directory):
    """Return the cloud-config that the parts of user data come to, and its other parts by their kind."""
    paths = helpers.Paths({"cloud_dir": directory, "run_dir": directory})
    handler = CloudConfigPartHandler(paths)
    handler.cloud_fn = str(Path(directory, "merged"))
    others = {}

    def part(data, filename, payload, headers):
        if headers["Content-Type"] in ("text/cloud-config", "text/cloud-config-jsonp"):
            handlers.run_part(handler, data, filename, payload, "once-per-instance", headers)
        elif payload:
            others[headers["Content-Type"]] = payload

    message = user_data.UserDataProcessor(paths).process(blob)
    handlers.call_begin(handler, None, "once-per-instance")
    handlers.walk(message, part, None)
    handlers.call_end(handler, None, "once-per-instance")
    text = Path(handler.cloud_fn).read_text() if Path(handler.cloud_fn).exists() else ""
    content = util.load_yaml(text, default={}) if text else {}
    if content:
        validate_cloudconfig_schema(content, get_schema(), strict=True)
    return content, others


def rendered(network, directory):
    """Return the network's files: a text for ifupdown and netplan, {name of the file: text} for systemd-networkd and ifcfg."""
    found = {}
    red_hat = distros.fetch("rhel").renderer_configs["sysconfig"]
    for name, renderer in (
        ("eni", eni.Renderer({"eni_path": "interfaces", "netrules_path": None})),
        ("netplan", netplan.Renderer({"netplan_path": "netplan", "netplan_header": "", "postcmds": False})),
        ("networkd", networkd.Renderer({"network_conf_dir": "/etc/systemd/network/"})),
        ("sysconfig", sysconfig.Renderer(red_hat)),
    ):
        target = Path(directory, name)
        target.mkdir()
        # A state of its own for each, as renderers change it.
        state = network_state.parse_net_config_data(copy.deepcopy(network))
        renderer.render_network_state(state, target=str(target))
        files = {path.name: path.read_text() for path in target.rglob("*") if path.is_file()}
        found[name] = files if name in ("networkd", "sysconfig") else files.popitem()[1]
    return found


def main(kind, drive, macs):
    with tempfile.TemporaryDirectory() as directory:
        found = read_config_drive(drive, json.loads(macs)) if kind == "config-2" else read_nocloud(drive)
        blob = found.pop("user_data")
        found["cloud_config"], found["parts"] = merged(blob, directory) if blob else ({}, {})
        network = found.pop("network")
        found["network"] = rendered(network, directory) if network else None
    json.dump(found, sys.stdout, default=lambda value: value.decode())


main(*sys.argv[1:])
