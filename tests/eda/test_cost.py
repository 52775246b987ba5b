# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching 200 endpoints costs little more than asking them. `python -m tests.eda.cost` measures the full minute."""

from __future__ import annotations

from .cost import measure

FLEET = {"endpoints": 200, "adapters": 20, "interval": 2, "seconds": 8}


def test_watching_costs_little_more_than_asking():
    bare, watching = measure(**FLEET, kind="bare"), measure(**FLEET)
    assert watching["events"] == 0
    rounds = (FLEET["seconds"] + 1.5 * FLEET["interval"]) / FLEET["interval"]
    assert watching["requests"] > 0.8 * rounds * FLEET["endpoints"], "it was cheap because it did not ask"
    assert watching["share_of_core"] / watching["requests"] < 4 * bare["share_of_core"] / bare["requests"]
    assert holds_no_more_memory_as_time_goes_on(watching["resident"])


def test_fleet_that_is_down_fills_no_memory():
    watching = measure(**FLEET, kind="dead")
    assert watching["events"] == FLEET["endpoints"]
    assert holds_no_more_memory_as_time_goes_on(watching["resident"])


def holds_no_more_memory_as_time_goes_on(resident: list[int]) -> bool:
    return max(resident[6:]) < 1.05 * max(resident[:6])
