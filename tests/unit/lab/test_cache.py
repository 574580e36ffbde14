# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cache: what is built again when, and from where."""

from __future__ import annotations

from lab import base, bootstrap, network


def test_the_key_of_the_cache_follows_the_recipe():
    assert base.digest(["a", "b"], "x") == base.digest(["a", "b"], "x")
    assert (
        len({base.digest(["a"], "x"), base.digest(["a", "b"], "x"), base.digest(["a"], "y"), base.digest("a", "x")})
        == 4
    )


def test_a_directory_to_build_in_is_empty(tmp_path):
    (tmp_path / "partial" / "left").mkdir(parents=True)
    assert list(base.empty(tmp_path / "partial").iterdir()) == []


def test_the_mirror_is_that_of_debian_itself():
    targets = """\
Google|Packages|https://packages.example.com/apt/
Debian|Debian-Security|http://mirror.example.org/debian-security/
Debian|Debian|http://mirror.example.org/debian/
Debian|Debian|http://other.example.org/debian/
"""
    assert bootstrap.debian_address(targets) == "http://mirror.example.org/debian/"


def test_other_systems_leave_the_mirror_to_mmdebstrap():
    assert bootstrap.debian_address("Ubuntu|Ubuntu|http://mirror.example.org/ubuntu/\n") is None
    assert bootstrap.debian_address("") is None


def test_hosts_get_a_resolver_that_they_can_reach(monkeypatch, tmp_path):
    monkeypatch.setattr(network, "RESOLVER", tmp_path / "resolv.conf")
    monkeypatch.setattr(network, "BEHIND_RESOLVER", tmp_path / "behind.conf")
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.53\n", encoding="utf-8")
    assert network.resolver() == "nameserver 127.0.0.53\n"
    (tmp_path / "behind.conf").write_text("nameserver 192.0.2.1\n", encoding="utf-8")
    assert network.resolver() == "nameserver 192.0.2.1\n"
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.2\n", encoding="utf-8")
    assert network.resolver() == "nameserver 192.0.2.2\n"
