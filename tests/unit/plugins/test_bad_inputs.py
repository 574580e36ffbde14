# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad values of every option of every module and role: each is refused in one sentence, before anything is changed."""

from __future__ import annotations

import copy
import functools
import json
import re
import subprocess
import sys

import libvirt
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.kvmfleet.compute.tests.unit.meta import collection
from ansible_collections.kvmfleet.compute.tests.unit.plugins import bad_inputs

URI = "test:///default"
POOL = '<pool type="dir"><name>{name}</name><target><path>{path}</path></target></pool>'


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """A function that returns all that a host has, which the modules of one test find at URI."""
    path = tmp_path_factory.mktemp("pools")
    conn = libvirt.open(URI)
    for name in ("default", "images"):
        (path / name).mkdir()
        conn.storagePoolCreateXML(POOL.format(name=name, path=path / name), 0)

    def state():
        listed = [*conn.listAllDomains(), *conn.listAllNetworks(), *conn.listAllStoragePools()]
        return [item.XMLDesc(0) for item in listed], sorted(str(file) for file in path.rglob("*"))

    yield state
    conn.close()


@functools.cache
def _options(module):
    """Return the options of a module by its documentation, those of its fragments among them."""
    documentation = collection.load(collection.module(module).DOCUMENTATION)
    found = dict(documentation.get("options", {}))
    for fragment in documentation.get("extends_documentation_fragment", ()):
        name, _dot, section = fragment.removeprefix(f"{collection.NAME}.").partition(".")
        text = getattr(collection.plugin("doc_fragments", name).ModuleDocFragment, (section or "DOCUMENTATION").upper())
        for option, entry in collection.load(text).get("options", {}).items():
            merged = dict(entry, **found.get(option, {}))
            merged["suboptions"] = dict(entry.get("suboptions", {}), **found.get(option, {}).get("suboptions", {}))
            found[option] = merged
    return found


def _paths(options, prefix=""):
    for name, entry in options.items():
        yield f"{prefix}{name}"
        yield from _paths(entry.get("suboptions") or {}, f"{prefix}{name}.")


def _params(module, path, value):
    """Return the parameters of a task that gives a value at a path, with what else it needs there."""
    beside = bad_inputs.BESIDE.get(module, {})
    params = copy.deepcopy(bad_inputs.TASKS.get((module, path), beside.get("", {})))
    options, here, names = _options(module), params, path.split(".")
    for index, name in enumerate(names):
        place = ".".join(names[: index + 1])
        for other in bad_inputs.INSTEAD.get(place, ()):
            here.pop(other, None)
        if index == len(names) - 1:
            here[name] = value
            break
        below = copy.deepcopy(beside.get(place, {}))
        here[name] = [below] if options[name]["type"] == "list" else below
        here, options = below, options[name]["suboptions"]
    return dict({"uri": URI}, **params)


def _judge(path, value, answer, said):
    """Return what is wrong with the answer to a value, None when nothing is."""
    plain = re.sub(r"\[[^]]*\]", "", said)
    standard = re.fullmatch(
        rf"(the keys of )?{re.escape(path)}(\.\w+)?: .+ (is|are) not (allowed|an active).*; .+", plain
    )
    if answer is None and not standard:
        return "not the usual sentence"
    if answer is not None and not said.startswith(answer):
        return "another answer"
    if "unexpected" in said or "schema" in said or "\n" in said or len(said) > 1500:
        return "no sentence for people"
    shown = repr(value if not isinstance(value, list) or len(value) != 1 else value[0])
    if answer is None and "the value is not allowed" not in said and shown[:40] not in said and "keys" not in said:
        return "it does not show the value"
    return None


@pytest.mark.parametrize("module", collection.MODULES)
def test_bad_input_of_a_module(run_module, host, module):
    before, wrong = host(), []
    for path, value, *answer in bad_inputs.MODULES[module]:
        done = run_module(module, _params(module, path, value))
        said = done.get("msg", "") if done["failed"] else "it was accepted"
        problem = _judge(path, value, *(answer or [None]), said)
        if problem or done.get("changed"):
            wrong.append((path, repr(value)[:60], problem, said[:300]))
    assert wrong == [], json.dumps(wrong, indent=1)
    assert host() == before


@pytest.mark.parametrize("module", collection.MODULES)
def test_each_option_of_a_module_has_a_bad_value(module):
    given = {path for path, *_rest in bad_inputs.MODULES[module]}
    assert given == set(_paths(_options(module)))


def _role_options(role):
    return collection.read(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]


def _needed(role):
    return {"image_server_clients": ["192.0.2.0/24"]} if role == "image_server" else {}


# Every host is asked about one value; what the roles ask of Debian itself is not tried here.
FACTS = {
    "distribution": "Debian",
    "distribution_major_version": "13",
    "distribution_version": "13",
    "architecture": "x86_64",
    "python": {},
}
RESULTS = "ansible_failed_result.results | default([ansible_failed_result])"
SAID = f"{{{{ {RESULTS} | selectattr('failed', 'defined') | selectattr('failed') | map(attribute='msg') | first }}}}"
ANSWERS = (
    "{{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, 'answer'))) | to_json }}"
)
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.set_fact": dict(FACTS, cacheable=True)},
            {
                "block": [
                    {"ansible.builtin.include_role": {"name": "{{ asked_role }}", "tasks_from": "preconditions"}},
                    {"ansible.builtin.set_fact": {"answer": "it was accepted"}},
                ],
                "rescue": [{"ansible.builtin.set_fact": {"answer": SAID}}],
            },
            {
                "ansible.builtin.copy": {
                    "content": ANSWERS,
                    "dest": "{{ playbook_dir }}/answers",
                    "mode": "0600",
                },
                "run_once": True,
            },
        ],
    }
]


def test_bad_input_of_the_roles(tmp_path):
    answers, hosts = {}, {}
    for role, rows in bad_inputs.ROLES.items():
        validator = ArgumentSpecValidator(_role_options(role))
        for name, value in rows:
            row = f"{name}: {value!r}"
            errors = validator.validate(dict(_needed(role), **{name: value})).error_messages
            if errors:
                answers[row] = "; ".join(errors)
            else:
                hosts[f"h{len(hosts)}"] = dict(
                    _needed(role), **{name: value, "asked_role": f"{collection.NAME}.{role}", "row": row}
                )
    (tmp_path / "play.yml").write_text(json.dumps(PLAY))
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts, "vars": variables}}))
    command = ["ansible-playbook", "--forks", "4", "-i", tmp_path / "hosts.yml", tmp_path / "play.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for host, said in json.loads((tmp_path / "answers").read_text()).items():
        answers[hosts[host]["row"]] = said
    assert len(answers) == sum(map(len, bad_inputs.ROLES.values()))
    wrong = {row: said for row, said in answers.items() if row.partition(":")[0] not in said or "\n" in said}
    assert wrong == {}


@pytest.mark.parametrize("role", collection.ROLES)
def test_each_variable_of_a_role_has_a_bad_value(role):
    assert {name for name, _value in bad_inputs.ROLES[role]} == set(_role_options(role))


def test_the_table_is_long():
    assert sum(map(len, bad_inputs.MODULES.values())) + sum(map(len, bad_inputs.ROLES.values())) >= 500
