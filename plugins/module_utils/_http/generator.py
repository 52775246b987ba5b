# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask models for their next token, by the route for completions, or by the chat template where that route is off."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TypeVar

from .._errors import VllmError, quoted
from .._vllm.answers import Answer
from .._vllm.generation import (
    CHAT_ROUTE,
    COMPLETIONS_ROUTE,
    NO_COMPLETIONS,
    Reading,
    chat,
    completion,
    generation_error,
    read_chat,
    read_completion,
    refuses_log_probabilities,
)
from .client import Client

_T = TypeVar("_T")


class _NoLogProbabilities(Exception):
    """The server refuses a request because it asks for log-probabilities."""


class Generator:
    """The models of one server. It remembers which route is on.

    Every method raises :class:`VllmError`, with the code ``no_completions`` where both routes are off.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self.route = COMPLETIONS_ROUTE

    @property
    def url(self) -> str:
        """The address that is asked."""
        return self._client.endpoint.base_url + self.route

    def complete(self, model: str) -> None:
        """Ask for one token. The engine reads an adapter that it has evicted from its path again."""
        payload = {"model": model, "max_tokens": 1}
        chatting = {**payload, "messages": [{"role": "user", "content": "a"}]}
        attempt = f"ask {quoted(model)} for a token"
        self._by_either_route(
            lambda: self._post(COMPLETIONS_ROUTE, {**payload, "prompt": "a"}, attempt),
            lambda: self._post(CHAT_ROUTE, chatting, attempt),
        )

    def read(self, model: str, prompts: Sequence[str], cached: bool = False) -> Reading | None:
        """Return the log-probabilities of the next token of each prompt, or None where the server gives none.

        :param cached: use the prefix cache, as everybody's requests do.
        """
        attempt = f"ask {quoted(model)} for log-probabilities"
        salt = None if cached else secrets.token_hex(8)

        def by_completions() -> Reading | None:
            answer = self._post(COMPLETIONS_ROUTE, completion(model, prompts, salt), attempt)
            return read_completion(answer, len(prompts))

        def by_chat() -> Reading | None:
            return read_chat([self._post(CHAT_ROUTE, chat(model, prompt, salt), attempt) for prompt in prompts])

        try:
            return self._by_either_route(by_completions, by_chat)
        except _NoLogProbabilities:
            return None

    def _by_either_route(self, by_completions: Callable[[], _T], by_chat: Callable[[], _T]) -> _T:
        if self.route == COMPLETIONS_ROUTE:
            try:
                return by_completions()
            except VllmError as error:
                if error.code != NO_COMPLETIONS:
                    raise
            self.route = CHAT_ROUTE
        return by_chat()

    def _post(self, route: str, payload: dict, attempt: str) -> Answer:
        answer = self._client.post(route, payload, attempt)
        if "logprobs" in payload and refuses_log_probabilities(answer):
            raise _NoLogProbabilities()
        if answer.status != 200:
            raise generation_error(answer, attempt)
        return answer
