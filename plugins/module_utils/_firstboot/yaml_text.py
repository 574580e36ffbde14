# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""YAML, written without a library for it, which a managed host may lack; read with it where the host has it."""

from __future__ import annotations

import json
import re

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors

# JSON is YAML, but for characters that YAML wants escaped, and some that break lines in YAML and not in JSON.
_TO_ESCAPE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def write(value):
    """Return a value of JSON's types as one text that is YAML and JSON alike."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    return _TO_ESCAPE.sub(lambda found: f"\\u{ord(found.group()):04x}", text) + "\n"


def read(option, text):
    """Return what a YAML text says. Raises InvalidInput, which does not repeat the text, and MissingLibrary."""
    try:
        import yaml
    except ImportError as exc:
        raise _errors.MissingLibrary(
            f"{option}: the Python library yaml is missing on the managed host; install python3-yaml there, "
            "or give a mapping instead of a text"
        ) from exc
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise _errors.InvalidInput(f"{option}: it is not valid YAML; {where}{exc.problem}") from exc
    except yaml.YAMLError as exc:
        raise _errors.InvalidInput(
            f"{option}: it is not valid YAML; it has characters that YAML does not allow"
        ) from exc
