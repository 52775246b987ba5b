# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The routes that generate: texts and log-probabilities that tell with which weights they were made. As 0.32 answers."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from . import answers, logprobs
from .answers import Answer
from .artifacts import Weights
from .engine import Adapter, EngineDead
from .metrics import Metrics
from .registry import Refused, Registry
from .settings import Settings

_BASE = Weights("base", effect="base")


class Completions:
    def __init__(self, registry: Registry, settings: Settings, metrics: Metrics) -> None:
        self.registry = registry
        self.engine = registry.engine
        self.settings = settings
        self.metrics = metrics

    def complete(self, fields: dict[str, Any]) -> Answer:
        """`prompt`: a text, a list of token ids or a list of texts. Raises Refused and EngineDead."""
        prompts = fields["prompt"] if _are_texts(fields["prompt"]) else [fields["prompt"]]
        name, adapter = self._served(fields["model"])
        problem = self._problem(prompts, fields["max_tokens"]) or self._too_many("logprobs", fields["logprobs"])
        if problem:
            return self._bad(*problem)
        choices = []
        for text, positions in self._generate(adapter, [str(prompt) for prompt in prompts], fields):
            told = None if fields["logprobs"] is None else logprobs.of_completion(positions, fields["logprobs"])
            choices.append((text, told))
        return answers.completion(self.registry.profile, name, choices, fields["max_tokens"])

    def chat(self, fields: dict[str, Any]) -> Answer:
        """With the chat template that puts out the messages as they are. Raises Refused and EngineDead."""
        name, adapter = self._served(fields["model"])
        count = fields["top_logprobs"] or 0
        problem = self._too_many("top_logprobs", count)
        if problem:
            return self._bad(*problem)
        prompt = "".join(str(message["content"]) for message in fields["messages"])
        ((text, positions),) = self._generate(adapter, [prompt], fields)
        told = logprobs.of_chat(positions, count) if fields["logprobs"] else None
        return answers.chat_completion(self.registry.profile, name, text, told, fields["max_tokens"])

    def _bad(self, param: str, text: str) -> Answer:
        return answers.error(self.registry.profile, 400, "BadRequestError", text, param)

    def _problem(self, prompts: list[Any], tokens: int) -> tuple[str, str] | None:
        if not all(prompts):
            return "prompt", "Either prompt or prompt_embeds must be provided and non-empty. (parameter=prompt)"
        value = f"(parameter=max_tokens, value={tokens})"
        if tokens < 1:
            return "max_tokens", f"max_tokens must be at least 1, got {tokens}. {value}"
        longest = self.settings.max_model_len
        if tokens > longest:
            text = f"max_tokens={tokens} cannot be greater than max_model_len={longest}."
            return "max_tokens", f"{text} Please request fewer output tokens. {value}"
        return None

    def _too_many(self, param: str, count: int | None) -> tuple[str, str] | None:
        most = self.settings.max_logprobs
        if count is None or count <= most:
            return None
        text = f"Requested sample logprobs of {count}, which is greater than max allowed: {most}"
        return "logprobs", f"{text} (parameter=logprobs, value={count})"

    def _served(self, model: str) -> tuple[str, Adapter | None]:
        """The name, and the adapter of that name, None for a base model. Raises Refused."""
        name = model or self.registry.base_models[0][0]
        if self.registry.is_base(name):
            return name, None
        adapter = self.registry.find(name)
        if adapter is None:
            names = ", ".join(base for base, _root in self.registry.base_models)
            raise Refused("unknown model", f"The model `{name}` does not exist. Valid aliases: {names}.")
        return name, adapter

    def _generate(
        self, adapter: Adapter | None, prompts: list[str], fields: dict[str, Any]
    ) -> list[tuple[str, list[list[tuple[str, float]]]]]:
        """For each prompt a text, and the log-probabilities at each of its tokens.

        The text begins with the first 12 digits of the digest of the weights that made it. Weights that changed under
        way, or a stale prefix cache, give "old+new" there.
        """
        if self.engine.dead:
            raise EngineDead
        with self.metrics.running(adapter):
            first = self.engine.step(adapter) if adapter else _BASE
            time.sleep(self.settings.completion_delay)
            last = self.engine.step(adapter) if adapter else _BASE
        made = []
        for prompt in prompts:
            prefix = self.engine.prefix(adapter, prompt, first, fields["cache_salt"]) if adapter else _BASE
            used = [prefix, first, last]
            source = "+".join(dict.fromkeys(weights.digest[:12] for weights in used))
            words = [
                hashlib.sha256(f"{source} {prompt} {n}".encode()).hexdigest()[:4]
                for n in range(1, fields["max_tokens"])
            ]
            effect = "+".join(dict.fromkeys(weights.effect for weights in used))
            positions = [
                logprobs.top_tokens(effect, f"{prompt} {n}", self.settings.noise) for n in range(fields["max_tokens"])
            ]
            made.append((" ".join([source, *words]), positions))
        return made


def _are_texts(prompt: Any) -> bool:
    return isinstance(prompt, list) and bool(prompt) and all(isinstance(text, str) for text in prompt)
