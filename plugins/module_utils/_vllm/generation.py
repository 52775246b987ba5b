# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two routes that generate text: their requests, and the log-probabilities in their answers.

No request asks for ``prompt_logprobs`` or ``echo``: with ``--enable-lora`` they kill the engine as soon as requests for
several models are in one batch (seen on 0.33.0 on a CPU, vllm-project/vllm#16668). To keep an answer free of the prefix
cache, a request has a ``cache_salt`` that was never used (0.9 and later; before 0.11.1 the cache knows every load by itself).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .._errors import VllmError
from .answers import Answer, completion_error, error_body, refusal

COMPLETIONS_ROUTE = "/v1/completions"
CHAT_ROUTE = "/v1/chat/completions"
#: The code of a server that generates no text, such as one of a model that only pools.
NO_COMPLETIONS = "no_completions"
#: Log-probabilities of that many tokens for each prompt. More than 5 would need more than some servers give.
TOP_TOKENS = 5
_HINT = (
    "name models that generate text, and let any proxy in front of the server pass /v1/completions or "
    "/v1/chat/completions"
)


@dataclass(frozen=True)
class Reading:
    """The log-probabilities of the most likely next tokens, by token, for each prompt."""

    tops: tuple[dict[str, float], ...]

    def rounded(self) -> list[dict[str, float]]:
        """Return plain data for a result."""
        return [{token: round(number, 4) for token, number in top.items()} for top in self.tops]


def completion(model: str, prompts: Sequence[str], salt: str | None = None) -> dict:
    """Return the request for the next token of each prompt."""
    return {"model": model, "prompt": list(prompts), "logprobs": TOP_TOKENS, **_next_token(salt)}


def chat(model: str, prompt: str, salt: str | None = None) -> dict:
    """Return the request for the first token of the answer to a prompt, which the server puts into its chat template."""
    message = {"role": "user", "content": prompt}
    return {"model": model, "messages": [message], "logprobs": True, "top_logprobs": TOP_TOKENS, **_next_token(salt)}


def _next_token(salt: str | None) -> dict:
    request: dict = {"max_tokens": 1, "temperature": 0}
    return {**request, "cache_salt": salt} if salt else request


def generation_error(answer: Answer, attempt: str) -> VllmError:
    """Return the error for a route that generates text and did not answer 200: ``no_completions`` where it is off."""
    said = error_body(answer)
    # The server of a model that only pools has no such routes, or answers 400 or 501 in these words.
    refused = said.origin == "vllm" and "does not support" in said.message and "Completions API" in said.message
    missing = answer.status == 404 and said.origin != "vllm"
    if refused or missing or answer.status == 405:
        return refusal(answer, attempt, NO_COMPLETIONS, _HINT)
    return completion_error(answer, attempt)


def refuses_log_probabilities(answer: Answer) -> bool:
    """Return whether vLLM refuses the request only for its log-probabilities, as with ``--max-logprobs 0``."""
    said = error_body(answer)
    return answer.status == 400 and said.origin == "vllm" and "logprobs" in said.message


def read_completion(answer: Answer, prompts: int) -> Reading | None:
    """Return the log-probabilities of an answer of ``/v1/completions``, or None where they are not all there."""
    choices = _choices(answer)
    if len(choices) != prompts:
        return None
    ordered = sorted(choices, key=_index)
    return _reading([_first(_key(_key(choice, "logprobs"), "top_logprobs")) for choice in ordered])


def read_chat(answers: Sequence[Answer]) -> Reading | None:
    """Return the log-probabilities of answers of ``/v1/chat/completions``, one for each prompt, or None."""
    tops: list[object] = []
    for answer in answers:
        entries = _key(_first(_key(_key(_first(_choices(answer)), "logprobs"), "content")), "top_logprobs")
        if not isinstance(entries, list):
            return None
        tops.append({_key(entry, "token"): _key(entry, "logprob") for entry in entries})
    return _reading(tops)


def reading_of(tops: object) -> Reading | None:
    """Return a reading that was written down, or None if this is none."""
    return _reading(tops) if isinstance(tops, list) and tops else None


def _reading(tops: Sequence[object]) -> Reading | None:
    read = []
    for top in tops:
        if not isinstance(top, dict) or not top:
            return None
        for token, number in top.items():
            if not isinstance(token, str) or isinstance(number, bool) or not isinstance(number, (int, float)):
                return None
            if not math.isfinite(number):
                return None
        read.append({token: float(number) for token, number in top.items()})
    return Reading(tuple(read))


def _choices(answer: Answer) -> list:
    choices = _key(answer.json, "choices")
    return choices if isinstance(choices, list) else []


def _index(choice: object) -> int:
    index = _key(choice, "index")
    return index if isinstance(index, int) else 0


def _key(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else None
