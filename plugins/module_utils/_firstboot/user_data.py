# Copyright (c) 2026, kvmfleet developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""User data and vendor data: what kind they are of, whether they can be read, and how they are joined with our own. Pure.

Source: cloud-init, "User data formats" and "Merging user data sections".
"""

from __future__ import annotations

from hashlib import sha256

from ansible_collections.kvmfleet.compute.plugins.module_utils import _errors
from ansible_collections.kvmfleet.compute.plugins.module_utils._firstboot import yaml_text

# What OpenStack takes, so that what works here works there.
LIMIT = 65535
CLOUD_CONFIG = "#cloud-config"
# How a text begins, the longer ones first, and the MIME type by which cloud-init knows its kind.
KINDS = (
    ("## template: jinja", "jinja2"),
    ("#cloud-config-archive", "cloud-config-archive"),
    ("#cloud-config-jsonp", "cloud-config-jsonp"),
    (CLOUD_CONFIG, "cloud-config"),
    ("#cloud-boothook", "cloud-boothook"),
    ("#include-once", "x-include-once-url"),
    ("#include", "x-include-url"),
    ("#part-handler", "part-handler"),
    ("#!", "x-shellscript"),
)
MIME_BEGINNINGS = ("content-type:", "mime-version:")
# How texts begin that are for others: Ignition, and any other that reads JSON; cloudbase-init.
FOREIGN_BEGINNINGS = ("{", "#ps1", "rem cmd", "<powershell>", "<script>")
# The user's own part comes first and keeps what it says; lists get longer.
MERGE = "list(append)+dict(no_replace,recurse_list)+str()"


def parse(option, given):
    """Return user data or vendor data as a text, None when there is none; a mapping becomes a cloud-config.

    A byte order mark, and the line ends of Windows in what Linux reads, are left out.
    Raises InvalidInput, and MissingLibrary when YAML can't be checked. Neither repeats the data.
    """
    if given is None or given == "":
        return None
    if isinstance(given, dict):
        text = cloud_config(given)
    elif isinstance(given, str):
        text = _normalised(given)
        if text is None:
            return None
    else:
        raise _errors.InvalidInput(f"{option}: a text or a mapping is needed, not a {type(given).__name__}")
    size = len(encode(option, text))
    if size > LIMIT:
        raise _errors.InvalidInput(f"{option}: it has {size} bytes; {LIMIT} bytes are allowed")
    if not _is_read(text):
        raise _errors.InvalidInput(
            f"{option}: cloud-init ignores it, as its first line does not say the kind; begin it with #cloud-config, #!/bin/sh or "
            "another header of cloud-init, without a space after the # and nothing before it, or with MIME-Version: 1.0"
        )
    if isinstance(given, str) and kind(text) == "cloud-config":
        content = yaml_text.read(option, text)
        if content is not None and not isinstance(content, dict):
            raise _errors.InvalidInput(
                f"{option}: a cloud-config is a mapping of YAML, this one is a {type(content).__name__}"
            )
    if "\0" in text:
        raise _errors.InvalidInput(f"{option}: it has null characters; a text has none")
    return text


def encode(option, text):
    """Return a text as bytes. Raises InvalidInput, which does not repeat it."""
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise _errors.InvalidInput(f"{option}: it is not valid UTF-8") from exc


def _normalised(given):
    text = given[1:] if given.startswith("\ufeff") else given
    if not text.strip():
        return None
    # MIME has these line ends, and so may have what is for Windows.
    return text if kind(text) in (None, "mime") else text.replace("\r\n", "\n")


def _is_read(text):
    """Tell whether anybody is known to read a text; cloud-init wants a MIME message's version near its beginning."""
    found = kind(text)
    if found == "mime":
        return "mime-version:" in text[:4096].lower()
    return found is not None or text.lstrip().lower().startswith(FOREIGN_BEGINNINGS)


def cloud_config(content):
    """Return a mapping as the text of a cloud-config."""
    return f"{CLOUD_CONFIG}\n{yaml_text.write(content)}"


def kind(text):
    """Return the kind of a text, such as cloud-config; mime for a message of MIME, None when cloud-init knows none."""
    beginning = text.lstrip()[:24].lower()
    if beginning.startswith(MIME_BEGINNINGS):
        return "mime"
    return next((name for begins, name in KINDS if beginning.startswith(begins)), None)


def joined(option, text, content):
    """Return one text of user data and of our own cloud-config, either of which may be empty; None when both are.

    Raises InvalidInput when what the text is can't be joined with anything.
    """
    if not content:
        return text
    if text is None:
        return cloud_config(content)
    if kind(text) is None:
        raise _errors.InvalidInput(
            f"{option}: users, passwords, files and disks are set up by cloud-init, which does not know this kind of data; "
            "its first line has to say the kind, such as #cloud-config or #!/bin/sh"
        )
    return _message(text, cloud_config(content))


def _message(text, own):
    """Both as a MIME message whose bytes depend on nothing else. Only guests with both need the library."""
    import email
    from email.mime.multipart import MIMEMultipart
    from email.mime.text import MIMEText

    boundary = sha256(f"{text}\0{own}".encode()).hexdigest()
    message = MIMEMultipart(boundary=f"=={boundary[:40]}==")
    message.attach(email.message_from_string(text) if kind(text) == "mime" else MIMEText(text, kind(text), "utf-8"))
    part = MIMEText(own, "cloud-config", "utf-8")
    part["Merge-Type"] = MERGE
    message.attach(part)
    return message.as_string()
