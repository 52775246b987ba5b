# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault at every place of every operation, and what others do meanwhile, by real playbooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cells import WRITING, Cell, Seen, cells_of, run_cells
from .discovery import INVENTORY, list_cells
from .guide import GUIDE, with_tables
from .meddling import BALANCED, MEDDLING, REPLICAS, SECOND_RUN, meddle, run_twice
from .operations import OPERATIONS
from .rules import broken_rules

Others = dict[tuple[str, str], Seen]


@pytest.fixture(scope="module")
def matrix() -> dict[Cell, Seen]:
    """What was seen of the cells so far."""
    return {}


@pytest.fixture(scope="module")
def others() -> Others:
    """What was seen so far when others meddled, by operation and what they did."""
    return {}


@pytest.mark.parametrize("operation", [*OPERATIONS, INVENTORY])
def test_faults(operation: str, matrix: dict[Cell, Seen], artifacts: Path, tmp_path: Path) -> None:
    if operation == INVENTORY:
        seen = list_cells(artifacts, tmp_path)
    else:
        seen = run_cells(cells_of(operation), artifacts, tmp_path)
    matrix.update(seen)
    broken = {
        f"{cell.fault.name} at {cell.place}": rules for cell in seen if (rules := list(broken_rules(cell, seen[cell])))
    }
    assert broken == {}


@pytest.mark.parametrize("operation", REPLICAS)
def test_meddling(operation: str, others: Others, artifacts: Path, tmp_path: Path) -> None:
    expected = {name: rules[operation] for name, (_deed, _when, rules) in MEDDLING.items() if operation in rules}
    expected[BALANCED] = REPLICAS[operation]
    seen = meddle(operation, artifacts, tmp_path)
    others.update({(operation, name): one for name, one in seen.items()})
    assert seen == expected


@pytest.mark.parametrize("operation", WRITING)
def test_two_playbooks_at_once(operation: str, others: Others, artifacts: Path, tmp_path: Path) -> None:
    expected = {name: rules[operation] for name, (_when, rules) in SECOND_RUN.items() if operation in rules}
    seen = run_twice(operation, artifacts, tmp_path)
    others.update({(operation, name): first for name, (first, _second) in seen.items()})
    assert seen == {name: (both, both) for name, both in expected.items()}


def test_guide_says_what_was_seen(matrix: dict[Cell, Seen], others: Others, request: pytest.FixtureRequest) -> None:
    if {cell.operation for cell in matrix} != {*OPERATIONS, INVENTORY} or {one for one, _name in others} != {*REPLICAS}:
        pytest.skip("Only the whole matrix is compared with the guide.")
    text = GUIDE.read_text(encoding="utf-8")
    written = with_tables(text, matrix, others)
    if request.config.getoption("--rewrite-guide"):
        GUIDE.write_text(written, encoding="utf-8")
    else:
        assert text == written, "run: make faults-table"
