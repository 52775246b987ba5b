# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare log-probabilities: are two models different, although the same model does not always give the same numbers?

Batches and GPUs make noise: the same weights give slightly different numbers in another batch. So the base model is
measured as often as the adapter, in turn, and the noise between readings of one model is the yardstick.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from .generation import Reading

#: Readings of each model before the first verdict, and before the last one.
FEWEST_READINGS = 3
MOST_READINGS = 8
# Nats. Noise of 16-bit numbers is smaller. A difference that is larger, and this many times the noise, is clear at once.
_CLEAR = 0.1
_TIMES_THE_NOISE = 5


def distance(one: Reading, other: Reading) -> float:
    """Return the largest difference of a token's log-probabilities, in nats.

    A token that only one reading names is at most as likely in the other as the least likely token there.
    """
    pairs = zip(one.tops, other.tops)
    return max((abs(_of(token, a) - _of(token, b)) for a, b in pairs for token in {**a, **b}), default=0.0)


def _of(token: str, top: dict[str, float]) -> float:
    return top.get(token, min(top.values()))


def has_effect(base: Sequence[Reading], adapter: Sequence[Reading]) -> bool | None:
    """Return whether the adapter differs from its base model, or None if more readings are needed to tell.

    Numbers that are all equal, to the last digit, come from the same weights. After the last reading, the two models
    differ if no other division of all readings into two halves sets them further apart: by chance, noise alone does
    that in 1 of 6435 cases.

    :param base, adapter: equally many readings, taken in turn.
    """
    if any(one == other for one in base for other in adapter):
        return False
    if len(base) < FEWEST_READINGS:
        return None
    noise = max(_distances(combinations(base, 2)), _distances(combinations(adapter, 2)))
    apart = min(distance(one, other) for one in base for other in adapter)
    if apart > max(_CLEAR, _TIMES_THE_NOISE * noise):
        return True
    return _are_two_groups(base, adapter) if len(base) >= MOST_READINGS else None


def _distances(pairs: Iterable[tuple[Reading, Reading]]) -> float:
    return max(distance(one, other) for one, other in pairs)


def _are_two_groups(base: Sequence[Reading], adapter: Sequence[Reading]) -> bool:
    """Test by permutation, which assumes nothing about the noise."""
    vectors = _vectors([*base, *adapter])
    products = [[sum(a * b for a, b in zip(one, other)) for other in vectors] for one in vectors]
    everything = range(len(vectors))
    true_half = tuple(everything[: len(base)])
    truth = _gap(products, true_half)
    # One half names the division; those that hold the first reading name each division once.
    others = (half for half in combinations(everything, len(base)) if 0 in half and half != true_half)
    return all(_gap(products, half) < truth for half in others)


def _vectors(readings: Sequence[Reading]) -> list[list[float]]:
    """Return each reading as differences from the first one, in one order of all tokens that any reading names."""
    count = len(readings[0].tops)
    names = [list({token: 0 for reading in readings for token in reading.tops[n]}) for n in range(count)]
    vectors = [[_of(token, reading.tops[n]) for n in range(count) for token in names[n]] for reading in readings]
    return [[number - first for number, first in zip(vector, vectors[0])] for vector in vectors]


def _gap(products: Sequence[Sequence[float]], half: Sequence[int]) -> float:
    """Return the squared distance between the sums of the two halves, from the vectors' inner products."""
    signs = [1 if row in half else -1 for row in range(len(products))]
    return sum(a * b * number for a, row in zip(signs, products) for b, number in zip(signs, row))
