# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: guest_agent
short_description: Run tasks in a guest through its QEMU guest agent
version_added: 0.1.0
author:
  - kvmfleet developers (@kvmfleet)
description:
  - Runs commands in a guest and transfers files by way of libvirt and the QEMU guest agent. The guest needs neither a
    network nor ssh, and no account of its own.
  - Commands run as root, whatever O(ansible.builtin.ssh#connection:remote_user) is, from root's home directory. With
    C(become) they run as another user; C(sudo), C(su) and C(runas) through the program of this name in the guest. A
    password is handed over when the program reads it from its standard input, as C(sudo) and C(su) do; there is no
    terminal.
  - Files are transferred in pieces, compared by their SHA-256, and only then renamed to what they are to be.
  - The connection to libvirt is opened once for each task, also for one with a loop.
requirements:
  - On the control node libvirt-python 8.0.0 or newer (Debian package python3-libvirt), also for the guests of other hosts.
  - In the guest the QEMU guest agent, and a POSIX shell with C(sha256sum); Python for most modules.
  - The agent must be allowed the commands C(guest-info), C(guest-exec), C(guest-exec-status), C(guest-file-open),
    C(guest-file-read), C(guest-file-write) and C(guest-file-close). RHEL and its like block most of them as they come.
notes:
  - The agent itself returns no more than 16 MiB of a command's output, and libvirt breaks with an agent that answers with
    10 MiB. Longer output is therefore put into files in C(/run) of the guest, root's alone, and read in pieces.
  - A guest that is off or whose agent is not there, is unreachable. M(ansible.builtin.wait_for_connection) waits for one
    that boots.
  - Pipelining saves a good part of the time, see O(pipelining).
options:
  remote_addr:
    description:
      - The guest's name, or its UUID.
    type: str
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: ansible_host
      - name: kvmfleet_guest
  uri:
    description:
      - The libvirt that has the guest, as a libvirt URI, seen from the control node.
      - "With C(qemu+ssh) nobody is there to answer questions of ssh: it must log in by a key, to a host that it knows. The
        parameter C(command) of the URI names a program to use for ssh. C(ControlPersist) in ssh's configuration saves the
        time of logging in with each task."
    type: str
    default: qemu:///system
    vars:
      - name: ansible_libvirt_uri
      - name: kvmfleet_uri
    env:
      - name: KVMFLEET_URI
    ini:
      - section: kvmfleet
        key: uri
  agent_timeout:
    description:
      - How many seconds the agent has to answer each call. A task consists of many calls, so this is no limit to what it takes.
    type: int
    default: 30
    vars:
      - name: kvmfleet_agent_timeout
    env:
      - name: KVMFLEET_AGENT_TIMEOUT
    ini:
      - section: kvmfleet
        key: agent_timeout
  command_timeout:
    description:
      - After how many seconds a command in the guest is killed, with all that it started; V(0) lets it take its time.
      - Ansible's own keyword C(timeout) ends a task, and kills its command, too.
    type: int
    default: 0
    vars:
      - name: kvmfleet_command_timeout
    env:
      - name: KVMFLEET_COMMAND_TIMEOUT
    ini:
      - section: kvmfleet
        key: command_timeout
extends_documentation_fragment:
  - ansible.builtin.connection_pipelining
"""

EXAMPLES = r"""
- name: Work in guests that have no network
  hosts: web01
  gather_facts: false
  vars:
    ansible_connection: kvmfleet.compute.guest_agent
    ansible_pipelining: true
    kvmfleet_uri: qemu+ssh://root@compute1.example.com/system
  tasks:
    - name: Wait until the guest has booted
      ansible.builtin.wait_for_connection:
        timeout: 120

    - name: Give it its network
      ansible.builtin.copy:
        src: 10-static.network
        dest: /etc/systemd/network/10-static.network
        mode: "0644"

    - name: Run something as another user
      ansible.builtin.command: id
      become: true
      become_user: www-data
      changed_when: false

# An inventory with the guests of two hosts:
#
# guests:
#   hosts:
#     web01: {kvmfleet_uri: qemu+ssh://root@compute1.example.com/system}
#     db01: {kvmfleet_uri: qemu+ssh://root@compute2.example.com/system, kvmfleet_guest: database}
#   vars:
#     ansible_connection: kvmfleet.compute.guest_agent
"""

import contextlib
import os
import posixpath
import sys
import tempfile

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.module_utils.common.text.converters import to_bytes, to_text
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect, doing
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.lookup import require
from ansible_collections.kvmfleet.compute.plugins.module_utils._errors import (
    ConnectionFailed,
    InvalidInput,
    KvmfleetError,
    LibvirtFailed,
    NotFound,
)
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import files, shell
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.agent import Agent
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.errors import AgentError
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.password import with_password

display = Display()

# What the agent's reasons mean to Ansible: of these, the guest can't be reached; of the others, the task failed.
UNREACHABLE = (
    "off",
    "paused",
    "no_channel",
    "not_connected",
    "stopped",
    "timed_out",
    "frozen",
    "blocked",
    "unknown_command",
    "failed",
)


class Connection(ConnectionBase):
    """Commands and files go through libvirt to the agent in the guest."""

    transport = "kvmfleet.compute.guest_agent"
    has_pipelining = True
    # The agent is root; so says the home directory that Ansible asks for.
    default_user = "root"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._open = contextlib.ExitStack()
        self._agent = None

    def _connect(self):
        if self._connected:
            return self
        if libvirt is None:
            raise AnsibleError(
                f"the Python library libvirt is missing for {sys.executable} on the control node; install python3-libvirt there, "
                "or libvirt-python with pip"
            )
        uri, guest = self.get_option("uri"), self.get_option("remote_addr")
        display.vvv(f"OPEN {uri}", host=guest)
        with self._translated():
            self._at_least("agent_timeout", 1)
            self._at_least("command_timeout", 0)
            conn = self._open.enter_context(connect(uri))
            with doing(f"looking for the guest {guest!r}"):
                domain = require(conn, guest)
            self._agent = Agent(domain, self.get_option("agent_timeout"))
        self._connected = True
        return self

    def _at_least(self, option, minimum):
        value = self.get_option(option)
        if value < minimum:
            raise InvalidInput.of(option, value, f"it is a number of seconds of at least {minimum}")

    def exec_command(self, cmd, in_data=None, sudoable=True):
        """Run a command line; return its exit code, what it printed and what it complained of."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        display.vvv(f"EXEC {to_text(cmd)}", host=self._agent.guest)
        command, stdin = to_text(cmd), in_data or b""
        become = self.become if sudoable and self.become and self.become.success in command else None
        if become and become.expect_prompt():
            command, stdin = with_password(command, stdin, become.success, to_bytes(become.get_option("become_pass")))
        with self._translated():
            result = shell.run(self._agent, command, stdin, self.get_option("command_timeout") or None)
        if become:
            self._check_become(become, result)
        return result.rc, result.stdout, result.stderr

    def put_file(self, in_path, out_path):
        """Copy a file of the control node into the guest."""
        super().put_file(in_path, out_path)
        display.vvv(f"PUT {in_path} TO {out_path}", host=self._agent.guest)
        if not os.path.exists(to_bytes(in_path)):
            raise AnsibleFileNotFound(f"the file {in_path!r} does not exist on the control node")
        with open(to_bytes(in_path), "rb") as stream, self._translated():
            files.store(self._agent, _absolute(out_path), stream)

    def fetch_file(self, in_path, out_path):
        """Copy a file of the guest to the control node, where it is its owner's alone (0600)."""
        super().fetch_file(in_path, out_path)
        display.vvv(f"FETCH {in_path} TO {out_path}", host=self._agent.guest)
        descriptor, beside = tempfile.mkstemp(prefix=".kvmfleet-", dir=os.path.dirname(os.path.abspath(out_path)))
        try:
            with open(descriptor, "wb") as stream, self._translated():
                files.fetch(self._agent, _absolute(in_path), stream)
            os.replace(beside, out_path)
        except BaseException:
            os.unlink(beside)
            raise

    def close(self):
        """Close the connection to libvirt; the next call opens it again."""
        self._connected = False
        self._agent = None
        self._open.close()

    def reset(self):
        """Forget the connection, as for a guest that was restarted."""
        self.close()

    @contextlib.contextmanager
    def _translated(self):
        """Say it in Ansible's errors: the guest is unreachable, or the task failed. Ansible would add the causes' messages."""
        try:
            yield
        except (ConnectionFailed, NotFound, LibvirtFailed) as exc:
            self.close()
            raise AnsibleConnectionFailure(exc.message) from None
        except AgentError as exc:
            if exc.reason not in UNREACHABLE:
                raise AnsibleError(exc.message) from None
            self.close()
            raise AnsibleConnectionFailure(exc.message) from None
        except KvmfleetError as exc:
            raise AnsibleError(exc.message) from None

    @staticmethod
    def _check_become(become, result):
        if become.check_success(result.stdout):
            return
        said = result.stdout + result.stderr
        if become.check_incorrect_password(said):
            raise AnsibleError(f"Incorrect {become.name} password")
        if become.check_missing_password(said):
            raise AnsibleError(f"Missing {become.name} password")


def _absolute(path):
    if not posixpath.isabs(path):
        raise AnsibleError(f"the path {path!r} in the guest is relative; an absolute one is needed")
    return path
