# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter `schedule`, as playbooks use it: by ansible-playbook, with what vm_host_info and vm_instance_info return."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.kvmfleet.compute.plugins.filter.schedule import FilterModule
from ansible_collections.kvmfleet.compute.tests.unit.plugins.module_utils._placement.fleets import host, instance

schedule = FilterModule().filters()["schedule"]

PLAY = """
- name: Place instances
  hosts: all
  gather_facts: false
  vars:
    size: 32
    instances:
      - {name: small, memory: "{{ size }}MiB", vcpus: 1}
      - {name: apart, memory: "{{ size }}MiB", vcpus: 1, schedule: {require_tags: [ssd]}}
      - {name: test, memory: 64MiB, vcpus: 1}
    policies: {two: {tags: [ssd], reserved: {memory: 1MiB}}, three: {tags: [ssd]}}
  tasks:
    - name: Get what the host has
      kvmfleet.compute.vm_host_info:
        uri: "{{ test_uri }}"
      register: compute
      when: inventory_hostname != 'three'

    - name: Get the guests
      kvmfleet.compute.vm_instance_info:
        uri: "{{ test_uri }}"
        gather: [definition]
      register: fleet
      when: inventory_hostname == 'one'

    - name: Write down where they are to run
      ansible.builtin.copy:
        content: "{{ plan | to_json }}"
        dest: "{{ result }}"
        mode: "0600"
      run_once: true
      vars:
        names: "{{ ansible_play_hosts }}"
        facts: "{{ dict(names | zip(names | map('extract', hostvars) | map(attribute='compute', default={}))) }}"
        guests: {one: "{{ fleet }}", two: [], three: {instances: []}}
        plan: "{{ instances | kvmfleet.compute.schedule(facts, guests=guests, policies=policies, on_unplaceable=on_unplaceable) }}"
"""


def play(tmp_path, test_uri, **variables):
    """Run the playbook on this machine under three names; returns (its exit code, its output, the plan or None)."""
    (tmp_path / "play.yml").write_text(PLAY)
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "test_uri": test_uri,
        "result": str(tmp_path / "plan.json"),
        "on_unplaceable": "fail",
        **variables,
    }
    command = ["ansible-playbook", "-i", "one,two,three,", "--extra-vars", json.dumps(variables), "play.yml"]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local")}
    program = str(Path(sys.executable).with_name(command[0]))
    run = subprocess.run(
        [program, *command[1:]], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    plan = tmp_path / "plan.json"
    return run.returncode, run.stdout + run.stderr, json.loads(plan.read_text()) if plan.exists() else None


def test_a_playbook_places_instances_by_what_the_modules_return(tmp_path, test_uri):
    code, output, plan = play(tmp_path, test_uri)
    assert code == 0, output
    # `test` is on the first host; of the third nothing is known.
    assert plan["placements"] == {"apart": "two", "small": "one", "test": "one"}
    assert plan["hosts"] == {
        "one": [{"name": "small", "memory": "32MiB", "vcpus": 1}, {"name": "test", "memory": "64MiB", "vcpus": 1}],
        "two": [{"name": "apart", "memory": "32MiB", "vcpus": 1}],
        "three": [],
    }
    assert plan["unplaced"] == []


def test_a_playbook_fails_with_the_reasons(tmp_path, test_uri):
    code, output, plan = play(tmp_path, test_uri, size=999999999)
    assert (code, plan) == (2, None)
    output = " ".join(output.split())
    assert (
        "schedule: there is no host for apart (one: it does not have the tag ssd; three: nothing is known of it"
        in output
    )
    assert "there is no host for small (one: 999999999 MiB memory needed, the host has" in output


def test_unplaceable_instances_are_reported_if_that_is_wanted():
    wanted = [instance("web", vcpus=9), instance("app")]
    assert schedule(wanted, {"one": host()}, on_unplaceable="report") == {
        "placements": {"app": "one"},
        "hosts": {"one": [instance("app")]},
        "unplaced": [{"name": "web", "refusals": {"one": "9 vcpus needed, the host has 8"}}],
    }


BAD = [
    (
        ([instance("web", vcpus=9)], {"one": host()}),
        {},
        "there is no host for web (one: 9 vcpus needed, the host has 8)",
    ),
    (([instance("web")], {}), {}, "there is no host for web (there are no hosts)"),
    (([], {}), {"on_unplaceable": "ignore"}, "on_unplaceable: 'ignore' is not allowed; it is one of fail, report"),
    (([], {}), {"strategy": "random"}, "strategy: 'random' is not allowed; it is one of spread, pack"),
    ((None, {}), {}, "instances: None is not allowed; a list of instances is needed"),
]


@pytest.mark.parametrize(("arguments", "options", "message"), BAD)
def test_the_filter_fails_in_one_sentence(arguments, options, message):
    with pytest.raises(AnsibleFilterError) as failed:
        schedule(*arguments, **options)
    assert failed.value.message == f"schedule: {message}"


def test_the_filter_needs_none_of_the_libraries_of_a_managed_host():
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['libvirt', 'libvirt_qemu', 'lxml'], None))\n"
        "from ansible_collections.kvmfleet.compute.plugins.filter.schedule import schedule\n"
        "print(schedule([], {}))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == "{'placements': {}, 'hosts': {}, 'unplaced': []}\n"
