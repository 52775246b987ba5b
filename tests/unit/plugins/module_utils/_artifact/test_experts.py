# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The experts of a layer. vLLM takes all of them or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact

from tests.stand_in import write_adapter
from tests.support.artifact_changes import (
    assert_problem,
    both,
    config,
    experts,
    pair,
    rewrite_weights,
    stacked,
    tensors,
)

PREFIX = "base_model.model.model.layers.0."

CASES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "fused experts without down_proj": (
        tensors(pair("m.experts.base_layer", 8)),
        "the experts have one pair of matrices, and vLLM needs a pair for gate_up_proj and one for down_proj",
    ),
    "fused experts with one parameter": (
        tensors(pair("m.experts", 32)),
        "(train both of these target_parameters): 'm.e",
    ),
    "fused experts of two numbers": (
        tensors({**pair("m.experts", 32), **pair("m.experts.base_layer", 16)}),
        "gate_up_proj and down_proj have the matrices of different numbers of experts",
    ),
    "fused parameters by name": (
        tensors({**pair("m.experts.gate_up_proj", 8), **pair("q", 8)}),
        "vLLM refuses experts with the part 'gate_up_proj': 'm.experts'",
    ),
    "experts in two layouts": (
        tensors({**pair("m.experts", 8), **pair("m.experts.base_layer", 8), **experts("m", 2)}),
        "the experts are stored in several layouts, and vLLM takes one",
    ),
    "experts without down_proj": (
        tensors({**experts("m", 2, ("gate_proj", "up_proj")), **experts("n", 2, ("gate_proj", "up_proj"))}),
        "some experts lack 'down_proj', and vLLM needs every projection of every expert (train the adapter for all of "
        "them): 'm.experts' and 1 more",
    ),
    "experts without gate_proj": (tensors(experts("m", 2, ("up_proj", "down_proj"))), "some experts lack 'gate_proj'"),
    "experts without w2": (tensors(experts("m", 2, ("w1", "w3"))), "some experts lack 'w2'"),
    "one expert without up_proj": (
        tensors({name: shape for name, shape in experts("m", 3).items() if "2.up_proj" not in name}),
        "some experts lack 'up_proj'",
    ),
    "mixer's experts without down_proj": (
        tensors(experts("m.mixer", 2, ("up_proj",))),
        "some experts lack 'down_proj'",
    ),
    "missing expert": (
        tensors({name: shape for name, shape in experts("m", 4).items() if ".1." not in name}),
        "there is an expert 3 but no expert 1, and vLLM needs every expert",
    ),
    "only the last expert": (
        tensors({name: shape for name, shape in experts("m", 4).items() if ".3." in name}),
        "there is an expert 3 but no expert 0",
    ),
    "experts of two ranks": (
        both(
            config(rank_pattern={"experts.1.up_proj": 4}),
            tensors({**experts("m", 2), **pair("m.experts.1.up_proj", 4)}),
        ),
        "the experts have different ranks for 'up_proj', and vLLM needs one rank for all of them: 'm.experts'",
    ),
    "experts of two shapes": (
        tensors({**experts("m", 2), "m.experts.1.up_proj.lora_A.weight": [8, 32]}),
        "the experts have matrices of different shapes for 'up_proj'",
    ),
    "stacked experts": (
        tensors(stacked("m", ("w1", "w3"))),
        "the experts lack 'w2', and vLLM needs all three projections",
    ),
    "stacked experts as matrices": (
        tensors({**stacked("m", ("w1", "w2")), **pair("m.experts.w3", 8)}),
        "lora_A has the shape [8, 64], which is not a stack of matrices",
    ),
    "numbered experts as stacks": (
        tensors({**experts("m", 1), "m.experts.0.up_proj.lora_A.weight": [1, 8, 64]}),
        "lora_A has the shape [1, 8, 64], which is not a matrix",
    ),
}


@pytest.mark.parametrize(("change", "problem"), CASES.values(), ids=CASES)
def test_a_clear_problem(tmp_path: Path, change: Callable[[Path], Any], problem: str) -> None:
    assert_problem(tmp_path / "adapter", change, problem)


def test_patterns_for_fused_experts_name_their_parameters(tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "adapter", rank=8, rank_pattern={"experts.gate_up_proj": 5})
    shapes = {
        "mlp.experts.lora_A.weight": [3 * 8, 64],
        "mlp.experts.lora_B.weight": [64, 3 * 8],
        "mlp.experts.base_layer.lora_A.weight": [3 * 5, 64],
        "mlp.experts.base_layer.lora_B.weight": [128, 3 * 5],
    }
    rewrite_weights(path, {PREFIX + name: shape for name, shape in shapes.items()})
    assert inspect_artifact(str(path))["problems"] == []


def test_experts_of_other_ranks_by_projection(tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "adapter", rank=8, rank_pattern={"down_proj": 4})
    rewrite_weights(
        path, {**experts("mlp", 2), **pair("mlp.experts.0.down_proj", 4), **pair("mlp.experts.1.down_proj", 4)}
    )
    assert inspect_artifact(str(path))["problems"] == []
