# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on two models, with and without noise."""

from __future__ import annotations

import random

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.effect import (
    FEWEST_READINGS,
    MOST_READINGS,
    distance,
    has_effect,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.generation import Reading

TOKENS = ("a", "b", "c", "d", "e")


def reading(shift: float = 0.0, noise: float = 0.0, seed: int = 0) -> Reading:
    """Of four prompts. A shift moves every second token."""
    numbers = random.Random(seed)
    tops = [
        {token: -n - shift * (n % 2) + numbers.uniform(-noise, noise) for n, token in enumerate(TOKENS)}
        for _prompt in range(4)
    ]
    return Reading(tuple(tops))


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ({"a": -1.0, "b": -2.0}, {"a": -1.0, "b": -2.0}, 0.0),
        ({"a": -1.0, "b": -2.0}, {"a": -1.5, "b": -2.0}, 0.5),
        # Near the end of a list, a token can give way to another that is as likely.
        ({"a": -1.0, "b": -2.0}, {"a": -1.0, "c": -2.0}, 0.0),
        ({"a": -1.0, "b": -1.5}, {"c": -1.0, "d": -3.0}, 2.0),
    ],
)
def test_distance(one: dict[str, float], other: dict[str, float], apart: float) -> None:
    assert distance(Reading((one,)), Reading((other,))) == pytest.approx(apart)
    assert distance(Reading((other,)), Reading((one,))) == pytest.approx(apart)


def verdicts(shift: float, noise: float, seed: int) -> list[bool | None]:
    """As the module asks, until there is a verdict."""
    base: list[Reading] = []
    adapter: list[Reading] = []
    given: list[bool | None] = []
    for n in range(MOST_READINGS):
        base.append(reading(0.0, noise, seed * 1000 + 2 * n))
        adapter.append(reading(shift, noise, seed * 1000 + 2 * n + 1))
        given.append(has_effect(base, adapter))
        if given[-1] is not None:
            break
    return given


@pytest.mark.parametrize(
    ("shift", "noise", "verdict", "readings"),
    [
        (0.0, 0.0, False, 1),  # equal to the last digit
        (1.0, 0.0, True, FEWEST_READINGS),
        (1.0, 0.02, True, FEWEST_READINGS),
        (0.01, 0.0, True, MOST_READINGS),  # little, but there is no noise
        (0.0, 0.02, False, MOST_READINGS),
        (0.0, 0.5, False, MOST_READINGS),
        (0.1, 0.05, True, MOST_READINGS),
    ],
)
def test_verdict(shift: float, noise: float, verdict: bool, readings: int) -> None:
    for seed in range(20):
        given = verdicts(shift, noise, seed)
        assert given[-1] is verdict, seed
        assert len(given) == readings, seed


def test_two_values_of_noise_are_no_effect() -> None:
    """Noise often has few values, one for each size of a batch, so both models can have the same ones."""
    one, other = reading(0.0), reading(0.05)
    assert has_effect([one, other], [other, one]) is False
