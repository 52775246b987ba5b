# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What vLLM's engine checks when it reads an adapter directory, in its order and with its words.

Source: vllm/lora/peft_helper.py, lora_model.py and utils.py of 0.32.0. `peft_type` is not looked at there. Of the formats
for tensors only safetensors is known here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The linear layers of a Llama, under their names in a checkpoint.
MODULES = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "embed_tokens", "lm_head"}
# Their names in the tiny model. A tensor of another name is loaded without a word, and never used.
_LAYER = re.compile(
    r"model\.layers\.[01]\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)|model\.embed_tokens|lm_head"
)


class AdapterNotFound(Exception):
    """There is no adapter_config.json at the path."""


class AdapterRejected(Exception):
    """The engine refuses what lies there; the text is vLLM's."""


@dataclass(frozen=True)
class Weights:
    """What was read: `digest` is the SHA-256 of configuration and tensors, in hexadecimal.

    misfit: why the tensors do not go into the layers, in torch's words; empty if they do.
    effect: names what the adapter does to the model, "base" if it does nothing.
    """

    digest: str
    misfit: str = ""
    effect: str = "base"


def read_adapter(path: str, max_rank: int, hidden: int) -> Weights:
    """Read the adapter at `path`. What is neither absolute nor there would be fetched from a hub: not found here.

    Raises AdapterNotFound or AdapterRejected. Tensors that do not fit are reported by `misfit`, since vLLM notices only
    when it copies them into the layers, after it has registered the adapter.
    """
    directory = Path(os.path.expanduser(path))
    try:
        text = (directory / "adapter_config.json").read_bytes()
    except FileNotFoundError:
        raise AdapterNotFound(path) from None
    except OSError as error:
        raise AdapterRejected(str(error)) from None
    _check_config(text, max_rank)
    tensors = directory / "adapter_model.safetensors"
    if not tensors.is_file():
        raise AdapterRejected(f"{directory} doesn't contain tensors")
    content = tensors.read_bytes()
    try:
        misfit = _check_tensors(content, directory, max_rank, hidden)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise AdapterRejected(f"Error while deserializing header: {error}") from None
    return Weights(hashlib.sha256(text + content).hexdigest(), misfit, _effect(json.loads(text), content))


def _effect(config: dict[str, Any], content: bytes) -> str:
    """A digest of what is added to the layers: lora_B times lora_A, times lora_alpha through r."""
    header = _header(content)
    start = 8 + struct.unpack("<Q", content[:8])[0]
    added = []
    for name in sorted(header):
        module = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        pair = [header.get(f"{name.removesuffix('.lora_A.weight')}.{side}.weight") for side in ("lora_A", "lora_B")]
        if not name.endswith(".lora_A.weight") or not _LAYER.fullmatch(module) or None in pair:
            continue
        matrices = [content[start + one["data_offsets"][0] : start + one["data_offsets"][1]] for one in pair if one]
        if all(any(matrix) for matrix in matrices) and config["lora_alpha"]:
            added.append(module.encode() + b"".join(matrices))
    scale = config["lora_alpha"] / config["r"]
    return hashlib.sha256(f"{scale}".encode() + b"".join(added)).hexdigest() if added else "base"


def _check_config(text: bytes, max_rank: int) -> None:
    try:
        config = json.loads(text)
    except ValueError as error:
        raise AdapterRejected(str(error)) from None
    if not isinstance(config, dict):
        raise AdapterRejected("list indices must be integers or slices, not str")
    missing = {"r", "lora_alpha", "target_modules"} - set(config)
    if missing:
        raise AdapterRejected(f"Missing required configuration fields: {missing}")
    if not isinstance(config["r"], int) or config["r"] <= 0:
        raise AdapterRejected(f"LoRA rank `r` must be a positive integer, got {config['r']}.")
    problems = []
    saved = [name for name in config.get("modules_to_save") or () if name not in ("classifier", "score")]
    if saved:
        problems.append(
            "vLLM only supports modules_to_save being either None or "
            f'["classifier", "score"] for classification models. Unsupported modules_to_save: {saved}'
        )
    if config.get("use_dora"):
        problems.append("vLLM does not yet support DoRA.")
    rank = max([config["r"], *(config.get("rank_pattern") or {}).values()])
    if rank > max_rank:
        problems.append(f"LoRA rank {rank} is greater than max_lora_rank {max_rank}.")
    if config.get("bias", "none") != "none":
        problems.append("Adapter bias is not supported.")
    if problems:
        raise AdapterRejected(" ".join(problems))


def _check_tensors(content: bytes, directory: Path, max_rank: int, hidden: int) -> str:
    unexpected = []
    misfit = ""
    for name, tensor in _header(content).items():
        parts = name.removeprefix("base_model.model.").split(".")
        if len(parts) < 3 or parts[-1] != "weight" or parts[-2] not in ("lora_A", "lora_B"):
            raise AdapterRejected(f"{name} is unsupported LoRA weight")
        if parts[-3] not in MODULES:
            unexpected.append(".".join(parts[:-2]))
        # Only these layers are known to have the hidden size on both sides.
        room = hidden if parts[-3] in ("q_proj", "v_proj", "o_proj") else 1 << 62
        misfit = misfit or _misfit(tensor["shape"], (max_rank, room) if parts[-2] == "lora_A" else (room, max_rank))
    if unexpected:
        raise AdapterRejected(
            f"While loading {directory}, expected target modules in {MODULES} but received {unexpected}. "
            "Please verify that the loaded LoRA module is correct"
        )
    return misfit


def _misfit(shape: list[int], room: tuple[int, int]) -> str:
    """What torch says of a tensor that is larger than its place. A smaller one is loaded, and serves garbage."""
    for dimension in (1, 0):
        if shape[dimension] > room[dimension]:
            sizes = f"size of tensor a ({room[dimension]}) must match the size of tensor b ({shape[dimension]})"
            return f"The {sizes} at non-singleton dimension {dimension}"
    return ""


def _header(content: bytes) -> dict[str, Any]:
    """The table of tensors of a safetensors file. The messages are those of the safetensors library."""
    if len(content) < 8:
        raise AdapterRejected("Error while deserializing header: header too small")
    (length,) = struct.unpack("<Q", content[:8])
    if length > len(content) - 8:
        raise AdapterRejected("Error while deserializing header: invalid header length")
    try:
        header = json.loads(content[8 : 8 + length])
    except ValueError as error:
        raise AdapterRejected(f"Error while deserializing header: invalid JSON in header: {error}") from None
    header.pop("__metadata__", None)
    end = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
    if 8 + length + end != len(content):
        raise AdapterRejected("Error while deserializing header: incomplete metadata, file not fully covered")
    return header
