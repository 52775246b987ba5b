# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the guide to the guard, from what requests to every route came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs/docsite/rst/guard_guide.rst"
BEGIN, END = ".. begin of what the tests of the guard saw\n", ".. end of what the tests of the guard saw\n"
_COLUMNS = [
    f"{key}, {network}" for key in ("No key", "User key", "Admin key") for network in ("elsewhere", "admin network")
]


def with_table(text: str, seen: Mapping[str, Sequence[str]]) -> str:
    """Return the text of the guide with the table between its marks.

    seen: by path, what a request came to in each column.
    """
    head, _begin, rest = text.partition(BEGIN)
    _old, _end, tail = rest.partition(END)
    rows: dict[tuple[str, ...], list[str]] = {}
    for route, results in seen.items():
        rows.setdefault(tuple(results), []).append(f"``{route}``")
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 40 10 10 10 10 10 10", "", "   * - Routes"]
    lines += [f"     - {column}" for column in _COLUMNS]
    for results, routes in rows.items():
        lines.append(f"   * - {', '.join(routes)}")
        lines += [f"     - {result}" for result in results]
    return "".join([head, BEGIN, "\n", "\n".join(lines), "\n\n", END, tail])
