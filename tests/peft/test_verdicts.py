# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An adapter is valid exactly if a real vLLM serves it as PEFT trained it.

An adapter that was never trained, and so has no effect in PEFT either, is served as it is. One that was trained and is
scaled by 0 has no effect, in PEFT neither: nobody wants to serve that, so it is not valid.
"""

from __future__ import annotations

import pytest

from tests.peft.catalogue import KINDS
from tests.peft.conftest import Result, Sides
from tests.peft.kinds import PROMPT, Kind, Outcome
from tests.peft.measuring import TOLERANCE, distance


def test_both_run_the_same_base_model(sides: Sides) -> None:
    assert len(sides.base) == len(PROMPT) - 1
    assert distance(sides.base, sides.truths["base model"]["log_probabilities"]) <= TOLERANCE


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_verdict_is_what_was_measured(kind: Kind, results: dict[str, Result]) -> None:
    result = results[kind.name]
    assert result.error is None, result.error
    assert result.measured.outcome is kind.outcome, result.measured.detail
    served = result.measured.outcome is Outcome.SERVED
    assert (not result.problems) == served, [result.measured, *result.problems]
