# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

export KVMFLEET_CACHE ?= /var/cache/kvmfleet
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.build/collections
export PYTHONPATH := $(CURDIR)/.build/collections
export PATH := $(CURDIR)/.build/venv/bin:$(PATH)
export MOLECULE_EPHEMERAL_DIRECTORY := $(CURDIR)/.build/molecule
IMAGE ?= tiny
TESTS ?= tests/unit
PYTEST = pytest --config-file ../pyproject.toml --rootdir ..
KILLS = $(addprefix module_utils/_instance/,test_kills.py test_races.py) $(addprefix modules/test_vm_,crash_dump.py image.py network.py)
WHOLE = --numprocesses logical --dist worksteal --durations 15 --durations-min 1

# The lab makes containers, mounts and a bridge; libvirt's embedded QEMU driver changes owners of files.
ifneq ($(shell id -u),0)
AS_ROOT := sudo env $(foreach name,KVMFLEET_CACHE ANSIBLE_COLLECTIONS_PATH PYTHONPATH PATH MOLECULE_EPHEMERAL_DIRECTORY,'$(name)=$($(name))')
endif

.PHONY: help setup test test-all lint unit kills integration further scenarios bench lab lab-down quickstart clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what the other targets need (they call it themselves)
	@tools/setup.sh

test: lint unit integration ## What each change has to pass: lint, unit, integration

test-all: test kills further scenarios bench ## All there is: test, kills, further, scenarios, bench; each runs alone, too

lint: setup ## Formatting, linters, ansible-test sanity, documentation, the build of the collection
	@tools/setup.sh importer
	@tools/lint.sh

unit: setup ## Tests with libvirt's test driver and its embedded QEMU driver; TESTS=tests/unit/meta, ARGS='-k power'
	@tools/setup.sh cores
	@# From elsewhere: where galaxy.yml is, pytest-ansible makes a second collection path in the clone.
	@cd .build && $(AS_ROOT) $(PYTEST) $(if $(filter tests/unit,$(TESTS)),$(WHOLE)) $(addprefix ../,$(TESTS)) $(ARGS)

kills: setup ## Each procedure, killed at each of its actions or stopped there for another task; unit does so at one of them
	@cd .build && $(AS_ROOT) env KVMFLEET_KILLS=all $(PYTEST) $(WHOLE) -k 'killed or waits' $(addprefix ../tests/unit/plugins/,$(KILLS)) $(ARGS)

integration: setup ## Molecule scenarios on the lab, all or SCENARIO=name; ARGS='--destroy never' keeps the lab
	@$(AS_ROOT) tools/integration.sh $(if $(SCENARIO),--scenario-name $(SCENARIO),--all) $(ARGS)

further: setup ## The scenarios with the proofs that test leaves out, most of them on Debian 12
	@$(AS_ROOT) env KVMFLEET_PROOFS=all tools/integration.sh --scenario-name instances --scenario-name lifecycle

scenarios: setup ## The scenarios as tests of pytest-ansible, with their times; ARGS='-k image'
	@cd .build && failed=0 && $(AS_ROOT) env MOLECULE_OPTS=--destroy=never $(PYTEST) --molecule --durations 0 \
	    --molecule_base_config $(CURDIR)/extensions/molecule/config.yml ../extensions/molecule $(ARGS) || failed=$$?; \
	    cd .. && $(AS_ROOT) python3 -m lab down && exit $$failed

bench: setup ## Compare the time that tasks take with community.libvirt and the plain libvirt API
	@tools/setup.sh bench
	@$(AS_ROOT) tests/bench/run.sh

lab: setup ## Boot the lab: a controller and compute hosts on this machine
	@$(AS_ROOT) python3 -m lab up

lab-down: setup ## Take the lab down, leaving nothing behind
	@$(AS_ROOT) python3 -m lab down

quickstart: setup ## A fleet on this machine, and a guest on each of its hosts; IMAGE=tiny or debian
	@$(AS_ROOT) python3 -m lab up controller compute1 compute2 --guest $(IMAGE)
	@$(AS_ROOT) ansible-playbook --inventory /run/kvmfleet-lab/inventory.yml kvmfleet.compute.quickstart \
	    --extra-vars quickstart_image_path=/srv/images/$(IMAGE).qcow2
	@echo "Take it all down: make lab-down"

clean: ## Remove what make made in the clone (the cache stays)
	@$(AS_ROOT) rm -rf .build .pytest_cache .ruff_cache .hypothesis tests/output
