# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers of adapter_model.safetensors that contradict the file, and files of another format."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact import safetensors
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact

from tests.stand_in import write_adapter
from tests.support.artifact_changes import (
    WEIGHTS,
    A,
    B,
    assert_problem,
    content,
    cut,
    header,
    header_for,
    longer,
    moved,
    rewrite_weights,
    shapes_of,
    tensor,
    write_weights,
)

NOT_JSON = f"{WEIGHTS} has a header that is not the JSON table that safetensors writes"

CASES: dict[str, tuple[Callable[[Path], Any], str]] = {
    # Not safetensors at all
    "empty weights": (cut(WEIGHTS, 0), f"{WEIGHTS} has 0 bytes, too few"),
    "seven bytes": (cut(WEIGHTS, 7), f"{WEIGHTS} has 7 bytes, too few"),
    "torch.save() renamed": (content(WEIGHTS, b"PK\x03\x04\x00\x00\x08\x08" * 9), "it is a torch.save() file"),
    "pickle renamed": (content(WEIGHTS, b"\x80\x02}q\x00X\x04\x00" * 9), "it is a pickle under another name"),
    "Git LFS pointer": (content(WEIGHTS, b"version https://git-lfs.github.com/spec/v1\n"), "is a Git LFS pointer"),
    "HTML page": (content(WEIGHTS, b"<!DOCTYPE html><title>Sign in</title>"), f"{WEIGHTS} claims a header of "),
    # The header
    "header longer than the file": (content(WEIGHTS, struct.pack("<Q", 100) + b"{}"), "claims a header of 100 bytes"),
    "header of 2**64 - 1 bytes": (content(WEIGHTS, b"\xff" * 64), "claims a header of 18446744073709551615 bytes"),
    "header above the limit": (header(b"{}" + b" " * 100_000_000), "claims a header of 100000002 bytes"),
    "header of no bytes": (header(b"", 16), NOT_JSON),
    "header is a list": (header(b"[]"), NOT_JSON),
    "header without an end": (header(b'{"a": {"dtype": "F32"'), NOT_JSON),
    "header with more behind": (header(b"{} {}"), NOT_JSON),
    "header with a comma too many": (header(b'{"__metadata__": {},}'), NOT_JSON),
    "header with zeros behind": (header(b"{}\0\0"), NOT_JSON),
    "header with half a character behind": (header(b"{}\xc3"), NOT_JSON),
    "header not UTF-8": (header(b'{"\xff": {}}'), NOT_JSON),
    "nested header": (header(b'{"a": ' + b"[" * 500_000), NOT_JSON),
    "header with an endless number": (header(b'{"a": %s}' % (b"9" * 900_000)), NOT_JSON),
    "header with half a surrogate pair": (
        header(b'{"\\ud800": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}', 4),
        NOT_JSON,
    ),
    "header with a tensor twice": (
        header(b'{"a": %s, "a": %s}' % ((b'{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}',) * 2), 4),
        "has a header that names 'a' twice",
    ),
    "header with a key twice": (header(b'{"a": {"shape": [1], "shape": [2]}}'), NOT_JSON),
    "metadata of numbers": (header(b'{"__metadata__": {"a": 1}}'), "__metadata__ is not a table of strings"),
    # One tensor of it
    "tensor is a number": (header(b'{"a": 1}'), "'a' is not a description of a tensor"),
    "unknown data type": (tensor(dtype="F128"), "with the unknown data type 'F128'"),
    "data type is a list": (tensor(dtype=[]), "with the unknown data type []"),
    "no shape": (tensor(shape=None), "with null, which is not a shape"),
    "negative shape": (tensor(shape=[-2, -2]), "with [-2, -2], which is not a shape"),
    "fractional shape": (tensor(shape=[2.0, 2]), "with [2.0, 2], which is not a shape"),
    "shape of true": (tensor(shape=[True, 4]), "with [true, 4], which is not a shape"),
    "endless shape": (tensor(shape=[2**63, 2**63]), "with the impossible shape"),
    "no offsets": (tensor(data_offsets=None), "with null, which are not data offsets"),
    "three offsets": (tensor(data_offsets=[0, 8, 16]), "with [0, 8, 16], which are not data offsets"),
    "offsets the wrong way": (tensor(data_offsets=[16, 0]), "with [16, 0], which are not data offsets"),
    "less data than the shape": (tensor(shape=[2, 3]), "with 16 bytes of data where shape [2, 3] of F32 needs 24"),
    "more data than the shape": (tensor(shape=[1, 2]), "with 16 bytes of data where shape [1, 2] of F32 needs 8"),
    "hole": (moved(4), "tensors overlap or leave a hole"),
    "overlap": (moved(-4), "tensors overlap or leave a hole"),
    "the same data twice": (
        lambda adapter: write_weights(adapter, dict.fromkeys((A, B), header_for({A: [2, 2]})[0][A]), 16),
        "two tensors begin at byte 0 of the data",
    ),
    "cut off": (cut(WEIGHTS, 9000), "bytes of data where its header describes 16384: copy it again"),
    "cut off by a byte": (longer(WEIGHTS, -1), "holds 16383 bytes of data where its header describes 16384: copy it"),
    "longer by a byte": (longer(WEIGHTS, 1), "holds 16385 bytes of data where its header describes 16384: copy it"),
}


@pytest.mark.parametrize(("change", "problem"), CASES.values(), ids=CASES)
def test_a_clear_problem(tmp_path: Path, change: Callable[[Path], Any], problem: str) -> None:
    assert_problem(tmp_path / "adapter", change, problem)


def test_the_number_of_tensors_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = write_adapter(tmp_path / "adapter")
    rewrite_weights(adapter, shapes_of(adapter))
    monkeypatch.setattr(safetensors, "MAX_TENSORS", 8)
    assert inspect_artifact(str(adapter))["valid"]
    rewrite_weights(adapter, {**shapes_of(adapter), "one.more.lora_A.weight": [8, 8]})
    (problem,) = inspect_artifact(str(adapter))["problems"]
    assert "has a header with more than 8 tensors" in problem
