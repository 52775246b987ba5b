# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models that adapters are trained on. Runs in the environment of the real server."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, LlamaForCausalLM

from tests.real_vllm.peft.kinds import TIED, VOCABULARY

# Dynamo would compile what is asked once. The wrappers, whose names matter, are there without it.
torch._dynamo.config.disable = True


class Wrapped(torch.nn.Module):
    """A module inside of another one, under the name that a trainer's wrapper gives it."""

    def __init__(self, module: torch.nn.Module, name: str) -> None:
        super().__init__()
        self._name = name
        self.add_module(name, module)

    def forward(self, *args, **kwargs):
        return getattr(self, self._name)(*args, **kwargs)


@cache
def _loaded(model: Path) -> LlamaForCausalLM:
    return AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()


def tiny(model: Path) -> torch.nn.Module:
    """A model that a server serves."""
    return copy.deepcopy(_loaded(model))


def _layers(wrap: Callable[[torch.nn.Module], torch.nn.Module]) -> Callable[[Path], torch.nn.Module]:
    def wrapped(model: Path) -> torch.nn.Module:
        base = tiny(model)
        layers = base.model.layers
        for index, layer in enumerate(layers):
            layers[index] = wrap(layer)
        return base

    return wrapped


def _sibling(**sizes: int) -> Callable[[Path], torch.nn.Module]:
    """A model of the same architecture in another size, under another name."""

    def sibling(model: Path) -> torch.nn.Module:
        config = copy.deepcopy(_loaded(model).config)
        for key, value in sizes.items():
            setattr(config, key, value)
        config.name_or_path = ""
        torch.manual_seed(1)
        base = LlamaForCausalLM(config).eval()
        base.name_or_path = base.config._name_or_path = "acme/sibling"
        return base

    return sibling


def _gpt2(_model: Path) -> torch.nn.Module:
    torch.manual_seed(1)
    sizes = {"n_positions": 128, "n_embd": 64, "n_layer": 2, "n_head": 2, "vocab_size": VOCABULARY}
    base = GPT2LMHeadModel(GPT2Config(**sizes, initializer_range=0.3)).eval()
    base.name_or_path = base.config._name_or_path = "acme/gpt2"
    return base


def _grown(model: Path) -> torch.nn.Module:
    """With two more tokens than the server knows."""
    base = tiny(model)
    torch.manual_seed(1)
    base.resize_token_embeddings(VOCABULARY + 2, mean_resizing=False)
    return base


def write_tied(model: Path, directory: Path) -> None:
    """Write the same model with one matrix for embed_tokens and lm_head."""
    base = tiny(model)
    base.config.tie_word_embeddings = True
    base.lm_head.weight = base.model.embed_tokens.weight
    base.to(torch.bfloat16).save_pretrained(directory)
    AutoTokenizer.from_pretrained(model).save_pretrained(directory)


BASES: dict[str, Callable[[Path], torch.nn.Module]] = {
    "tiny": tiny,
    "compiled": lambda model: torch.compile(tiny(model)),
    "compiled layers": _layers(torch.compile),
    "checkpointed layers": _layers(checkpoint_wrapper),
    "layers in _checkpoint_wrapped_module": _layers(lambda layer: Wrapped(layer, "_checkpoint_wrapped_module")),
    "layers in _fsdp_wrapped_module": _layers(lambda layer: Wrapped(layer, "_fsdp_wrapped_module")),
    "layers in module": _layers(lambda layer: Wrapped(layer, "module")),
    "wider": _sibling(hidden_size=128, intermediate_size=256, head_dim=64),
    "narrower": _sibling(hidden_size=32, intermediate_size=64, head_dim=16),
    "deeper": _sibling(num_hidden_layers=3),
    "gpt2": _gpt2,
    "two more tokens": _grown,
    TIED: tiny,
}
