# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each cell of the matrix has to come to, by rule."""

from __future__ import annotations

from collections.abc import Iterator

from .cells import Cell, Seen
from .discovery import INVENTORY
from .judgement import OFFLINE
from .operations import IN_PLACE, OPERATIONS

STEPS_OF_A_SWAP = ("the unload in a swap", "the load in a swap")


def broken_rules(cell: Cell, seen: Seen) -> Iterator[str]:
    """Say which rules do not hold."""
    code = expected_code(cell)
    if seen.code != code:
        yield f"code {seen.code}, not {code}"
    outcome = expected_outcome(cell, code)
    if seen.outcome != outcome:
        yield f"{seen.outcome}, not {outcome}"
    state = expected_state(cell, code)
    if seen.state != state:
        yield f"served as {seen.state}, not {state}"
    most = most_writes(cell, code)
    if seen.writes > most:
        yield f"{seen.writes} writes, not {most} at most"


def expected_code(cell: Cell) -> str | None:
    """The code of the fault where it hits; none where the request is sent again with better luck."""
    if "reading" in cell.place:
        return cell.fault.read
    if cell.place == "the unload in a swap":
        return None if cell.fault.passing else cell.fault.unload
    if cell.place == "the load in a swap":
        # A load is only sent again where it certainly did not happen.
        return None if cell.fault.load == "throttled" else cell.fault.load
    return cell.fault.unload if cell.operation == "unload" else cell.fault.load


def expected_outcome(cell: Cell, code: str | None) -> str:
    if code is None:
        return "changed"
    # A host of the inventory is in one of two groups.
    return "unreachable" if code in OFFLINE or cell.operation == INVENTORY else "failed"


def expected_state(cell: Cell, code: str | None) -> str:
    """As before, unless what was declared took effect before the fault."""
    operation = OPERATIONS.get(cell.operation, OPERATIONS["info"])
    cut_off = cell.fault.name == "cut off"
    state = "before"
    if code is None:
        state = "declared"
    elif cell.place == "every later reading":
        # A swap first looks for its rehearsal; what stands beside it in a set goes on unless the server has gone.
        if not operation.swaps:
            state = "declared"
        elif cell.operation == "set" and code not in OFFLINE:
            state = "partly"
    elif cell.place == "the load in a swap" and cut_off and cell.operation != IN_PLACE:
        state = "missing"  # the one gap that a swap by two requests has
    left = cut_off and operation.swaps and cell.place in (*STEPS_OF_A_SWAP, "every later reading")
    if operation.before == operation.after and state == "declared":
        state = "before"
    return state + (" + rehearsal" if left else "")


def most_writes(cell: Cell, code: str | None) -> int:
    """A refused write is sent once more at most, and a swap that goes wrong is tidied up."""
    operation = OPERATIONS.get(cell.operation, OPERATIONS["info"])
    if cell.place == "the first reading":
        return 0
    if cell.place in STEPS_OF_A_SWAP:
        # A refused load in place is made up for by a swap.
        return operation.writes + (4 if cell.operation == IN_PLACE else 2)
    if cell.place == "every later reading":
        return min(operation.writes, 3)
    if code is None:
        return operation.writes
    return 4 if cell.operation.startswith("set") else 2
