# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The little YAML that a diff needs: a node may have no YAML library, and what a server says has to stay on its line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ._errors import printable

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+-]*")
_NOT_A_STRING = frozenset(("true", "false", "yes", "no", "on", "off", "y", "n", "null"))


def as_yaml(key: str, items: Sequence[Mapping[str, str | None]]) -> str:
    """Return a YAML document that holds a list of flat mappings under ``key``."""
    if not items:
        return f"{key}: []\n"
    lines = [f"{key}:"]
    for item in items:
        for number, (name, value) in enumerate(item.items()):
            lines.append(f"{'    ' if number else '  - '}{name}: {_scalar(value)}")
    return "\n".join(lines) + "\n"


def _scalar(value: str | None) -> str:
    if value is None:
        return "null"
    if _PLAIN.fullmatch(value) and value.lower() not in _NOT_A_STRING:
        return value
    # Python's escapes of invisible characters are YAML's as well.
    return '"' + printable(value.replace("\\", "\\\\").replace('"', '\\"')) + '"'
