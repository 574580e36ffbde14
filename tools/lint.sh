#!/usr/bin/env bash
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Everything that can be said about the collection without running it. All checks run, as many at a time as the machine
# has processors; the ones that fail are named at the end.
#
#   PYTHONS   directories with further interpreters for the sanity tests, separated by colons

set -uo pipefail
cd "$(dirname "$0")/.." || exit
root=$PWD

# ansible-test takes every python3.N on the PATH, and cannot work with shims that choose one by the environment.
export PATH=$PWD/.build/venv/bin:${PYTHONS:+$PYTHONS:}/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin
sources=$PWD/.build/lint
collection=$sources/ansible_collections/kvmfleet/compute
processors=$(nproc)

# Run a check beside the others; what it says is shown at its end.
check() {
    while [ "$(jobs -rp | wc -l)" -ge "$processors" ]; do
        wait -n
    done
    run "$@" &
}

run() {
    local output begun=$SECONDS outcome=ok
    output=$("$@" 2>&1) || outcome=FAILED
    [ "$outcome" = ok ] || echo "$1 ${2:-} ${3:-}" >>"$sources/failed"
    printf '== %s: %s, %d s\n%s\n' "$*" "$outcome" $((SECONDS - begun)) "$output"
}

# The tools look at a repository at a collection path, ansible-test at no path that leads through a link.
copy_sources() {
    rm -rf "$sources" && mkdir -p "$collection" || return
    git ls-files -z --cached --others --exclude-standard \
        | rsync --archive --from0 --files-from=- --ignore-missing-args ./ "$collection/" || return
    git -C "$collection" init --quiet
}

get_pip() {
    local version file
    version=$(sed --quiet "s/^ *pip='\([0-9.]*\)',/\1/p" \
        .build/venv/lib/python3.*/site-packages/ansible_test/_internal/python_requirements.py)
    file=$HOME/.ansible/test/cache/get_pip_${version//./_}.py
    [ -e "$file" ] || install -D --mode 0644 tools/get_pip.py "$file"
}

# It looks for its own tools on the PATH. ansible-lint has a check of its own here, a stricter one.
import_collection() {
    cd "$sources" || return
    PATH=$root/.build/venv-importer/bin:$PATH GALAXY_IMPORTER_RUN_ANSIBLE_LINT=false \
        python -m galaxy_importer.main kvmfleet-compute-*.tar.gz
}

copy_sources && get_pip || exit
cd "$collection" || exit
export ANSIBLE_COLLECTIONS_PATH=$sources

run ansible-galaxy collection build --force --output-path "$sources"
# The longest first.
check ansible-test sanity --test pylint
check ansible-test sanity --skip-test pylint
check ansible-lint --offline --strict
check antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs all .
check import_collection
check ruff check --no-cache --output-format concise .
check ruff format --no-cache --check .
check mypy --cache-dir "$root/.build/mypy"
check yamllint --strict .
check antsibull-changelog lint
wait

[ ! -e "$sources/failed" ] || { sed 's/^/lint: failed: /' "$sources/failed" && exit 1; }
