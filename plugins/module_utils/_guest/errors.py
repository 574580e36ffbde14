# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What can go wrong between a task and the guest agent: one sentence for each case, from what libvirt and the agent say."""

from __future__ import annotations

import re

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors

# What libvirt and the agent say, and what that means; the first that fits counts. The agent's own messages come last.
_MEANINGS = (
    ("off", r"domain is not running"),
    ("no_channel", r"QEMU guest agent is not configured"),
    ("not_connected", r"QEMU guest agent is not connected|not available due to an error"),
    ("stopped", r"disappeared while executing|End of file from agent"),
    ("timed_out", r"timed out|didn't respond|not available for now|not responding"),
    ("frozen", r"has been disabled.*frozen"),
    ("blocked", r"has been disabled"),
    ("unknown_command", r"has not been found|has no command|not currently supported"),
    ("refused", r"unable to execute QEMU agent command '[^']*': *(?P<detail>.*)"),
)

# From which version of the agent on the settings have these names (qemu-ga's own, and those of RHEL's service).
_OWN_SETTINGS = (((8, 1), "block-rpcs or allow-rpcs"), ((7, 2), "block-rpcs"), ((0,), "blacklist"))
_RHEL_SETTINGS = (((8, 2), "FILTER_RPC_ARGS"), ((7, 2), "BLOCK_RPCS"), ((0,), "BLACKLIST_RPC"))


class AgentError(_errors.KvmfleetError):
    """The guest agent did not do what it was asked for.

    reason: one of the words of the table of meanings, "paused", or "failed" for what libvirt alone says.
    """

    def __init__(self, message, reason, **details):
        super().__init__(message, **details)
        self.reason = reason

    @property
    def no_such_file(self):
        """Whether it is a file in the guest that is not there."""
        return self.reason == "refused" and "No such file" in self.message


def meaning(text):
    """Return (reason, detail) of an error message of libvirt; the detail is what the agent itself said, or the message."""
    for reason, pattern in _MEANINGS:
        match = re.search(pattern, text, re.DOTALL)
        if match:
            return reason, (match.groupdict().get("detail") or text).strip()
    return "failed", text


def sentence(reason, detail, guest, command, version=None):
    """Return the sentence for the user. version: the agent's, as it tells it, None if it is not known."""
    return _SENTENCES[reason].format(
        guest=repr(guest),
        command=command,
        detail=detail,
        version=version or "of an unknown version",
        **settings(version),
    )


def settings(version):
    """Return the names that the settings which block commands have in this version of the agent; of the newest, if it is not known."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version or "")[:2]) or (999,)
    return {
        "own": next(name for since, name in _OWN_SETTINGS if numbers >= since),
        "rhel": next(name for since, name in _RHEL_SETTINGS if numbers >= since),
    }


_SENTENCES = {
    "off": "the guest {guest} is not running, so its agent can't be asked; start the guest",
    "paused": "the guest {guest} is {detail}, so its agent can't be asked; resume the guest",
    "no_channel": (
        "the guest {guest} has no channel for the guest agent in its definition; agent: true of vm_instance gives it one, "
        "from the next start on"
    ),
    "not_connected": (
        "the agent of the guest {guest} is not connected; the package qemu-guest-agent must be installed in the guest, and its "
        "service running (a guest that is booting gets there by itself)"
    ),
    "stopped": "the agent of the guest {guest} went away while it was asked for {command}; the guest or the agent stopped or restarted",
    "timed_out": "the agent of the guest {guest} did not answer {command} in time; the guest may hang, be paused or be busy",
    "frozen": "the agent of the guest {guest} refuses {command} as long as the guest's file systems are frozen; thaw them first",
    "blocked": (
        "the agent of the guest {guest} (qemu-ga {version}) refuses {command}, as it is blocked in the guest; allow it there with {own} in "
        "/etc/qemu/qemu-ga.conf, on RHEL and its like with {rhel} in /etc/sysconfig/qemu-ga, and restart the agent"
    ),
    "unknown_command": (
        "the agent of the guest {guest} (qemu-ga {version}) does not know {command}; a newer agent, or another system, is needed"
    ),
    "refused": "the agent of the guest {guest} refused {command}: {detail}",
    "failed": "asking the agent of the guest {guest} for {command} failed: {detail}",
}
