# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests whose agent can't be asked, as libvirt's real QEMU driver has them."""

from __future__ import annotations

import io

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest import agent, files
from ansible_collections.kvmfleet.compute.plugins.module_utils._guest.errors import AgentError

GUEST = """<domain type='qemu'><name>deaf</name><memory unit='MiB'>64</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>{channel}</devices></domain>"""
CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"


def _failure(domain):
    with pytest.raises(AgentError) as raised:
        agent.Agent(domain, 1).call("guest-exec", path="/bin/true")
    return raised.value


@pytest.fixture
def running(embed_uri):
    """A function that runs a guest in which nothing runs; it is gone afterwards."""
    with connect(embed_uri) as conn:
        yield lambda channel: conn.createXML(GUEST.format(channel=channel))
        for left in conn.listAllDomains(0):
            left.destroy()


def test_a_guest_without_a_channel(running):
    error = _failure(running(""))
    assert error.reason == "no_channel"
    assert error.message.startswith("the guest 'deaf' has no channel for the guest agent in its definition; ")


def test_a_guest_without_an_agent(running):
    error = _failure(running(CHANNEL))
    assert error.reason == "not_connected"
    assert error.message.startswith("the agent of the guest 'deaf' is not connected; ")
    assert error.details["libvirt_error"] == "VIR_ERR_AGENT_UNRESPONSIVE"


def test_a_guest_that_is_off(embed_uri):
    with connect(embed_uri) as conn:
        domain = conn.defineXML(GUEST.format(channel=CHANNEL))
        error = _failure(domain)
        domain.undefine()
    assert error.reason == "off"
    assert error.message == "the guest 'deaf' is not running, so its agent can't be asked; start the guest"


def test_a_hypervisor_without_agents(test_uri):
    with connect(test_uri) as conn:
        error = _failure(conn.lookupByName("test"))
    assert error.reason == "failed"
    assert error.details["libvirt_error"] == "VIR_ERR_NO_SUPPORT"


def test_a_request_that_libvirt_would_garble_is_not_sent(running):
    with pytest.raises(AgentError) as raised:
        agent.Agent(running(CHANNEL), 1).call("guest-file-write", handle=1, buf_b64="A" * agent.REQUEST_LIMIT)
    assert raised.value.reason == "too_long"
    assert raised.value.message.endswith(f"libvirt carries no more than {agent.REQUEST_LIMIT}")


def test_a_piece_of_a_file_fits_into_a_request():
    assert files.WRITTEN * 4 / 3 + 200 < agent.REQUEST_LIMIT


def test_the_pieces_are_the_whole():
    content = bytes(range(256)) * 3
    pieces = list(files.chunks(io.BytesIO(content), 100))
    assert b"".join(pieces) == content
    assert [len(piece) for piece in pieces] == [100] * 7 + [68]
    assert list(files.chunks(io.BytesIO(b""))) == []
