# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes tiny LoRA adapters in PEFT's format, good ones and ones that vLLM rejects, without torch.

They fit a Llama with 2 layers of hidden size 64 (2 heads of 32): the tiny model of tests/real_vllm.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

HIDDEN = 64
LAYERS = 2
TARGETS = ("q_proj", "v_proj")


def write_adapter(
    directory: str | Path,
    rank: int = 8,
    base_model: str = "tiny",
    seed: int = 0,
    hidden: int = HIDDEN,
    layers: str = "model.layers",
    zero: bool = False,
    **config: Any,
) -> Path:
    """Write a valid adapter and return its directory as a Path.

    seed: other weights for another seed; rank: of all matrices; hidden: hidden size of the model it is
    for, and one that is larger than the model's makes vLLM refuse it only after it has read it;
    layers: the place of the layers in the names of tensors; the model uses none of another place. zero: lora_B is 0.
    config: further keys of adapter_config.json, or other values for them, such as use_dora=True.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "r": rank,
        "lora_alpha": 2 * rank,
        "lora_dropout": 0.0,
        "target_modules": list(TARGETS),
        "bias": "none",
        "use_dora": False,
        "inference_mode": True,
        **config,
    }
    (directory / "adapter_config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
    (directory / "adapter_model.safetensors").write_bytes(_safetensors(_shapes(rank, hidden, layers), seed, zero))
    return directory


def _shapes(rank: int, hidden: int, layers: str) -> dict[str, list[int]]:
    shapes = {}
    for layer in range(LAYERS):
        for module in TARGETS:
            stem = f"base_model.model.{layers}.{layer}.self_attn.{module}"
            shapes[f"{stem}.lora_A.weight"] = [rank, hidden]
            shapes[f"{stem}.lora_B.weight"] = [hidden, rank]
    return shapes


def _safetensors(shapes: dict[str, list[int]], seed: int, zero: bool) -> bytes:
    numbers = random.Random(seed)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    tensors = bytearray()
    for name, shape in shapes.items():
        start = len(tensors)
        for _number in range(shape[0] * shape[1]):
            # Large enough that another seed makes the tiny model say something else.
            number = numbers.uniform(-0.5, 0.5)
            tensors += struct.pack("<f", 0.0 if zero and ".lora_B." in name else number)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, len(tensors)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(tensors)


def _broken_json(directory: Path) -> None:
    write_adapter(directory)
    (directory / "adapter_config.json").write_text("{not json", encoding="utf-8")


def _no_tensors(directory: Path) -> None:
    write_adapter(directory)
    (directory / "adapter_model.safetensors").unlink()


def _truncated(directory: Path) -> None:
    write_adapter(directory)
    weights = directory / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def _no_config(directory: Path) -> None:
    write_adapter(directory)
    (directory / "adapter_config.json").unlink()


# The names of the adapters that the contract suite asks for, on the stand-in and on a real server.
EXAMPLES: dict[str, Callable[[Path], Any]] = {
    "first": lambda directory: write_adapter(directory, seed=1),
    "second": lambda directory: write_adapter(directory, seed=2),
    "zero": lambda directory: write_adapter(directory, seed=1, zero=True),
    "misnamed": lambda directory: write_adapter(directory, seed=1, layers="language_model.layers"),
    "rank64": lambda directory: write_adapter(directory, rank=64),
    "dora": lambda directory: write_adapter(directory, use_dora=True),
    "bias": lambda directory: write_adapter(directory, bias="all"),
    "oversized": lambda directory: write_adapter(directory, hidden=2 * HIDDEN),
    "broken-json": _broken_json,
    "no-tensors": _no_tensors,
    "no-config": _no_config,
    "truncated": _truncated,
}


def write_examples(directory: str | Path) -> Path:
    """Write all of EXAMPLES below directory, and return it as a Path."""
    for name, write in EXAMPLES.items():
        write(Path(directory) / name)
    return Path(directory)
