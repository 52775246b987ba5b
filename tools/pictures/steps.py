# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of the demo that are in the picture."""

from __future__ import annotations

import re

# Drift happens, the audit finds it, and a converge heals it.
_FIRST, _AFTER = "Another client unloads an adapter", "The server is stopped"
_PARTS = re.compile(r"^(?=.*(?:=== |\$ |(?:PLAY|TASK|PLAY RECAP) [\[*]|\[ok\]))", re.MULTILINE)
_ROUTINE = re.compile(r" +(PLAY|TASK) \[")
_TOLD = re.compile("changed:|Show the report")
_LEFT_OUT = "  ..."


def chosen_steps(shown: str) -> str:
    """Return the chosen steps, without the plays and tasks that show nothing new, and with few empty lines."""
    first, after = (re.search(rf"^.*=== \d+\. {heading}", shown, re.MULTILINE) for heading in (_FIRST, _AFTER))
    parts: list[str] = []
    for part in _PARTS.split(shown[first.start() : after.start()]):
        text = re.sub(r"\n\s*\n", "\n", part).rstrip("\n")
        if not _ROUTINE.match(text) or re.search(_TOLD, text):
            parts.append(f"\n{text}" if "=== " in text else text)
        elif parts[-1] != _LEFT_OUT:
            parts.append(_LEFT_OUT)
    return "\n".join(parts).strip("\n")
