# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hundreds of damaged files: none raises, and none is valid that a second, simple reader refuses."""

from __future__ import annotations

import json
import math
import random
import struct
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact

from tests.stand_in import write_adapter
from tests.support.artifact_changes import CONFIG, WEIGHTS

SEEDS = range(300)
PIECES = [b" ", *rb'" { } [ ] , : 0 - 999999999999999999999999999999 \ \ud800 null 1e9'.split(), b"\xff"]


def damaged(content: bytes, numbers: random.Random) -> bytes:
    """Content after one to four changes, most of them in the first 600 bytes: the header, not the numbers."""
    result = bytearray(content)
    for _change in range(numbers.randint(1, 4)):
        at = numbers.randrange(min(len(result), numbers.choice([9, 600, 600, len(content)])) + 1)
        kind = numbers.choice(["insert", "replace", "delete", "repeat", "cut", "flip"])
        if kind == "insert":
            result[at:at] = numbers.choice(PIECES)
        elif kind == "replace":
            piece = numbers.choice(PIECES)
            result[at : at + len(piece)] = piece
        elif kind == "delete":
            del result[at : at + numbers.randint(1, 20)]
        elif kind == "repeat":
            result[at:at] = result[at : at + numbers.randint(1, 200)]
        elif kind == "cut" and numbers.random() < 0.2:
            del result[at:]
        elif kind == "flip" and at < len(result):
            result[at] ^= 1 << numbers.randrange(8)
    return bytes(result)


def is_well_laid_out(content: bytes) -> bool:
    """The definition of the format, with the whole file in memory."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    end = 0
    for one in sorted(header.values(), key=lambda one: one["data_offsets"]):
        width = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E5M2": 1, "F8_E4M3": 1}[one["dtype"]]
        if one["data_offsets"] != [end, end + width * math.prod(one["shape"])]:
            return False
        end = one["data_offsets"][1]
    return 8 + length + end == len(content)


def assert_well_formed(result: dict) -> None:
    assert result["valid"] is (result["problems"] == [])
    assert all(problem.endswith(".") and problem.isprintable() for problem in result["problems"])
    assert result["digest"].startswith("sha256:")
    json.dumps(result, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_weights(tmp_path: Path, seed: int) -> None:
    path = write_adapter(tmp_path / "adapter", rank=2)
    content = damaged((path / WEIGHTS).read_bytes(), random.Random(seed))
    (path / WEIGHTS).write_bytes(content)
    result = inspect_artifact(str(path))
    assert_well_formed(result)
    if result["valid"]:
        assert is_well_laid_out(content)


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_config(tmp_path: Path, seed: int) -> None:
    path = write_adapter(tmp_path / "adapter", rank=2, rank_pattern={"q_proj": 2}, modules_to_save=None)
    content = damaged((path / CONFIG).read_bytes(), random.Random(seed))
    (path / CONFIG).write_bytes(content)
    result = inspect_artifact(str(path), max_rank=16, base_model="tiny")
    assert_well_formed(result)
    if result["valid"]:
        config = json.loads(content)
        assert (config["r"], config.get("bias", "none"), config["lora_alpha"] != 0) == (2, "none", True)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_bytes_as_weights(tmp_path: Path, seed: int) -> None:
    path = write_adapter(tmp_path / "adapter")
    numbers = random.Random(seed)
    body = bytes(numbers.randrange(256) for _byte in range(numbers.randrange(200)))
    # Half of them with a length that fits, so that the header itself is read.
    prefix = struct.pack("<Q", numbers.randint(0, len(body))) if seed % 2 else b""
    (path / WEIGHTS).write_bytes(prefix + body)
    result = inspect_artifact(str(path))
    assert_well_formed(result)
    assert not result["valid"]


@pytest.mark.parametrize(
    "key", ["r", "lora_alpha", "target_modules", "peft_type", "bias", "rank_pattern", "alpha_pattern"]
)
@pytest.mark.parametrize(
    "value", [None, True, -1, 1e300, "", "\x1b[31m", [], [[]], {}, {"q_proj": {}}, {"": None}], ids=str
)
def test_values_of_every_type_in_the_config(tmp_path: Path, key: str, value: object) -> None:
    assert_well_formed(inspect_artifact(str(write_adapter(tmp_path / "adapter", **{key: value})), 16, "tiny"))
