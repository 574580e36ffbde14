#!/usr/bin/env bash
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Sets up what the comparison needs: community.libvirt from the PyPI package `ansible`, in a virtual environment of its own,
# and a host of the lab with libvirt.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${KVMFLEET_CACHE:-/var/cache/kvmfleet}
venv=$cache/venv-bench-$(sha256sum requirements/bench.txt | cut -c1-12)
if [ ! -e "$venv/complete" ]; then
  echo "bench: installing community.libvirt"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet -r requirements/bench.txt
  touch "$venv/complete"
fi
python3 -m lab up compute1
ansible-playbook -i /run/kvmfleet-lab/inventory.yml playbooks/site.yml -e target=compute1
exec python3 tests/bench/bench.py "$venv/bin/ansible-playbook"
