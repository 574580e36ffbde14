# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who needs a file: guests and overlays that libvirt tells of, and those that only the headers of real files do."""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
import threading

import pytest
from ansible_collections.kvmfleet.compute.plugins.module_utils._connection import connect
from ansible_collections.kvmfleet.compute.plugins.module_utils._storage import uses as _uses

POOL = "<pool type='dir'><name>{}</name><target><path>{}</path></target></pool>"
VOLUME = "<volume><name>{}</name><capacity>1048576</capacity><target><format type='qcow2'/></target>{}</volume>"
DISK = "<disk type='file'><driver name='qemu' type='{format}'/><source file='{path}'/><target dev='vda'/>{more}</disk>"


class Host:
    """An in-memory libvirt whose guests and pools name real files."""

    def __init__(self, conn, directory):
        self.conn = conn
        self.directory = directory

    def uses(self):
        return _uses.read(self.conn)

    def file(self, name, base=None):
        """Make a qcow2 file; return its path."""
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        origin = ["-b", str(base), "-F", "qcow2"] if base else []
        size = [] if base else ["1M"]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *origin, str(path), *size], check=True)
        return str(path)

    def guest(self, name, path, disk_format="qcow2", more=""):
        self._define(name, DISK.format(path=path, format=disk_format, more=more))

    def guest_on_volume(self, name, pool, volume):
        self._define(name, f"<disk type='volume'><source pool='{pool}' volume='{volume}'/><target dev='vda'/></disk>")

    def _define(self, name, disk, system="<os><type>hvm</type></os>"):
        self.conn.defineXML(
            f"<domain type='test'><name>{name}</name><memory>65536</memory>{system}<devices>{disk}</devices></domain>"
        )

    def guest_with_nvram(self, name, path):
        loader = "<loader readonly='yes' type='pflash'>/OVMF_CODE.fd</loader>"
        self._define(name, "", f"<os><type>hvm</type>{loader}<nvram>{path}</nvram></os>")

    def pool(self, name, directory):
        (self.directory / directory).mkdir(exist_ok=True)
        pool = self.conn.storagePoolDefineXML(POOL.format(name, self.directory / directory), 0)
        pool.create(0)
        return pool


@pytest.fixture
def host(test_uri, tmp_path):
    with connect(test_uri) as conn:
        yield Host(conn, tmp_path)


def test_what_nobody_needs(host):
    path = host.file("disk.qcow2")
    host.guest("mine", path)
    uses = host.uses()
    assert uses.user(path, "mine") is None
    assert uses.against_sole_use(path, "mine") is None and uses.against_writing(path, "mine") is None
    assert uses.user(path) == uses.against_sole_use(path, "other") == "in use by the guest 'mine'"


def test_a_guest_that_only_reads_a_disk_is_no_reason_not_to_write_to_it(host):
    path = host.file("disk.qcow2")
    host.guest("mine", path)
    host.guest("reader", path, more="<readonly/>")
    uses = host.uses()
    assert uses.against_writing(path, "mine") is None
    assert uses.against_writing(path, "reader") == "in use by the guest 'mine'"
    assert uses.against_sole_use(path, "mine") == "in use by the guest 'reader'"


def test_a_shared_disk_may_be_written_to_unless_it_is_a_base(host):
    path = host.file("disk.qcow2")
    for name in ("mine", "other"):
        host.guest(name, path, more="<shareable/>")
    assert host.uses().against_writing(path, "mine") == "in use by the guest 'other'"
    assert host.uses().against_writing(path, "mine", shared=True) is None
    overlay = host.file("overlay.qcow2", path)
    host.guest("clone", overlay)
    assert host.uses().against_writing(path, "mine", shared=True) == f"the base of '{overlay}'"
    assert host.uses().against_writing(path, "mine", shared=True, without=[overlay]) is None


def test_an_overlay_is_found_in_no_pool_in_a_pool_not_refreshed_and_in_one_that_is_not_active(host):
    path = host.file("disk.qcow2")
    host.guest("mine", path)
    foreign = host.file("foreign.qcow2", path)
    assert host.uses().user(path, "mine") is None, "nothing tells of a file that is in no pool and of no guest"
    host.guest("foreign", foreign)
    assert host.uses().user(path, "mine") == f"the base of '{foreign}'"
    host.conn.lookupByName("foreign").undefine()
    pool = host.pool("more", "more")
    there = host.file("more/there.qcow2", path)
    assert host.uses().user(path, "mine") == f"the base of '{there}'"
    pool.destroy()
    assert host.uses().user(path, "mine") == f"the base of '{there}'"


def test_a_user_who_may_not_look_into_a_pool_has_what_libvirt_tells(host):
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        os.chmod(directory, 0o711)  # noqa: S103 - as the directory of the default pool
        pool = host.pool("more", directory)
        base = pool.createXML(VOLUME.format("base.qcow2", ""), 0).path()
        backing = f"<backingStore><path>{base}</path></backingStore>"
        overlay = pool.createXML(VOLUME.format("overlay.qcow2", backing), 0).path()
        os.seteuid(65534)
        try:
            assert host.uses().user(base) == f"the base of '{overlay}'"
        finally:
            os.seteuid(0)


def test_a_link_is_what_it_leads_to(host):
    path = host.file("disk.qcow2")
    link = host.directory / "link.qcow2"
    link.symlink_to(path)
    host.guest("other", path)
    assert host.uses().against_writing(str(link), "mine") == "in use by the guest 'other'"


def test_a_volume_of_a_pool_that_is_not_active_has_its_guest(host):
    pool = host.pool("more", "more")
    path = pool.createXML(VOLUME.format("v.qcow2", ""), 0).path()
    host.guest_on_volume("other", "more", "v.qcow2")
    assert host.uses().user(path) == "in use by the guest 'other'"
    pool.destroy()
    assert host.uses().user(path) == "in use by the guest 'other'"


def test_the_variables_of_a_firmware_are_a_file_of_the_guest(host):
    host.guest_with_nvram("other", "/nvram/other_VARS.fd")
    assert host.uses().user("/nvram/other_VARS.fd") == "in use by the guest 'other'"


def test_a_file_that_vm_image_has_stored_is_an_image(host):
    host.pool("store", "images")
    kept, own = host.file("images/tiny.0123456789ab.qcow2"), host.file("images/web01-vdc.qcow2")
    assert host.uses().against_writing(kept, "mine") is None, "a name alone is no proof"
    infos = host.directory / "image-info"
    infos.mkdir()
    (infos / "tiny.0123456789ab.qcow2.json").write_text("{}")
    host.guest("mine", kept)
    uses = host.uses()
    assert uses.against_writing(kept, "mine") == uses.against_sole_use(kept, "mine") == "an image of the image store"
    assert uses.user(kept, "mine") is None, "the store itself may delete it"
    assert uses.against_writing(own, "mine") is None


def test_volumes_that_go_together(host):
    base = host.file("base.qcow2")
    middle = host.file("middle.qcow2", base)
    top = host.file("top.qcow2", middle)
    host.guest("mine", top)
    assert host.uses().sole([base, middle, top], "mine") == {base, middle, top}
    assert host.uses().sole([base, middle], "mine") == set(), "what is based on what stays stays, too"
    host.guest("other", top)
    assert host.uses().sole([base, middle, top], "mine") == set()


def qcow2_header(base):
    """The first bytes of a qcow2 file that is based on something, as a guest could write them."""
    name = os.fsencode(base)
    return struct.pack(">4sIQI", b"QFI\xfb", 3, 512, len(name)).ljust(512, b"\0") + name


def test_what_a_guest_wrote_to_a_raw_disk_is_not_believed(host):
    path, raw = host.file("disk.qcow2"), host.directory / "raw.img"
    raw.write_bytes(qcow2_header(path).ljust(1024**2, b"\0"))
    host.guest("malicious", raw, disk_format="raw")
    pool = host.pool("more", host.directory)
    pool.createXML(VOLUME.format(raw.name, f"<backingStore><path>{path}</path></backingStore>"), 0)
    assert host.uses().user(path) is None
    host.conn.lookupByName("malicious").undefine()
    host.guest("malicious", raw, disk_format="qcow2")
    assert host.uses().user(path) == f"the base of '{raw}'"


def test_what_is_no_file_is_never_opened(host):
    pipe = host.directory / "pipe"
    os.mkfifo(pipe)
    disk = host.directory / "disk.qcow2"
    disk.write_bytes(qcow2_header(str(pipe)))
    host.guest("malicious", disk)
    # Whoever writes to a pipe gets no further than this until somebody opens it to read.
    writer = threading.Thread(target=pipe.write_bytes, args=(b"",))
    writer.start()
    try:
        assert host.uses().user(str(pipe)) == f"the base of '{disk}'"
        writer.join(0.2)
        assert writer.is_alive()
    finally:
        os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
        writer.join()
