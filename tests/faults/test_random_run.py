# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random declarations, faults, kills and other people's changes: a shorter run than that of `make random-run`."""

from __future__ import annotations

from pathlib import Path

from .by_playbook import play_by_playbook
from .random_run import Figures, play, write_artifacts

SEED = 20261124


def assert_it_met_what_it_is_for(figures: Figures, steps: int) -> None:
    assert figures.steps == steps
    assert figures.faults > steps / 10
    assert {"changed", "ok", "check mode", "unreachable", "artifact_rejected"} < set(figures.outcomes)


def test_no_promise_is_broken(tmp_path: Path) -> None:
    figures = play(600, SEED, write_artifacts(tmp_path))
    assert figures.violations == []
    assert_it_met_what_it_is_for(figures, 600)


def test_no_promise_is_broken_by_playbooks(tmp_path: Path) -> None:
    figures = play_by_playbook(20, 3, SEED, write_artifacts(tmp_path / "artifacts"), tmp_path)
    assert_it_met_what_it_is_for(figures, 60)
