# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Call the QEMU guest agent of a running guest.

Source: the QEMU guest agent protocol reference; virDomainQemuAgentCommand.
"""

from __future__ import annotations

import contextlib
import json

from ansible_collections.kvmfleet.compute.plugins.module_utils import _connection, _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._deps import libvirt, libvirt_qemu
from ansible_collections.kvmfleet.compute.plugins.module_utils._domain.state import power_state
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.errors import AgentError, meaning, sentence

# Seconds that an answer may take. Emulated on a busy host, an agent takes a second for the longest request.
ANSWER_TIMEOUT = 30
# Characters of a request. libvirt begins anew with one that does not fit into the socket at once (Linux gives that 208 KiB, with
# its own needs), and the agent then reads rubbish: "JSON parse error".
REQUEST_LIMIT = 160 * 1024


class Agent:
    """The agent of one guest. What fails raises AgentError, which says what to do about it."""

    def __init__(self, domain, timeout=ANSWER_TIMEOUT):
        """timeout: whole seconds that each answer may take."""
        if libvirt_qemu is None:
            raise _errors.Unsupported(
                "the guest agent can't be asked, as the Python library libvirt_qemu is missing; it comes with libvirt's"
            )
        self._domain = domain
        self._timeout = timeout
        self._commands = None
        self.guest = domain.name()
        self.version = None

    def call(self, command, timeout=None, **arguments):
        """Return what the agent answers to a command; `_` in the arguments' names stands for `-`."""
        request = {"execute": command}
        if arguments:
            request["arguments"] = {name.replace("_", "-"): value for name, value in arguments.items()}
        text = json.dumps(request)
        if len(text) > REQUEST_LIMIT:
            raise AgentError(
                f"the request {command} to the agent of the guest {self.guest!r} is {len(text)} characters long; "
                f"libvirt carries no more than {REQUEST_LIMIT}",
                "too_long",
            )
        try:
            answer = libvirt_qemu.qemuAgentCommand(self._domain, text, timeout or self._timeout, 0)
        except libvirt.libvirtError as exc:
            raise self._error(command, exc) from exc
        return json.loads(answer)["return"]

    def ping(self, timeout=None):
        """Return nothing, if the agent is there. Source: guest-ping."""
        self.call("guest-ping", timeout)

    def commands(self):
        """Return {name: whether it is allowed} of the commands that the agent knows; it is asked once. Source: guest-info."""
        if self._commands is None:
            answer = self.call("guest-info")
            self.version = answer["version"]
            self._commands = {item["name"]: item["enabled"] for item in answer["supported_commands"]}
        return self._commands

    def allows(self, *commands):
        """Tell whether the agent knows these commands, and none is blocked in the guest."""
        return all(self.commands().get(command, False) for command in commands)

    def _error(self, command, exc):
        reason, detail = meaning(str(exc))
        if reason == "off":
            # libvirt says that of a guest that is paused, too.
            with contextlib.suppress(libvirt.libvirtError):
                if power_state(self._domain)[0] == "paused":
                    reason, detail = "paused", explain(self._domain)
        if reason == "blocked" and self._is_frozen(command):
            reason = "frozen"
        if reason in ("blocked", "unknown_command"):
            self._learn_version(command)
        return AgentError(
            sentence(reason, detail, self.guest, command, self.version), reason, **_connection.error_details(exc)
        )

    def _is_frozen(self, command):
        """Newer agents don't say why a command is refused; this they tell in any case. Source: guest-fsfreeze-status."""
        try:
            return command != "guest-fsfreeze-status" and self.call("guest-fsfreeze-status") == "frozen"
        except AgentError:
            return False

    def _learn_version(self, command):
        if self.version is None and command != "guest-info":
            try:
                self.commands()
            except AgentError:
                # It blocks that too; the sentence then names the settings of the newest version.
                return


def explain(domain):
    """Return a guest's state with libvirt's reason and the disks that have an error: `paused (ioerror; disk vda: no space left)`.

    Source: virDomainGetState, virDomainGetDiskErrors.
    """
    state, reason = power_state(domain)
    words = {libvirt.VIR_DOMAIN_DISK_ERROR_NO_SPACE: "no space left", libvirt.VIR_DOMAIN_DISK_ERROR_UNSPEC: "I/O error"}
    errors = {}
    # What is off has none, and not every driver knows them.
    with contextlib.suppress(libvirt.libvirtError):
        errors = domain.diskErrors(0)
    told = [f"disk {target}: {words.get(number, number)}" for target, number in sorted(errors.items())]
    return f"{state} ({'; '.join([reason, *told])})"
