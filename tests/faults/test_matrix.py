# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault at every place of every operation, by real playbooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cells import Cell, Seen, cells_of, run_cells
from .operations import OPERATIONS
from .rules import broken_rules


@pytest.fixture(scope="module")
def matrix() -> dict[Cell, Seen]:
    return {}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_faults(operation: str, matrix: dict[Cell, Seen], artifacts: Path, tmp_path: Path) -> None:
    seen = run_cells(cells_of(operation), artifacts, tmp_path)
    matrix.update(seen)
    broken = {
        f"{cell.fault.name} at {cell.place}": rules for cell in seen if (rules := list(broken_rules(cell, seen[cell])))
    }
    assert broken == {}
