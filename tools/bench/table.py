# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures as text."""

from __future__ import annotations


def milliseconds(time: float) -> str:
    return f"{time * 1000:.1f} ms"


def seconds(time: float) -> str:
    return f"{time:.2f} s"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Columns aligned, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        for row in (head, *rows)
    ]
    return "\n".join("  " + "  ".join(line).rstrip() for line in lines)
