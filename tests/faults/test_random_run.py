# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random declarations, faults, kills and other people's changes: a few hundred steps of what `make random-run` does."""

from __future__ import annotations

from pathlib import Path

from .random_run import STEPS_OF_AN_EPISODE, play, write_artifacts

STEPS = 600
SEED = 20261124


def test_no_promise_is_broken(tmp_path: Path) -> None:
    figures = play(STEPS, SEED, write_artifacts(tmp_path))
    assert figures.violations == []
    assert figures.steps == STEPS // STEPS_OF_AN_EPISODE * STEPS_OF_AN_EPISODE
    # It met what it is for.
    assert figures.faults > STEPS / 10
    assert {"changed", "ok", "check mode", "unreachable", "not_vllm", "artifact_rejected"} < set(figures.outcomes)
