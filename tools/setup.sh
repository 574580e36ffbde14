#!/usr/bin/env bash
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Set up the machine for developing and testing: packages, the system user of the embedded QEMU driver, the virtual
# environment, cloud-init's Python package, definitions of guests that other tools made, and the path that Ansible wants a
# collection at. Running it again takes a second and changes nothing.
#
#   tools/setup.sh [NAME...]   with further environments, made of requirements/NAME.txt; `cores` are all of core-*.txt
#                              that an interpreter can run
#
#   KVMFLEET_CACHE   where the virtual environment is kept; /var/cache/kvmfleet
#   PYTHON           the interpreter it is made with; Debian's /usr/bin/python3
#   PYTHONS          directories with further interpreters for the cores, separated by colons
#
# .build/venv then leads to the environment, .build/venv-NAME to further ones, and .build/collections is a collection
# path that has this clone.

set -euo pipefail
cd "$(dirname "$0")/.."

cache=${KVMFLEET_CACHE:-/var/cache/kvmfleet}
python=${PYTHON:-/usr/bin/python3}
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo --preserve-env=DEBIAN_FRONTEND)

say() { printf 'setup: %s\n' "$*"; }

packages() {
    local wanted missing=() package
    mapfile -t wanted < <(grep -v '^#' requirements/apt.txt | grep .)
    for package in "${wanted[@]}"; do
        [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get update -o DPkg::Lock::Timeout=300 --quiet --quiet
    # What packages say is worth reading only when one fails.
    "${as_root[@]}" apt-get install -o DPkg::Lock::Timeout=300 --quiet --quiet --yes --no-install-recommends "${missing[@]}" \
        >.build/apt.log 2>&1 || { cat .build/apt.log && return 1; }
}

# libvirt's QEMU driver, embedded too, refuses to start as root without the user that its package for daemons makes.
qemu_user() {
    getent passwd libvirt-qemu >/dev/null && return 0
    say "making the system user libvirt-qemu"
    "${as_root[@]}" useradd --system --user-group --no-create-home --shell /usr/sbin/nologin libvirt-qemu
}

cache_directory() {
    [ -d "$cache" ] && [ -w "$cache" ] && return 0
    "${as_root[@]}" install --directory --owner "$(id -u)" --group "$(id -g)" "$cache"
}

# An environment that was not finished is without its mark and is made anew. The real interpreter is taken,
# not a shim that chooses one by the environment variables of the moment.
virtual_environment() {
    local requirements=requirements/$1.txt link=$2 real key venv
    real=$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')
    # Further environments may take over the versions of dev.txt.
    key=$({ "$real" --version && echo "$real" && cat requirements/dev.txt "$requirements"; } | sha256sum | cut --characters=1-12)
    venv=$cache/venv-$1-$key
    (
        flock 9
        [ -e "$venv/complete" ] && exit 0
        say "making the virtual environment $venv"
        rm -rf "$venv"
        "$real" -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
        touch "$venv/complete"
    ) 9>"$cache/venv.lock"
    ln --symbolic --force --no-dereference "$venv" "$link"
}

# Print the first interpreter that is new enough for a version of ansible-core.
interpreter_for() {
    local oldest=$1 candidate candidates
    IFS=: read -r -a candidates <<<"${PYTHONS:-}"
    for candidate in "$python" "${candidates[@]/%//python3}"; do
        if "$candidate" -c "import sys; sys.exit(sys.version_info < tuple(map(int, '$oldest'.split('.'))))"; then
            echo "$candidate" && return
        fi
    done
    return 1
}

# An environment for each supported version of ansible-core. A link to one that can't be made any more would lie.
cores() {
    local requirements name oldest found
    for requirements in requirements/core-*.txt; do
        name=$(basename "$requirements" .txt)
        oldest=$(sed --quiet 's/^ansible-core.*python_version >= "\(.*\)"$/\1/p' "$requirements")
        if found=$(interpreter_for "$oldest"); then
            python=$found virtual_environment "$name" ".build/venv-$name"
        else
            say "$name is not tested here: it needs Python $oldest (PYTHONS=DIRECTORY names an interpreter's directory)"
            rm --force ".build/venv-$name"
        fi
    done
}

collection_path() {
    mkdir -p .build/collections/ansible_collections/kvmfleet
    ln --symbolic --force --no-dereference "$PWD" .build/collections/ansible_collections/kvmfleet/compute
}

# Tests read what we make for guests with cloud-init. Installed as a package, it would set up this machine.
cloud_init() {
    [ -e .build/cloud-init/cloudinit ] && return 0
    local made=$cache/cloud-init parts
    if [ ! -e "$made" ]; then
        say "unpacking cloud-init into $made"
        parts=$(mktemp --directory --tmpdir="$cache")
        local download=(env --chdir="$parts" apt-get download --quiet --quiet -o APT::Sandbox::User=root cloud-init)
        "${download[@]}" || { "${as_root[@]}" apt-get update --quiet --quiet && "${download[@]}"; }
        dpkg-deb --extract "$parts"/cloud-init_*.deb "$parts/root"
        mv --no-target-directory "$parts/root/usr/lib/python3/dist-packages" "$made" || [ -e "$made" ]
        rm -rf "$parts"
    fi
    ln --symbolic --force --no-dereference "$made" .build/cloud-init
}

# The address of Debian's main archive that this machine itself uses; nothing where its apt has read no lists yet.
debian_mirror() {
    "$python" -c 'from lab.bootstrap import mirror; print(mirror() or "")'
}

# Definitions of guests that we did not make: the test data of libvirt and of virt-install, from Debian's source packages. One
# release for every machine, so that each has the same tests.
foreign_definitions() {
    local release=trixie made parts package address
    made=$cache/foreign-$release
    if [ ! -e "$made" ]; then
        say "unpacking the definitions of other tools into $made"
        address=$(debian_mirror)
        [ -n "$address" ] || { "${as_root[@]}" apt-get update --quiet --quiet && address=$(debian_mirror); }
        [ -n "$address" ] || { say "apt has no source of Debian's main archive" && return 1; }
        parts=$(mktemp --directory --tmpdir="$cache")
        mkdir -p "$parts"/{lists/partial,foreign/libvirt,foreign/virt-install}
        echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $address $release main" \
            >"$parts/sources.list"
        # Lists and cache of its own: the machine's sources stay as they are, and root is not needed.
        local apt=(env --chdir="$parts" apt-get --quiet --quiet -o "Dir::Etc::sourcelist=$parts/sources.list"
            -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$parts/lists" -o "Dir::Cache=$parts"
            -o APT::Sandbox::User=root -o Acquire::Languages=none)
        "${apt[@]}" update
        for package in libvirt virt-manager; do
            "${apt[@]}" source --download-only --tar-only "$package" >/dev/null
        done
        tar --extract --file="$(echo "$parts"/libvirt_*.orig.tar.*)" --directory="$parts/foreign/libvirt" \
            --strip-components=3 --wildcards '*/tests/qemuxmlconfdata/*.xml'
        tar --extract --file="$(echo "$parts"/virt-manager_*.orig.tar.*)" --directory="$parts/foreign/virt-install" \
            --strip-components=5 --wildcards '*/tests/data/cli/compare/virt-install-*.xml'
        mv --no-target-directory "$parts/foreign" "$made" || [ -e "$made" ]
        rm -rf "$parts"
    fi
    ln --symbolic --force --no-dereference "$made" .build/foreign
}

mkdir -p .build
packages
qemu_user
cache_directory
collection_path
cloud_init
foreign_definitions
virtual_environment dev .build/venv
for name; do
    if [ "$name" = cores ]; then cores; else virtual_environment "$name" ".build/venv-$name"; fi
done
