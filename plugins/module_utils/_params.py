# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The parameters of a module, as they come in: what is secret in them, and text and numbers that nothing could use. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.common.validation import check_type_bool, check_type_dict, check_type_int, check_type_list
from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors

Values = dict[str, Any]

# What is shown in place of a secret; the first is AnsibleModule's own word.
HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
_MASK = "********"
# A shorter value is hidden where the task gives it, and nowhere else: a file's content `1` would make asterisks of all numbers.
SHORTEST_SECRET = 8

# Passwords and tokens in URLs, and what libvirt's XML has of secrets, in any text.
_IN_TEXT = re.compile(
    r"""://[^/\s:@'"]*:([^/\s'"]+)@
    |[?&][\w-]*(?:token|sig|signature|passwd|password|secret|api_?key)=([^&\s#'"]+)
    |\bpassw(?:or)?d\s*=\s*"([^"]+)"
    |\bpassw(?:or)?d\s*=\s*'([^']+)'
    |<cookie\b[^>]*>([^<]+)<""",
    re.VERBOSE | re.IGNORECASE,
)
# The end of an XPath that selects a secret.
_SECRET_PATH = re.compile(r"(passw(or)?d|cookie|secret)\W*(text\(\)\s*)?$", re.IGNORECASE)
# Options that a module does not have, such as one that is misspelt.
_SECRET_NAME = re.compile(r"pass|secret|token|credential|hash|luks|content|stdin", re.IGNORECASE)

# Text that is handed on as it is, to a file, a program or a cipher.
_EXACT = {"argv", "cmd", "console", "content", "content_base64", "luks_key", "stdin", "user_data", "vendor_data"}
# Text that may have several lines.
_LINES = {"add", "description", "dh_cert", "metadata", "properties", "session", "set"}
# Control characters, and what XML can't have.
_UNUSABLE = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]")
_UNUSABLE_IN_LINES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LARGEST = 2**63 - 1


def find_secrets(options: Values, params: Values) -> set[str]:
    """Return the secret values in the parameters of a task, be they valid or not; `options` is the argument spec."""
    found: set[str] = set()
    _hidden(options, params, found)
    return found


def hide(options: Values, params: Values) -> Values:
    """Return parameters as they may be shown."""
    return _hidden(options, params, set())


def redact(text: str) -> str:
    """Return a text without the passwords of URLs in it."""
    return str(_masked(text, set()))


def long_enough(secrets: set[str]) -> set[str]:
    """Return the secrets that are looked for in all that a module says, as they are, and as Python writes them."""
    found = {secret for secret in secrets if len(secret.strip()) >= SHORTEST_SECRET}
    return found | {repr(secret)[1:-1] for secret in found}


def _hidden(options: Values, params: Values, found: set[str]) -> Values:
    hidden = {}
    for name, value in params.items():
        option = options.get(name)
        if value is None or name.startswith("_ansible_"):
            hidden[name] = value
        elif _is_secret(name, option, params):
            found.update(_texts(value))
            hidden[name] = HIDDEN
        elif option is not None and "options" in option:
            hidden[name] = _hidden_below(option, value, found)
        else:
            hidden[name] = _masked(value, found)
    return hidden


def _is_secret(name: str, option: Values | None, params: Values) -> bool:
    if option is None:
        return bool(_SECRET_NAME.search(name))
    # What xml_patch sets is as secret as its place.
    return bool(option.get("no_log") or (name == "set" and _SECRET_PATH.search(str(params.get("xpath")))))


def _hidden_below(option: Values, value: Any, found: set[str]) -> Any:
    """Hide what is secret in suboptions, which may be given as text: JSON, or key=value."""
    if isinstance(value, (list, tuple)):
        return [_hidden_below(option, item, found) for item in value]
    if isinstance(value, dict):
        return _hidden(option["options"], value, found)
    if not isinstance(value, str):
        return value
    try:
        return _hidden(option["options"], check_type_dict(value), found)
    except (TypeError, ValueError):
        pass
    # Nobody knows what is what in it.
    if _has_secrets(option["options"]):
        found.add(value)
        return HIDDEN
    return _masked(value, found)


def _has_secrets(options: Values) -> bool:
    return any(option.get("no_log") or _has_secrets(option.get("options", {})) for option in options.values())


def _masked(value: Any, found: set[str]) -> Any:
    """Return a value of any kind without the secrets that are in its texts."""
    if isinstance(value, str):
        for match in _IN_TEXT.finditer(value):
            found.update(group for group in match.groups() if group)
        value = _IN_TEXT.sub(_mask, value)
        # AnsibleModule logs text as UTF-8, which has no lone surrogates.
        return value.encode("utf-8", "backslashreplace").decode() if _SURROGATE.search(value) else value
    if isinstance(value, dict):
        return {key: _masked(item, found) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(item, found) for item in value]
    return value


def _mask(match: re.Match[str]) -> str:
    secret = next(group for group in match.groups() if group)
    return match.group().replace(secret, _MASK)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool) and str(value):
        yield str(value)


def explain(options: Values, params: Values, prefix: str = "") -> str | None:
    """Say which value has not the type that its option has, or is none of its choices; None when there is no such value.

    AnsibleModule's own words leave out the path of the option, and of some options even the name.
    """
    for name, value in params.items():
        if value is not None and name in options:
            try:
                _check_type(f"{prefix}{name}", options[name], value)
            except _errors.InvalidInput as exc:
                return exc.message
    return None


def _check_type(path: str, option: Values, value: Any) -> None:
    kind, choices = option.get("type", "str"), option.get("choices")
    try:
        value = _CONVERSIONS.get(kind, lambda same: same)(value)
    except (TypeError, ValueError):
        allowed = _NEEDED[kind]
        if kind == "dict" and "options" in option:
            allowed += f" of {', '.join(sorted(option['options']))}"
        _refuse(path, option, value, f"{allowed} is needed")
    if kind in ("str", "path") and isinstance(value, (dict, list)):
        # Ansible would take what Python writes of it.
        _refuse(path, option, value, "text is needed")
    if kind == "list":
        for index, item in enumerate(value):
            _check_type(f"{path}[{index}]", dict(option, type=option.get("elements", "raw")), item)
    elif kind == "dict" and "options" in option:
        message = explain(option["options"], value, f"{path}.")
        if message:
            raise _errors.InvalidInput(message)
    elif choices is not None and str(value) not in map(str, choices) and not isinstance(value, bool):
        _refuse(path, option, value, f"one of {', '.join(map(str, choices))} is needed")


_CONVERSIONS = {"bool": check_type_bool, "dict": check_type_dict, "int": check_type_int, "list": check_type_list}
_NEEDED = {"bool": "true or false", "dict": "a mapping", "int": "a whole number", "list": "a list"}


def _refuse(path: str, option: Values, value: Any, why: str) -> None:
    """Raise InvalidInput, which shows the value unless it may be secret."""
    if option.get("no_log") or _has_secrets(option.get("options", {})):
        raise _errors.InvalidInput(f"{path}: the value is not allowed; {why}")
    raise _errors.InvalidInput.of(path, value, why)


def check(options: Values, params: Values, prefix: str = "") -> None:
    """Refuse text and numbers that nothing can use; take the line breaks off the end of text. Changes the parameters.

    They are those that Ansible has validated against `options`. `prefix` is the path of options that they are below.
    Raises InvalidInput.
    """
    for name, option in options.items():
        value, path = params.get(name), f"{prefix}{name}"
        if "options" not in option:
            params[name] = _checked(path, name, option, value)
        elif isinstance(value, dict):
            check(option["options"], value, f"{path}.")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                check(option["options"], item, f"{path}[{index}].")


def _checked(path: str, name: str, option: Values, value: Any) -> Any:
    if isinstance(value, str):
        return _checked_text(path, name, option, value)
    if isinstance(value, list):
        return [_checked(f"{path}[{index}]", name, option, item) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {
            _checked_text(f"the keys of {path}", "", option, key) if isinstance(key, str) else key: _checked(
                f"{path}.{_errors.shorten(str(key))}", name, option, item
            )
            for key, item in value.items()
        }
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise _errors.InvalidInput.of(path, value, f"a number is {_LARGEST} at most")
    return value


def _checked_text(path: str, name: str, option: Values, text: str) -> str:
    if name in _EXACT:
        unusable = _SURROGATE.search(text)
    elif name in _LINES:
        text = text.replace("\r\n", "\n").rstrip("\n")
        unusable = _UNUSABLE_IN_LINES.search(text) or _SURROGATE.search(text)
    else:
        text = text.rstrip("\r\n")
        unusable = _UNUSABLE.search(text) or _SURROGATE.search(text)
    if unusable is None:
        return text
    character = f"U+{ord(unusable.group()):04X}"
    _refuse(path, option, text, f"it has the {_kind(unusable.group())} {character}")
    return text


def _kind(character: str) -> str:
    if character in "\r\n":
        return "line break"
    if _SURROGATE.match(character):
        return "lone surrogate"
    return "control character" if character < "\ufffe" else "character"
