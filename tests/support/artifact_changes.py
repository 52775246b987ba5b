# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with an adapter: changes to a good one, each a function of its directory."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact

from tests.stand_in import write_adapter

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
Q_PROJ = "base_model.model.model.layers.0.self_attn.q_proj"
A, B = f"{Q_PROJ}.lora_A.weight", f"{Q_PROJ}.lora_B.weight"


def assert_problem(adapter: Path, change: Callable[[Path], Any], problem: str) -> None:
    """An adapter of rank 8 for the base model "tiny", once changed, has this one problem."""
    change(write_adapter(adapter, rank=8))
    result = inspect_artifact(str(adapter), max_rank=16, base_model="tiny")
    assert result["valid"] is False
    (found,) = result["problems"]
    assert problem in found
    assert found.endswith(".") and found.isprintable() and len(found) < 500


def shapes_of(adapter: Path) -> dict[str, list[int]]:
    """Tensor → shape."""
    text = (adapter / WEIGHTS).read_bytes()
    (length,) = struct.unpack("<Q", text[:8])
    return {name: one["shape"] for name, one in json.loads(text[8 : 8 + length]).items() if name != "__metadata__"}


def header_for(shapes: dict[str, list[int]]) -> tuple[dict[str, Any], int]:
    """A header for tensors of 32-bit numbers, one behind the other, and the length of their data."""
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
    return header, end


def rewrite_weights(adapter: Path, shapes: dict[str, list[int]]) -> None:
    """Give the adapter these tensors, full of zeros, in a sparse file."""
    write_weights(adapter, *header_for(shapes))


def write_weights(adapter: Path, header: Any, data_length: int) -> None:
    """Give the adapter a header, as bytes or for JSON, and that many zeros behind it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    with open(adapter / WEIGHTS, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + data_length)


def content(name: str, text: bytes) -> Callable[[Path], Any]:
    """The file holds these bytes."""
    return lambda adapter: (adapter / name).write_bytes(text)


def edited(name: str, old: bytes, new: bytes) -> Callable[[Path], Any]:
    """The file holds other bytes in one place."""
    return lambda adapter: (adapter / name).write_bytes((adapter / name).read_bytes().replace(old, new))


def missing(name: str) -> Callable[[Path], Any]:
    return lambda adapter: (adapter / name).unlink()


def cut(name: str, length: int) -> Callable[[Path], Any]:
    """The file has only its first bytes."""
    return lambda adapter: os.truncate(adapter / name, length)


def longer(name: str, step: int) -> Callable[[Path], Any]:
    """The file has that many bytes more."""
    return lambda adapter: os.truncate(adapter / name, (adapter / name).stat().st_size + step)


def link(name: str, target: str) -> Callable[[Path], Any]:
    """A symbolic link takes the place of the file."""

    def change(adapter: Path) -> None:
        (adapter / name).unlink(missing_ok=True)
        (adapter / name).symlink_to(target)

    return change


def config(**keys: Any) -> Callable[[Path], Any]:
    """The config has these values."""
    return partial(write_adapter, **keys)


def no_config(key: str) -> Callable[[Path], Any]:
    """The config lacks the key."""

    def change(adapter: Path) -> None:
        settings = json.loads((adapter / CONFIG).read_bytes())
        del settings[key]
        (adapter / CONFIG).write_text(json.dumps(settings), encoding="utf-8")

    return change


def tensors(shapes: dict[str, list[int]]) -> Callable[[Path], Any]:
    """The weights are these, and well laid out."""
    return lambda adapter: rewrite_weights(adapter, shapes)


def more_tensors(shapes: dict[str, list[int]]) -> Callable[[Path], Any]:
    return lambda adapter: rewrite_weights(adapter, {**shapes_of(adapter), **shapes})


def pair(module: str, rank: int) -> dict[str, list[int]]:
    """The matrices of a module that turns 64 numbers into 64."""
    return {f"{module}.lora_A.weight": [rank, 64], f"{module}.lora_B.weight": [64, rank]}


def experts(
    layer: str, count: int, names: Iterable[str] = ("gate_proj", "up_proj", "down_proj")
) -> dict[str, list[int]]:
    """Those of so many experts, each of its own."""
    modules = [f"{layer}.experts.{number}.{name}" for number in range(count) for name in names]
    return {name: shape for module in modules for name, shape in pair(module, 8).items()}


def stacked(layer: str, names: Iterable[str] = ("w1", "w2", "w3")) -> dict[str, list[int]]:
    """Those of four experts, in one tensor."""
    modules = [f"{layer}.experts.{name}" for name in names]
    return {name: [4, *shape] for module in modules for name, shape in pair(module, 8).items()}


def both(*changes: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """One change after the other."""
    return lambda adapter: [change(adapter) for change in changes]


def renamed(old: str, new: str) -> Callable[[Path], Any]:
    """Each tensor has another name."""
    return lambda adapter: rewrite_weights(
        adapter, {name.replace(old, new, 1): shape for name, shape in shapes_of(adapter).items()}
    )


def header(text: bytes, data_length: int = 0) -> Callable[[Path], Any]:
    return lambda adapter: write_weights(adapter, text, data_length)


def tensor(**values: Any) -> Callable[[Path], Any]:
    """One tensor of 16 bytes with these values in its description; None removes one."""
    described = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16], **values}
    described = {key: value for key, value in described.items() if value is not None}
    return lambda adapter: write_weights(adapter, {A: described}, 16)


def moved(offset: int) -> Callable[[Path], Any]:
    """The last tensor begins and ends that many bytes later."""

    def change(adapter: Path) -> None:
        described, length = header_for(shapes_of(adapter))
        last = max(described.values(), key=lambda one: one["data_offsets"])
        last["data_offsets"] = [place + offset for place in last["data_offsets"]]
        write_weights(adapter, described, length + offset)

    return change


def floats(dtype: str, bits: int) -> Callable[[Path], Any]:
    """All tensors are of this type."""

    def change(adapter: Path) -> None:
        described, length = header_for(shapes_of(adapter))
        for one in described.values():
            one["dtype"] = dtype
            one["data_offsets"] = [place * bits // 32 for place in one["data_offsets"]]
        write_weights(adapter, described, length * bits // 32)

    return change


def saved_as(name: str) -> Callable[[Path], Any]:
    return lambda adapter: (adapter / WEIGHTS).rename(adapter / name)
