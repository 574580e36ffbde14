# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The supported versions of ansible-core: a test with the argument `core` runs with each that an interpreter here can run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SUPPORTED = {
    path.stem: path
    for path in sorted((ROOT / "requirements").glob("core-*.txt"), key=lambda path: path.name.split(".")[1:])
}


def _oldest_python(name):
    line = next(line for line in SUPPORTED[name].read_text().splitlines() if line.startswith("ansible-core"))
    return line.rpartition(">=")[2].strip(' "')


def _covered():
    """Those that tools/setup.sh has made, and those that it must have made: the interpreter of the tests can run them."""
    return [
        name
        for name in SUPPORTED
        if (ROOT / f".build/venv-{name}").exists()
        or sys.version_info >= tuple(map(int, _oldest_python(name).split(".")))
    ]


def pytest_generate_tests(metafunc):
    if "core" in metafunc.fixturenames:
        metafunc.parametrize("core", _covered(), indirect=True)


def pytest_terminal_summary(terminalreporter):
    covered = _covered()
    terminalreporter.write_line(f"ansible-core: tested with {', '.join(covered)}")
    for name in sorted(SUPPORTED.keys() - covered):
        terminalreporter.write_line(f"ansible-core: NOT tested with {name}, which needs Python {_oldest_python(name)}")


@pytest.fixture
def core(request, tmp_path):
    """A function that runs a command of one version of ansible-core, such as run("ansible-inventory", "--list")."""
    programs = ROOT / f".build/venv-{request.param}/bin"

    def run(program, *arguments, **variables):
        environment = dict(
            os.environ,
            **variables,
            ANSIBLE_HOME=str(tmp_path / "home"),
            ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="1",
            ANSIBLE_NOCOLOR="1",
            ANSIBLE_PYTHON_INTERPRETER=str(programs / "python"),
            COLUMNS="1000",
        )
        return subprocess.run(
            [programs / program, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
        )

    return run
