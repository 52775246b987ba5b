# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the guide to faults, from what a run of the suite saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from .catalogue import STATUSES
from .cells import PLACES, Cell, Seen

GUIDE = Path(__file__).parents[2] / "docs/docsite/rst/faults_guide.rst"
BEGIN, END = ".. begin of what the fault suite saw\n", ".. end of what the fault suite saw\n"

Table = list[list[str]]


def with_tables(text: str, matrix: Mapping[Cell, Seen], others: Mapping[tuple[str, str], Seen]) -> str:
    """The text of the guide with these tables between the marks. others: by operation and what others did."""
    head, _begin, rest = text.partition(BEGIN)
    _old, _end, tail = rest.partition(END)
    return "".join([head, BEGIN, *_sections(matrix, others), "\n", END, tail])


def _sections(matrix: Mapping[Cell, Seen], others: Mapping[tuple[str, str], Seen]) -> Iterator[str]:
    for place in PLACES:
        table = _rows({(c.operation, c.fault.name): _text(seen) for c, seen in matrix.items() if c.place == place})
        yield from _section(f"At {place}", _merged(_merged(table, _and), _listed))
    yield from _section("By others", _rows({key: _text(seen) for key, seen in others.items()}))


def _text(seen: Seen) -> str:
    return f"{seen.code or seen.outcome} · {seen.state} · {seen.writes}"


def _rows(cells: Mapping[tuple[str, str], str]) -> Table:
    """A row for each fault and a column for each operation, each with its title."""
    operations = list(dict.fromkeys(operation for operation, _fault in cells))
    faults = dict.fromkeys(fault for _operation, fault in cells)
    return [["", *operations], *([fault, *(cells.get((one, fault), "") for one in operations)] for fault in faults)]


def _and(titles: list[str]) -> str:
    return " and ".join([", ".join(titles[:-1]), titles[-1]]) if len(titles) > 1 else titles[0]


def _listed(titles: list[str]) -> str:
    """The titles, with one for a status that comes to the same with every body."""
    for status in STATUSES:
        bodies = [f"{status} {body}" for body in ("JSON", "HTML", "empty")]
        if set(bodies) <= set(titles):
            titles[titles.index(bodies[0])] = str(status)
            titles = [title for title in titles if title not in bodies]
    return ", ".join(titles)


def _merged(table: Table, joined: Callable[[list[str]], str]) -> Table:
    """The table with columns merged that are the same, and turned over: twice merges rows as well."""
    columns: dict[tuple[str, ...], list[str]] = {}
    first, *others = zip(*table, strict=True)
    for title, *cells in others:
        columns.setdefault(tuple(cells), []).append(title)
    return [list(first), *([joined(titles), *cells] for cells, titles in columns.items())]


def _section(title: str, table: Table) -> Iterator[str]:
    yield f"\n{title}\n{'^' * len(title)}\n\n.. list-table::\n   :header-rows: 1\n   :widths: auto\n\n"
    for row in table:
        for number, cell in enumerate(row):
            mark = "*" if number == 0 else " "
            yield f"   {mark} - {cell}".rstrip() + "\n"
