# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kind of adapter is: how PEFT makes it, and what a real vLLM does with it."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

VOCABULARY = 402  # tokens of the tiny model of tests/real_vllm
PROMPT = tuple(random.Random(7).sample(range(2, VOCABULARY), 48))
"""Every adapter is asked for the log-probability of each of these tokens after those before it."""

TIED = "tied"  # the base of kinds that are measured on a server of a model with tied embeddings
MAX_RANK = 16  # --max-lora-rank of the server of tests/real_vllm
SNAPSHOT = "models--acme--adapter/snapshots/0123456789abcdef0123456789abcdef01234567"  # in the cache of the hub
REMOVED = object()  # in place of a value of adapter_config.json: the key is taken out


class Outcome(Enum):
    """What the server does with an adapter."""

    SERVED = "served as trained"  # its log-probabilities are PEFT's
    NO_EFFECT = "no effect"  # it was trained, and the log-probabilities are the base model's
    OTHER = "something else"  # neither, or the server accepts it and cannot answer
    REFUSED = "refused"  # an HTTP error when it is loaded


@dataclass(frozen=True)
class Kind:
    """One way to make an adapter.

    outcome: what vLLM 0.32 does with it, as measured.
    config: what PEFT's configuration is given, beside the defaults of `method`.
    base: the model that is trained, one of bases.BASES.
    start: what is done with the fresh adapter before training, one of training.BEFORE or training.AFTER.
    untrained: the adapter is saved as PEFT creates it, without effect.
    precision: of the weights on disk, in torch's words, where it is not float32.
    saved: how it is written, one of saving.SAVES.
    inside: where in what was written the adapter lies.
    edited: keys of adapter_config.json that are written anew afterwards.
    renamed: a regular expression and what takes its place in the names of tensors.
    prompt: tokens.
    unseen: why its files cannot show what is wrong with it; then it is valid, although vLLM does not serve it as trained.
    """

    name: str
    outcome: Outcome
    config: Mapping[str, Any] = field(default_factory=dict)
    method: str = "Lora"
    base: str = "tiny"
    start: str = ""
    untrained: bool = False
    precision: str = ""
    saved: str = "save_pretrained"
    inside: str = "."
    edited: Mapping[str, Any] = field(default_factory=dict)
    renamed: tuple[str, str] | None = None
    prompt: tuple[int, ...] = PROMPT
    unseen: str = ""

    @property
    def slug(self) -> str:
        """The name of its directory, and of the adapter on the server."""
        return re.sub(r"\W+", "-", self.name).strip("-")


def lora(targets: Any = ("q_proj", "v_proj"), **config: Any) -> dict[str, Any]:
    """The arguments of a LoraConfig: rank 8, alpha 16."""
    targets = list(targets) if isinstance(targets, tuple) else targets
    return {"r": 8, "lora_alpha": 16, "target_modules": targets, **config}
