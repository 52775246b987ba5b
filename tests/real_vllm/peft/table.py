# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results as a table to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.real_vllm.peft.kinds import Outcome
from tests.real_vllm.peft.measuring import Result

WIDEST = 170


def lines(results: Iterable[Result]) -> Iterator[str]:
    """A line for each kind: what was measured, what we say, and why. A `!` where these two do not agree."""
    yield f"  {'adapter':36} {'vLLM':18} {'verdict':8} why"
    for result in results:
        if result.measured is None:
            yield f"! {result.kind.name:36} PEFT could not make it"
            continue
        verdict = "invalid" if result.problems else "valid"
        why = result.problems[0] if result.problems else result.measured.detail
        line = f"{_mark(result)} {result.kind.name:36} {result.measured.outcome.value:18} {verdict:8} {why}"
        yield line if len(line) <= WIDEST else line[: WIDEST - 3] + "..."


def _mark(result: Result) -> str:
    served = result.measured.outcome is Outcome.SERVED
    if (not result.problems) == served:
        return " "
    return "?" if result.kind.unseen else "!"
