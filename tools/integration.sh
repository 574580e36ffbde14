#!/usr/bin/env bash
# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Run molecule; where it fails, say at the very end what did: it is found there in a log of many thousand lines.
#
#   tools/integration.sh --all | --scenario-name NAME   [further arguments of molecule test]

set -euo pipefail
cd "$(dirname "$0")/.."
log=.build/integration.log
export KVMFLEET_TASK_TIMES=$PWD/.build/task-times.jsonl

# The failed tasks without colours and molecule's frame, the last one last; not those that a scenario ignores.
failures() {
    sed --regexp-extended 's/\x1b\[[0-9;]*m//g; s/^ *│ ?//' "$log" | cut --characters=1-300 | awk '
        function flush() { printf "%s", failure; failure = "" }
        /^TASK \[/ { task = $0 "\n" }
        /^(TASK|PLAY) |^ *$/ { lines = 0 }
        /^(fatal|failed): / { flush(); failure = task; lines = 12 }
        /^\.\.\.ignoring/ { failure = ""; lines = 0 }
        lines-- > 0 { failure = failure $0 "\n" }
        END { flush() }' | tail --lines 40
}

# Without what molecule remembers of a run that was killed, it looks at the lab itself.
rm -rf .build/molecule "$KVMFLEET_TASK_TIMES"
molecule test "$@" 2>&1 | tee "$log" && passed=yes || passed=no
[ ! -e "$KVMFLEET_TASK_TIMES" ] || python3 tools/times.py "$KVMFLEET_TASK_TIMES" | tee --append "$log"
[ "$passed" = no ] || exit 0
printf '\nintegration: failed; the last failures in %s:\n' "$log"
failures
exit 1
