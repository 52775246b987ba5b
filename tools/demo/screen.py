# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The output of the demo: at most 100 columns, colour only on a terminal."""

from __future__ import annotations

import os
import re
import sys
import textwrap

WIDTH = 80
COLUMNS = 98  # of output, without its indentation
_COLOUR = re.compile(r"\033\[[0-9;]*m")


def has_colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _coloured(text: str, code: str) -> str:
    return f"\033[{code}m{text}\033[0m" if has_colour() else text


def without_colour(text: str) -> str:
    """The text without the sequences that colour it on a terminal."""
    return _COLOUR.sub("", text)


def heading(text: str) -> None:
    print(f"\n{_coloured(f'=== {text} '.ljust(WIDTH, '='), '1')}", flush=True)


def say(text: str) -> None:
    print(textwrap.fill(text, WIDTH), flush=True)


def shell(command: str) -> None:
    print(f"\n{_coloured('$ ' + command, '1;36')}", flush=True)


def quote(text: str) -> None:
    """Output of something else, indented. Lines that are too wide go on in the next one."""
    for line in text.rstrip("\n").split("\n"):
        print(textwrap.indent("\n".join(_folded(line)), "  "), flush=True)


def _folded(line: str) -> list[str]:
    if len(without_colour(line)) < COLUMNS:
        return [line]
    return textwrap.wrap(line, COLUMNS, subsequent_indent="    ", break_on_hyphens=False)


def verified(text: str) -> None:
    print(_coloured(f"\n[ok] {text}", "32"), flush=True)
