# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log-probabilities of next tokens that follow from the weights and the prompt, as a model's do."""

from __future__ import annotations

import hashlib
import math
import random
from typing import Any

TOKENS = [
    " the",
    " a",
    " of",
    " and",
    " river",
    " boat",
    "Paris",
    " is",
    "\n",
    " +",
    " b",
    ":",
    ",",
    ".",
    " you",
    " thank",
    " SELECT",
    " Dear",
    "é",
    "�",
]
_SPREAD = 6.0  # nats between the likeliest and the least likely token, at most


def top_tokens(source: str, prompt: str, noise: float) -> list[tuple[str, float]]:
    """All tokens and their log-probabilities, the likeliest first.

    source: the weights, equal for equal ones; noise: in nats, of batches and GPUs, new for each call.
    """
    scores = {token: _score(f"{source}|{prompt}|{token}") + random.uniform(-noise, noise) for token in TOKENS}
    total = math.log(sum(math.exp(score) for score in scores.values()))
    return sorted(((token, score - total) for token, score in scores.items()), key=lambda pair: -pair[1])


def _score(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48 * _SPREAD


def of_completion(positions: list[list[tuple[str, float]]], count: int) -> dict[str, Any]:
    """The field `logprobs` of a choice of /v1/completions: at least the token itself is listed."""
    likeliest = [pairs[0] for pairs in positions]
    lengths = [len(token) for token, _number in likeliest]
    return {
        "text_offset": [sum(lengths[:n]) for n in range(len(lengths))],
        "token_logprobs": [number for _token, number in likeliest],
        "tokens": [token for token, _number in likeliest],
        "top_logprobs": [dict(pairs[: max(count, 1)]) for pairs in positions],
    }


def of_chat(positions: list[list[tuple[str, float]]], count: int) -> dict[str, Any]:
    """The field `logprobs` of a choice of /v1/chat/completions."""
    content = [{**_entry(pairs[0]), "top_logprobs": [_entry(pair) for pair in pairs[:count]]} for pairs in positions]
    return {"content": content}


def _entry(pair: tuple[str, float]) -> dict[str, Any]:
    token, number = pair
    return {"token": token, "logprob": number, "bytes": list(token.encode())}
