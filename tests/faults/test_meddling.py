# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Others act between two requests of a real playbook: people, restarts, a second playbook, and a load balancer."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cells import WRITING
from .meddling import MEDDLING, REPLICAS, SECOND_RUN, meddle, run_twice


@pytest.mark.parametrize("operation", REPLICAS)
def test_meddling(operation: str, artifacts: Path, tmp_path: Path) -> None:
    expected = {name: rules[operation] for name, (_deed, _when, rules) in MEDDLING.items() if operation in rules}
    expected["Two replicas behind one address"] = REPLICAS[operation]
    assert meddle(operation, artifacts, tmp_path) == expected


@pytest.mark.parametrize("operation", WRITING)
def test_two_playbooks_at_once(operation: str, artifacts: Path, tmp_path: Path) -> None:
    expected = {name: rules[operation] for name, (_when, rules) in SECOND_RUN.items() if operation in rules}
    assert run_twice(operation, artifacts, tmp_path) == {name: (seen, seen) for name, seen in expected.items()}
