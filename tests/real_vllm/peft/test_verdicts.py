# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An adapter is valid exactly if a real vLLM serves it as PEFT trained it.

An adapter that was never trained has no effect in PEFT either: it is served as it is, and valid. One that was trained and
is scaled by 0 has no effect in PEFT either, but nobody trains for that: it is not valid.
"""

from __future__ import annotations

import pytest

from tests.real_vllm.peft.catalogue import KINDS
from tests.real_vllm.peft.kinds import Kind, Outcome
from tests.real_vllm.peft.measuring import Result


def test_every_kind_has_a_place_of_its_own() -> None:
    assert len({kind.slug.lower() for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_verdict_is_what_was_measured(kind: Kind, results: dict[str, Result]) -> None:
    result = results[kind.name]
    assert not result.error
    assert result.measured.outcome is kind.outcome, result.measured.detail
    valid = result.measured.outcome is Outcome.SERVED or bool(kind.unseen)
    assert (not result.problems) == valid, [result.measured, *result.problems]
