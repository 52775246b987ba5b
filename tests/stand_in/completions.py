# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""POST /v1/completions: a text that tells which weights it was made with. Fields and messages are those of 0.32."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from . import answers
from .answers import Answer
from .engine import Adapter, EngineDead
from .registry import Refused, Registry
from .settings import Settings


class Completions:
    def __init__(self, registry: Registry, settings: Settings) -> None:
        self.registry = registry
        self.engine = registry.engine
        self.settings = settings

    def complete(self, model: str, prompt: Any, tokens: int) -> Answer:
        """prompt: a text or a list of token ids. Raises Refused and EngineDead."""
        name = model or self.registry.base_models[0][0]
        adapter = self._served(name)
        problem = self._problem(prompt, tokens)
        if problem:
            param, text = problem
            return answers.error(self.registry.profile, 400, "BadRequestError", text, param)
        return answers.completion(self.registry.profile, name, self._generate(adapter, str(prompt), tokens), tokens)

    def _problem(self, prompt: Any, tokens: int) -> tuple[str, str] | None:
        if not prompt:
            return "prompt", "Either prompt or prompt_embeds must be provided and non-empty. (parameter=prompt)"
        value = f"(parameter=max_tokens, value={tokens})"
        if tokens < 1:
            return "max_tokens", f"max_tokens must be at least 1, got {tokens}. {value}"
        longest = self.settings.max_model_len
        if tokens > longest:
            text = f"max_tokens={tokens} cannot be greater than max_model_len={longest}."
            return "max_tokens", f"{text} Please request fewer output tokens. {value}"
        return None

    def _served(self, model: str) -> Adapter | None:
        """The adapter called `model`, None for a base model. Raises Refused."""
        if self.registry.is_base(model):
            return None
        adapter = self.registry.find(model)
        if adapter is None:
            names = ", ".join(name for name, _root in self.registry.base_models)
            raise Refused("unknown model", f"The model `{model}` does not exist. Valid aliases: {names}.")
        return adapter

    def _generate(self, adapter: Adapter | None, prompt: str, tokens: int) -> str:
        """A text that begins with the first 12 digits of the digest of the weights that made it.

        Weights that changed under way, or a stale prefix cache, give "old+new" there.
        """
        if self.engine.dead:
            raise EngineDead
        if adapter is None:
            time.sleep(self.settings.completion_delay)
            source = "base"
        else:
            first = self.engine.step(adapter).digest
            time.sleep(self.settings.completion_delay)
            used = [self.engine.prefix_digest(adapter, prompt, first), first, self.engine.step(adapter).digest]
            source = "+".join(dict.fromkeys(digest[:12] for digest in used))
        words = [hashlib.sha256(f"{source} {prompt} {n}".encode()).hexdigest()[:4] for n in range(1, tokens)]
        return " ".join([source, *words])
