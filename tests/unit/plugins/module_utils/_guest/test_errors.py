# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each thing that keeps an agent from doing what it is asked for is one sentence, which says what to do about it."""

from __future__ import annotations

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.errors import meaning, sentence, settings

COMMAND = "internal error: unable to execute QEMU agent command 'guest-exec': "

# What libvirt 9.0 to 11.3 and agents from 2.12 to 10.0 say.
SAID = [
    ("Requested operation is not valid: domain is not running", "off", "start the guest"),
    ("argument unsupported: QEMU guest agent is not configured", "no_channel", "agent: true of vm_instance"),
    (
        "Guest agent is not responding: QEMU guest agent is not connected",
        "not_connected",
        "qemu-guest-agent must be installed",
    ),
    (
        "Guest agent is not responding: QEMU guest agent is not available due to an error",
        "not_connected",
        "is not connected",
    ),
    ("Guest agent is not responding: Guest agent disappeared while executing command", "stopped", "went away"),
    (
        "Guest agent is not responding: Guest agent not available for now",
        "timed_out",
        "did not answer guest-exec in time",
    ),
    (
        "guest agent command timed out: guest agent didn't respond to command within '10' seconds",
        "timed_out",
        "did not answer guest-exec in time",
    ),
    (COMMAND + "Command guest-exec has been disabled: the command is not allowed", "blocked", "/etc/qemu/qemu-ga.conf"),
    (COMMAND + "The command guest-exec has been disabled for this instance", "blocked", "/etc/sysconfig/qemu-ga"),
    (COMMAND + "Command guest-exec has been disabled: the agent is in frozen state", "frozen", "thaw them first"),
    (COMMAND + "The command guest-exec has not been found", "unknown_command", "a newer agent"),
    (COMMAND + "Guest agent command failed, error was 'no such program'", "refused", "error was 'no such program'"),
    ("Cannot recv data: Connection reset by peer", "failed", "Connection reset by peer"),
]


@pytest.mark.parametrize(("said", "reason", "advice"), SAID)
def test_what_is_said_becomes_one_sentence(said, reason, advice):
    found, detail = meaning(said)
    assert found == reason
    text = sentence(found, detail, "web01", "guest-exec", "7.2.0")
    assert advice in text
    assert "'web01'" in text
    assert not text.endswith(".")
    assert ". " not in text


@pytest.mark.parametrize(
    ("version", "own", "rhel"),
    [
        ("2.12.0", "blacklist", "BLACKLIST_RPC"),
        ("6.2.0", "blacklist", "BLACKLIST_RPC"),
        ("7.2.15 (Debian 1:7.2+dfsg-7)", "block-rpcs", "BLOCK_RPCS"),
        ("8.1.0", "block-rpcs or allow-rpcs", "BLOCK_RPCS"),
        ("10.0.13", "block-rpcs or allow-rpcs", "FILTER_RPC_ARGS"),
        (None, "block-rpcs or allow-rpcs", "FILTER_RPC_ARGS"),
    ],
)
def test_the_setting_to_change_is_that_of_the_agents_version(version, own, rhel):
    assert settings(version) == {"own": own, "rhel": rhel}
    text = sentence("blocked", "", "web01", "guest-exec", version)
    assert f"with {own} in /etc/qemu/qemu-ga.conf" in text
    assert f"with {rhel} in /etc/sysconfig/qemu-ga" in text
