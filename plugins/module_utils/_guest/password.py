# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Hand a password to a program that changes the user, without a terminal to watch for its prompt.

What a command reads is sent before it runs. Whether sudo asks for a password is not known then: where it does not, the
command itself would read the password. So a last line follows it, and the command begins behind that one.
"""

from __future__ import annotations

import secrets

# Without quotes, as it comes into a command that is quoted already. sudo, su and the shell read no further than to the line's end.
_SKIP = "while read -r line ; do case $line in {end} ) break ;; esac ; done ; "


def with_password(command, stdin, success, password):
    """Return the command line and its standard input with the password before what the command itself reads.

    success: the word that the command prints when it runs as the other user, as Ansible's become plugins have it. A command
    without it changes no user, and gets no password.
    """
    before, found, after = command.partition(f"echo {success} ; ")
    if not found:
        return command, stdin
    end = f"kvmfleet-{secrets.token_hex(8)}"
    return before + found + _SKIP.format(end=end) + after, password + b"\n" + end.encode() + b"\n" + stdin
