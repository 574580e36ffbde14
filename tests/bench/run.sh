#!/usr/bin/env bash
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Set up a host of the lab with libvirt, and compare there. .build/venv-bench has community.libvirt.

set -euo pipefail
cd "$(dirname "$0")/../.."

python3 -m lab up compute1
ansible-playbook -i /run/kvmfleet-lab/inventory.yml playbooks/site.yml -e target=compute1
ansible=$PWD/.build/venv-bench/bin/ansible-playbook
python3 tests/bench/bench.py "$ansible"
python3 tests/bench/fleet.py "$ansible"
python3 tests/bench/inventory.py "$ansible"
python3 tests/bench/info.py
python3 tests/bench/launch.py "$ansible"
