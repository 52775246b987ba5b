# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adapters as PEFT makes them, and what they say. Runs in the environment of the real server."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import peft
import torch
from peft.tuners.lora.corda import preprocess_corda
from peft.tuners.lora.loraga import preprocess_loraga

from tests.real_vllm.peft.bases import BASES
from tests.real_vllm.peft.kinds import PROMPT, Kind

STEP = 0.1  # standard deviation of what training adds to a weight


def trained(kind: Kind, model: Path) -> peft.PeftModel:
    """An adapter of this kind, in memory. Training is one random step of everything that PEFT would train."""
    torch.manual_seed(2)
    base = BASES[kind.base](model)
    config = getattr(peft, f"{kind.method}Config")(task_type="CAUSAL_LM", **kind.config)
    if kind.start in BEFORE:
        BEFORE[kind.start](base, config)
    adapted = peft.get_peft_model(base, config)
    if kind.start in AFTER:
        AFTER[kind.start](adapted)
    if kind.saved == "converted":
        _keep(adapted)
    if not kind.untrained:
        _train(adapted)
    if kind.precision:
        _round(adapted, getattr(torch, kind.precision))
    return adapted.eval()


def _train(adapted: torch.nn.Module) -> None:
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter += STEP * torch.randn_like(parameter)


def _round(adapted: torch.nn.Module, dtype: torch.dtype) -> None:
    """To what a file of this type can hold; the arithmetic stays that of float32, as on the server."""
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.copy_(parameter.to(dtype))


def log_probabilities(model: torch.nn.Module, prompt: tuple[int, ...]) -> list[float]:
    """Of each token of the prompt but the first, after those before it."""
    with torch.no_grad():
        # Prompt tuning answers for its virtual tokens, too, which come first.
        logits = model(input_ids=torch.tensor([prompt])).logits[0, -len(prompt) : -1]
    chosen = torch.tensor(prompt[1:])[:, None]
    return logits.float().log_softmax(-1).gather(1, chosen)[:, 0].tolist()


def _batch() -> dict[str, torch.Tensor]:
    tokens = torch.tensor([PROMPT])
    return {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "labels": tokens}


def _run(base: torch.nn.Module) -> Callable[[], None]:
    def run() -> None:
        base(**_batch())

    return run


def _corda(base: torch.nn.Module, config: peft.LoraConfig) -> None:
    preprocess_corda(base, config, run_model=_run(base))


def _lora_ga(base: torch.nn.Module, config: peft.LoraConfig) -> None:
    def step() -> None:
        base(**_batch()).loss.backward()

    preprocess_loraga(base, config, step)
    base.zero_grad()


def _eva(adapted: peft.PeftModel) -> None:
    peft.initialize_lora_eva_weights(adapted, [_batch()], show_progress_bar=False)


def _combine(adapted: peft.PeftModel) -> None:
    """Two more adapters, trained, and their weighted sum in place of the first."""
    names = ("one", "two")
    for name in names:
        adapted.add_adapter(name, adapted.peft_config["default"])
        adapted.set_adapter(name)
        _train(adapted)
    adapted.delete_adapter("default")
    adapted.add_weighted_adapter(list(names), [0.7, 0.3], "default", combination_type="cat")
    for name in names:
        adapted.delete_adapter(name)
    adapted.set_adapter("default")


def _keep(adapted: peft.PeftModel) -> None:
    """Remember the fresh adapter, which PEFT wants to see again when it converts the trained one to a plain LoRA."""
    directory = tempfile.TemporaryDirectory(prefix="fresh-adapter-")
    config = adapted.peft_config["default"]
    start, config.init_lora_weights = config.init_lora_weights, True
    adapted.save_pretrained(directory.name)
    config.init_lora_weights = start
    adapted.fresh = directory


BEFORE: dict[str, Callable[[torch.nn.Module, peft.LoraConfig], None]] = {"CorDA": _corda, "LoRA-GA": _lora_ga}
"""Done with the base model."""

AFTER: dict[str, Callable[[peft.PeftModel], None]] = {"EVA": _eva, "weighted sum": _combine}
"""Done with the fresh adapter."""
