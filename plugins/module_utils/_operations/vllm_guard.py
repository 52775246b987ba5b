# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module that puts a guard in front of a server."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace as replaced
from typing import ClassVar

from .._errors import invalid_option, quoted
from .._http.guard_probe import configuration_in_effect
from .._vllm.guard import NAME, Guard, guard_of
from .._vllm.guard_text import configuration_text, generation_in, keys_text
from .._vllm.routes import ACCESS
from .guard_files import Content, GuardFiles, Nginx, replace
from .operation import Operation

_DIRECTORY = re.compile(r"/[A-Za-z0-9._@+/-]*")
_LONGEST_WAIT = 600


class GuardOperation(Operation):
    """Put a guard in front of a server, or remove it."""

    options: ClassVar = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "name": {"type": "str", "default": "vllm"},
        "listen": {"type": "list", "elements": "str", "default": ["0.0.0.0:8443"]},
        "upstream": {"type": "str", "default": "http://127.0.0.1:8000"},
        "upstream_key": {"type": "str", "no_log": True},
        "user_keys": {"type": "list", "elements": "str", "default": [], "no_log": True},
        "admin_keys": {"type": "list", "elements": "str", "default": [], "no_log": True},
        "admin_networks": {"type": "list", "elements": "str", "default": []},
        "certificate": {"type": "path"},
        "certificate_key": {"type": "path", "no_log": False},
        "plain_http": {"type": "bool", "default": False},
        "max_body_size": {"type": "str", "default": "32m"},
        "read_timeout": {"type": "int", "default": 600},
        "routes": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "path": {"type": "str", "required": True},
                "methods": {"type": "list", "elements": "str", "default": ["POST"]},
                "access": {"type": "str", "choices": list(ACCESS), "required": True},
            },
        },
        "directory": {"type": "path", "default": "/etc/nginx/conf.d"},
        "test_command": {"type": "list", "elements": "str", "default": ["/usr/sbin/nginx", "-t"]},
        "reload_command": {
            "type": "list",
            "elements": "str",
            "default": ["systemctl", "reload-or-restart", "nginx.service"],
        },
        "wait": {"type": "int", "default": 10},
    }

    def run(self, options: Mapping, check_mode: bool) -> dict:
        """Run ``vllm_guard``.

        :raises VllmError: nothing has changed then, unless the message says so.
        """
        files, nginx = _checked_files(options), _checked_commands(options)
        guard = guard_of(options) if options["state"] == "present" else None
        old = files.read()
        new, digest = Content(None, None), None
        if guard:
            text, digest = configuration_text(guard, files.keys)
            new = Content(text, _keys(guard, old.keys))
            answer = f"{digest}-{generation_in(new.keys or '')}"
            # Without a look at the answers, only the files count.
            nginx = replaced(nginx, in_effect=lambda: configuration_in_effect(guard) == answer, wait=options["wait"])
        changed = old != new or not files.is_settled or bool(nginx.wait and not nginx.in_effect())
        if changed and not check_mode:
            replace(files, old, new, nginx)
        return {
            "changed": changed,
            "configuration": files.configuration,
            "keys_file": files.keys,
            "digest": digest,
            "diff": _diff(files, old, new),
        }


def _keys(guard: Guard, old: str | None) -> str:
    """Return the file with the keys. Other keys get another random name, by which their first answer is known."""
    same = keys_text(guard, generation_in(old or "") or "0")
    return same if same == old else keys_text(guard, secrets.token_hex(6))


def _checked_files(options: Mapping) -> GuardFiles:
    directory, name = options["directory"], options["name"]
    if not _DIRECTORY.fullmatch(directory):
        advice = "give an absolute path without blanks and quotes"
        raise invalid_option("directory", f"is {quoted(directory)}", advice)
    if not NAME.fullmatch(name):
        raise invalid_option("name", f"is {quoted(name)}", "use small letters, digits and underscores")
    return GuardFiles(directory, name)


def _checked_commands(options: Mapping) -> Nginx:
    for name in ("test_command", "reload_command"):
        if not options[name] or not options[name][0].strip():
            raise invalid_option(name, "names no program", "give the program and its arguments as a list")
    if not 0 <= options["wait"] <= _LONGEST_WAIT:
        raise invalid_option("wait", "must be from 0 to 600", "give a number of seconds")
    return Nginx(options["test_command"], options["reload_command"])


def _diff(files: GuardFiles, old: Content, new: Content) -> list:
    """Return the differences. Of the keys, only that they differ."""
    return [
        {
            "before_header": files.configuration,
            "after_header": files.configuration,
            "before": old.configuration or "",
            "after": new.configuration or "",
        },
        {
            "before_header": files.keys,
            "after_header": files.keys,
            "before": _words(old.keys, "the old keys"),
            "after": _words(new.keys, "the old keys" if old.keys == new.keys else "the new keys"),
        },
    ]


def _words(keys: str | None, words: str) -> str:
    return "" if keys is None else f"({words}, not shown)\n"
