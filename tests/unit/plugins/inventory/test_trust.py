# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guest or a host says is data to every supported version of ansible-core: it is never a template, nor an expression."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

import pytest

DOMAIN = """
  <domain type="test">
    <name>{name}</name><memory unit="MiB">64</memory><os><type>hvm</type></os>
    <title>{template}</title><description>{expression}</description>
    <metadata>
      <kvmfleet:instance xmlns:kvmfleet="urn:kvmfleet:compute:1">
        <kvmfleet:flavor>{template}</kvmfleet:flavor><kvmfleet:image>{template}</kvmfleet:image>
        <kvmfleet:tag>{template}</kvmfleet:tag>
        <kvmfleet:property name="{template}">{template}</kvmfleet:property>
      </kvmfleet:instance>
    </metadata>
    <devices><interface type="network"><source network="{template}"/><filterref filter="{template}"/></interface></devices>
  </domain>"""
NAME = "{{ 6 * 7 }}' ~ (6 * 7) ~ '"


class Hostile:
    """A host with a guest that says templates, and the file that is there when one of them was executed."""

    def __init__(self, path):
        self.executed = path / "executed"
        # Double quotes: libvirt leaves single ones unescaped when it writes the name of a filter.
        self.expression = f'lookup("pipe", "touch {self.executed}")'
        self.template = f"{{{{ {self.expression} }}}}"
        values = {"name": NAME, "template": self.template, "expression": self.expression}
        domain = DOMAIN.format(**{key: escape(value, {'"': "&quot;"}) for key, value in values.items()})
        (path / "host.xml").write_text(f"<node>{domain}</node>")
        self.uri = f"test://{path / 'host.xml'}"
        self.source = path / "hostile.instances.yml"

    @property
    def shown(self):
        """The template as Ansible prints it."""
        return json.dumps(self.template)

    def write_source(self, **options):
        config = {"plugin": "kvmfleet.compute.instances", "hosts": {"alpha": self.uri}}
        self.source.write_text(json.dumps(dict(config, **options)))


@pytest.fixture
def hostile(tmp_path):
    return Hostile(tmp_path)


def _list(core, hostile):
    done = core("ansible-inventory", "-i", hostile.source, "--list")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout, object_hook=lambda value: value.get("__ansible_unsafe", value))


def _variables(found):
    (variables,) = found["_meta"]["hostvars"].values()
    return variables


def _assert_literal(variables, hostile):
    instance = variables["kvmfleet_instance"]
    assert instance["name"] == NAME
    said = [instance["title"], instance["flavor"], instance["image"], *instance["tags"]]
    said += [instance["interfaces"][0]["source"], instance["interfaces"][0]["filter"]]
    assert said == [hostile.template] * 6
    assert instance["metadata"] == {hostile.template: hostile.template}


def _play(core, hostile, hosts, *tasks):
    """Run tasks, each of which must leave it at words; return what Ansible printed."""
    playbook = hostile.source.with_name("play.yml")
    playbook.write_text(json.dumps([{"hosts": hosts, "gather_facts": False, "tasks": tasks}]))
    done = core("ansible-playbook", "-i", hostile.source, playbook)
    assert not hostile.executed.exists(), f"executed what the guest says:\n{done.stdout}"
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _assert_data_in_tasks(core, hostile, *messages):
    """Show what the guest says, by name, as part of a text and of a mapping, and ask for it in conditions."""
    messages = ("{{ kvmfleet_instance.title }}", "{{ {'all': kvmfleet_instance} }}", *messages)
    conditions = ("{{ kvmfleet_instance.description }}", "'{{ inventory_hostname }}' != '42'")
    shown = _play(
        core,
        hostile,
        "all",
        {"ansible.builtin.debug": {"var": "kvmfleet_instance"}},
        *({"ansible.builtin.debug": {"msg": message}} for message in messages),
        *({"ansible.builtin.assert": {"that": condition}, "ignore_errors": True} for condition in conditions),
    )
    for task in shown.split("TASK [")[1 : len(messages) + 2]:
        assert hostile.shown[1:-1] in task


def test_variables_are_data(core, hostile):
    hostile.write_source()
    found = _list(core, hostile)
    assert found["managed"]["hosts"] == ["__ 6 _ 7 ___ _ _6 _ 7_ _ _"]
    _assert_literal(_variables(found), hostile)
    _assert_data_in_tasks(core, hostile)


def test_variables_from_the_cache_are_data(core, hostile, tmp_path):
    hostile.write_source(
        cache=True, cache_plugin="ansible.builtin.jsonfile", cache_connection=str(tmp_path / "cache"), cache_timeout=600
    )
    first = _list(core, hostile)
    (tmp_path / "host.xml").unlink()
    assert _list(core, hostile) == first
    _assert_literal(_variables(first), hostile)
    _assert_data_in_tasks(core, hostile)


def test_the_cache_keeps_keys_that_mean_something_to_ansible(core, hostile, tmp_path):
    hostile.write_source(
        cache=True, cache_plugin="ansible.builtin.jsonfile", cache_connection=str(tmp_path / "cache"), cache_timeout=600
    )
    path = tmp_path / "host.xml"
    path.write_text(
        path.read_text().replace('<kvmfleet:property name="', '<kvmfleet:property name="__ansible_type" x="')
    )
    command = (
        "ansible",
        "all",
        "-i",
        hostile.source,
        "-m",
        "debug",
        "-a",
        "msg={{ kvmfleet_instance.metadata | list }}",
    )
    for _run in range(2):
        done = core(*command)
        assert done.returncode == 0 and '"__ansible_type"' in done.stdout, done.stdout + done.stderr


def test_expressions_of_the_user_are_templates_and_what_they_give_is_data(core, hostile):
    hostile.write_source(
        strict=True,
        compose={"said": "kvmfleet_instance.title", "longer": "'it says ' ~ kvmfleet_instance.title", "size": "6 * 7"},
        groups={"loud": "'pipe' in kvmfleet_instance.title"},
        keyed_groups=[
            {"key": "kvmfleet_instance.title", "prefix": "title"},
            {"key": "kvmfleet_instance.tags", "separator": ""},
            {"key": "kvmfleet_instance.metadata", "prefix": "property"},
        ],
    )
    found = _list(core, hostile)
    variables = _variables(found)
    assert variables["said"] == hostile.template and variables["longer"] == f"it says {hostile.template}"
    assert str(variables["size"]) == "42"
    assert "loud" in found
    _assert_literal(variables, hostile)
    for group in found:
        assert group == "_meta" or group.replace("_", "").isalnum(), group
    assert any(group.startswith("title____lookup") for group in found)
    _assert_data_in_tasks(core, hostile, "{{ said }}", "{{ longer }}", "{{ said ~ longer }}")


def test_results_of_modules_are_data(core, hostile, tmp_path):
    hostile.write_source()
    title, copied = "{{ read.instances[0].title }}", tmp_path / "copied"
    shown = _play(
        core,
        hostile,
        "localhost",
        {"kvmfleet.compute.vm_instance_info": {"uri": hostile.uri}, "register": "read"},
        {"ansible.builtin.debug": {"msg": title}},
        {"ansible.builtin.copy": {"content": title, "dest": str(copied), "mode": "0600"}},
    )
    assert hostile.shown[1:-1] in shown
    assert copied.read_text() == hostile.template
