# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is secret in a task is neither in what Ansible prints nor in the host's log, however the task is written, or wrong."""

from __future__ import annotations

import json
import os
import re

import pytest

URI = "test:///default"
# What AnsibleModule logs to where Python has systemd's library. The lines of a test's log are what the journal would have.
JOURNAL = """\
import os

def sendv(*fields):
    pass

def send(**fields):
    with open(os.environ["KVMFLEET_TEST_JOURNAL"], "a", errors="replace") as log:
        log.write(f"{fields}\\n")
"""
DIGEST = f"sha256:{'0' * 64}"
# By what is tried: a module, and its options with SECRET in them.
TASKS = {
    "suboptions": ("vm_instance", {"name": "test", "vnc": {"password": "SECRET"}}),
    "suboptions as key=value": ("vm_instance", {"name": "test", "vnc": "password=SECRET enabled=true"}),
    "suboptions as JSON": ("vm_instance", {"name": "test", "vnc": '{"password": "SECRET"}'}),
    "text that is neither": ("vm_instance", {"name": "test", "vnc": "password=SECRET and more"}),
    "another option is wrong": ("vm_instance", {"name": "test", "clock": "x", "vnc": {"password": "SECRET"}}),
    "a suboption is wrong": ("vm_instance", {"name": "test", "vnc": {"password": "SECRET", "enabled": "perhaps"}}),
    "a misspelt suboption": ("vm_instance", {"name": "test", "vnc": {"passwrd": "SECRET"}}),
    "a misspelt option": ("vm_image", {"name": "i", "src": "/i", "urlpassword": "SECRET"}),
    "a list as text": ("vm_instance", {"name": "test", "config_drive": {"write_files": "path=/a content=SECRET"}}),
    "in a list": ("vm_instances", {"instances": [{"name": "test", "vnc": {"password": "SECRET"}}]}),
    "in a list as key=value": ("vm_instances", {"instances": [{"name": "test", "vnc": "password=SECRET"}]}),
    "in a list as JSON": ("vm_instances", {"instances": [{"name": "test", "vnc": '{"password": "SECRET"}'}]}),
    "in a list that is text": ("vm_instances", {"instances": "name=test vnc=password=SECRET"}),
    "in defaults": ("vm_instances", {"instances": [{"name": "test"}], "defaults": {"vnc": "password=SECRET"}}),
    "in a list, and an option is wrong": (
        "vm_instances",
        {"instances": [{"name": "test", "vnc": {"password": "SECRET"}}], "parallel": "many"},
    ),
    "a patch": ("vm_instance", {"name": "test", "xml_patch": [{"xpath": "devices/graphics/@passwd", "set": "SECRET"}]}),
    "a patch that adds": (
        "vm_instance",
        {"name": "test", "xml_patch": [{"xpath": "devices", "add": '<graphics type="vnc" passwd="SECRET"/>'}]},
    ),
    "a patch that finds": (
        "vm_instance",
        {"name": "test", "xml_patch": [{"xpath": 'devices/graphics[@passwd="SECRET"]', "remove": True}]},
    ),
    "a patch that is no XML": (
        "vm_instance",
        {"name": "test", "xml_patch": [{"xpath": "devices", "add": "<graphics passwd='SECRET'"}]},
    ),
    "a patch in a list": (
        "vm_instances",
        {"instances": [{"name": "test", "xml_patch": [{"xpath": "devices/graphics/@passwd", "set": "SECRET"}]}]},
    ),
    "a URL": ("vm_image", {"name": "i", "url": "https://me:SECRET@example.com/i", "checksum": DIGEST}),
    "a mirror": (
        "vm_image",
        {
            "name": "i",
            "url": "https://example.com/i",
            "mirrors": ["https://me:SECRET@example.com/i"],
            "checksum": DIGEST,
        },
    ),
    "a URL with a token": ("vm_image", {"name": "i", "url": "ftp://example.com/i?token=SECRET", "checksum": DIGEST}),
    "the URL of a cloud": (
        "vm_image",
        {"name": "i", "glance": {"image": "i", "auth": {"auth_url": "ftp://me:SECRET@example.com", "token": "t"}}},
    ),
    "a URI": ("vm_host_info", {"uri": "nothing://me:SECRET@127.0.0.1/default"}),
    "a password with a line break": (
        "vm_guest",
        {"name": "test", "password": {"user": "root", "password": "SECRET\nx"}},
    ),
    "a password as text": ("vm_guest", {"name": "test", "password": "user=root password=SECRET"}),
    "a key": ("vm_inject", {"name": "test", "luks_key": "SECRET\n"}),
}


@pytest.fixture
def told(core, tmp_path):
    """A function that runs tasks and returns what Ansible printed and what the host's log has."""

    def run(tasks, *arguments):
        (tmp_path / "systemd").mkdir(exist_ok=True)
        (tmp_path / "systemd/__init__.py").touch()
        (tmp_path / "systemd/journal.py").write_text(JOURNAL)
        (tmp_path / "systemd/daemon.py").write_text("def booted():\n    return True\n")
        log, playbook = tmp_path / "journal", tmp_path / "play.yml"
        log.write_text("")
        playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        python_path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
        variables = {"PYTHONPATH": python_path, "KVMFLEET_TEST_JOURNAL": str(log)}
        done = core("ansible-playbook", "-i", "localhost,", "-c", "local", *arguments, playbook, **variables)
        assert "Traceback" not in done.stdout + done.stderr
        assert "failed=0" in done.stdout, done.stdout + done.stderr
        return done.stdout + done.stderr, log.read_text(errors="replace")

    return run


def _task(what, module, options):
    return {
        "name": what,
        f"kvmfleet.compute.{module}": dict({"uri": URI}, **options),
        "check_mode": True,
        "ignore_errors": True,
    }


def test_secrets_are_not_told(told):
    tasks, secrets = [], {}
    for number, (what, (module, options)) in enumerate(TASKS.items()):
        secrets[what] = f"Gz{number:02}q7Xp"
        tasks.append(_task(what, module, json.loads(json.dumps(options).replace("SECRET", secrets[what]))))
    printed, logged = told(tasks, "-vvv", "--diff")
    assert printed.count("module_args") == len(TASKS) and logged.count("Invoked with") > len(TASKS) / 2
    # That a task is there at all does not hide it: other options of it are shown.
    told_where = [
        (what, where)
        for what, secret in secrets.items()
        for where, text in (("printed", printed), ("logged", logged))
        if secret in text
    ]
    assert told_where == []


def test_a_short_secret_is_hidden_at_its_place_alone(told):
    content = {"write_files": [{"path": "/etc/one", "content": "1"}], "hostname": "web1"}
    tasks = [
        _task("content", "vm_instance", {"name": "test", "config_drive": content}),
        # The diff has asterisks in place of any password.
        dict(
            _task("password", "vm_instance", {"name": "test", "vnc": {"password": "12"}, "memory": "512MiB"}),
            diff=False,
        ),
        _task("stdin", "vm_guest", {"name": "test", "command": {"argv": ["cat", "121"], "stdin": "1"}}),
    ]
    printed, logged = told(tasks, "-vvv", "--diff")
    assert not re.search(r"(?<!\*)\*{8}(?!\*)", printed + logged)
    for hidden in ('"content": "1"', '"password": "12"', '"stdin": "1"', "'content': '1'"):
        assert hidden not in printed + logged
    assert "512MiB" in printed and "512MiB" in logged and "web1" in printed
