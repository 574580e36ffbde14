# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arguments of the lab's program, and what it refuses."""

from __future__ import annotations

import pytest

from lab import __main__ as program
from lab import settings
from lab.shell import LabError


def parse(*arguments):
    return program.parser().parse_args(arguments)


@pytest.mark.parametrize("command", ["up", "down"])
def test_without_names_all_hosts_are_meant(command):
    assert program.chosen(parse(command)) == list(settings.HOSTS.values())


def test_hosts_are_taken_by_name():
    assert [host.name for host in program.chosen(parse("up", "compute3", "controller", "compute3"))] == [
        "compute3",
        "controller",
    ]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["up", "compute9"], "compute9"),
        (["power-cut"], "HOST"),
        (["build", "--platform", "debian11"], "debian11"),
        (["build", "--guest", "large"], "large"),
        (["ssh"], "host"),
        ([], "command"),
    ],
)
def test_mistakes_are_named(arguments, named, capsys):
    with pytest.raises(SystemExit):
        parse(*arguments)
    assert named in capsys.readouterr().err


def test_a_remote_command_keeps_its_options():
    assert parse("ssh", "compute1", "ls", "-l", "--all").remote == ["ls", "-l", "--all"]


def test_build_without_choice_builds_everything():
    assert program.to_build(parse("build")) == (list(settings.PLATFORMS), list(settings.GUESTS))


def test_build_of_one_thing_builds_only_that():
    assert program.to_build(parse("build", "--guest", "tiny")) == ([], ["tiny"])
    assert program.to_build(parse("build", "--platform", "debian12")) == (["debian12"], [])


def test_only_root_may_run_a_lab(monkeypatch):
    monkeypatch.setattr(program.os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="root"):
        program.main(["up"])
