# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest whose saved memory is not there any more, or is damaged, on the real QEMU driver: what needs it fails, nothing else does."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect

DAMAGES = {
    "deleted": lambda file: file.unlink(),
    "empty": lambda file: file.write_bytes(b""),
    "foreign": lambda file: file.write_bytes(b"x" * 4096),
    "cut off": lambda file: file.write_bytes(file.read_bytes()[:200]),
}


@pytest.fixture(params=list(DAMAGES))
def saved(embed_uri, run_module, request):
    """A function that runs vm_instance on such a guest, which is removed afterwards."""
    guest = {"name": "saved", "uri": embed_uri}
    task = dict(guest, memory="32MiB", vcpus="1", vnc={"enabled": False})
    assert not run_module("vm_instance", task)["failed"]
    assert run_module("vm_instance", dict(guest, state="suspended"))["instance"]["state"] == "suspended"
    (root,) = parse_qs(urlsplit(embed_uri).query)["root"]
    (file,) = Path(root).rglob("saved.save")
    DAMAGES[request.param](file)

    def run(check=False, **params):
        return run_module("vm_instance", dict(guest, **params), check=check)

    run.damage = request.param
    run.uri = embed_uri
    yield run
    with connect(embed_uri) as conn:
        for domain in conn.listAllDomains(0):
            if domain.isActive():
                domain.destroy()
            domain.undefineFlags(1)


def converges(saved, after, **params):
    """Check that a task succeeds, as foreseen, and that the second run of it changes nothing."""
    foreseen, done, again = saved(check=True, **params), saved(**params), saved(**params)
    assert not done["failed"], done["msg"]
    assert done["actions"] == foreseen["actions"] and again["changed"] is False, again
    found = (done["instance"] or {}).get("state"), (again["instance"] or {}).get("state")
    assert found == (after, after)


@pytest.mark.parametrize(
    ("after", "params"),
    [
        ("running", {"state": "running", "discard_saved_state": True}),
        ("stopped", {"state": "stopped", "shutdown": {"method": "force"}}),
        (None, {"state": "absent"}),
    ],
    ids=str,
)
def test_what_drops_the_memory_does_not_need_it(saved, after, params):
    converges(saved, after, **params)


def test_the_definition_changes_without_the_memory(saved):
    after = "stopped" if saved.damage == "deleted" else "suspended"
    converges(saved, after, state="present", memory="48MiB", tags=["seen"])


def test_a_guest_goes_on_as_libvirt_can(saved, capfd):
    done = saved(state="running")
    if done["failed"]:
        # Newer versions of libvirt boot the guest instead.
        assert saved.damage in ("foreign", "cut off") and done["changed"] is False
        assert done["msg"].startswith("the guest 'saved' can't go on from its saved memory: ")
        assert "discard_saved_state: true drops the memory" in done["msg"]
    else:
        assert done["instance"]["state"] == "running"
        assert saved(state="running")["changed"] is False
    # Here, where Ansible itself is, warnings are shown at once.
    warned = "state: the saved memory of the guest 'saved' can't be read: " in capfd.readouterr().err
    assert warned is (saved.damage != "deleted")


def test_a_guest_whose_memory_was_deleted_is_stopped(saved, run_module):
    state = "stopped" if saved.damage == "deleted" else "suspended"
    (told,) = run_module("vm_instance_info", {"uri": saved.uri, "names": ["saved"]})["instances"]
    assert told["state"] == state
    if state == "stopped":
        assert saved(state="stopped")["changed"] is False
        assert "the guest is stopped and has no memory to save" in saved(state="suspended")["msg"]
