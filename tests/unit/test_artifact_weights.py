# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tensors of adapter_model.safetensors against what adapter_config.json declares."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact import inspect_artifact

from tests.unit.artifact_changes import (
    CONFIG,
    Q_PROJ,
    WEIGHTS,
    A,
    B,
    assert_problem,
    both,
    config,
    floats,
    header,
    more_tensors,
    renamed,
    rewrite_weights,
    shapes_of,
    tensors,
)
from tests.vllm_stand_in import write_adapter

PREFIX = "base_model.model.model.layers.0."


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


def with_heads(heads: dict[str, list[int]]) -> Callable[[Path], Any]:
    return both(config(modules_to_save=["classifier", "score"]), more_tensors(heads))


CASES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no tensors": (header(b"{}"), f"{WEIGHTS}: there are no LoRA matrices"),
    "base weights": (
        tensors({"model.embed_tokens.weight": [4, 4]}),
        "there are tensors that are not LoRA matrices, which vLLM refuses",
    ),
    "rank of the weights": (
        tensors({A: [16, 64], B: [64, 16]}),
        f"the rank is 16 where {CONFIG} declares 8: '{Q_PROJ[17:]}'",
    ),
    "rank of lora_B": (tensors({A: [8, 64], B: [64, 4]}), "lora_A has the rank 8 and lora_B the rank 4"),
    "weights turned": (tensors({A: [64, 8], B: [8, 64]}), "the rank is 64 where"),
    "rank of a pattern": (config(rank_pattern={"q_proj": 16}), "the rank is 8 where"),
    "fused experts": (
        tensors({**pair("m.experts", 12), **pair("m.experts.base_layer", 8)}),
        f"the rank is 12 where {CONFIG} declares 8: 'm.experts'",
    ),
    "A without B": (tensors({A: [8, 64]}), "there is a lora_A without lora_B for"),
    "B without A": (tensors({B: [64, 8]}), "there is a lora_B without lora_A for"),
    "A twice": (more_tensors({A[17:]: [8, 64]}), "there is more than one lora_A for"),
    "vector": (tensors({A: [8], B: [64, 8]}), "lora_A has the shape [8], which is not a matrix"),
    "convolution": (tensors({A: [8, 64, 3, 3], B: [64, 8, 1, 1]}), "lora_A has the shape [8, 64, 3, 3]"),
    "stacked, but no experts": (tensors({A: [4, 8, 64], B: [4, 64, 8]}), "lora_A has the shape [4, 8, 64]"),
    "empty matrices": (tensors({A: [8, 0], B: [0, 8]}), "lora_A has the shape [8, 0], which is not a matrix"),
    "integers": (floats("I8", 8), "the weights are of type I8, and must be floating point"),
    "four bits": (floats("F4", 4), "the weights are of type F4"),
    "named for training": (
        more_tensors({f"{Q_PROJ}.lora_A.default.weight": [8, 8]}),
        "that are not LoRA matrices, which vLLM refuses",
    ),
    "DoRA's vector": (
        more_tensors({f"{Q_PROJ}.lora_magnitude_vector": [8]}),
        "that are not LoRA matrices, which vLLM refuses",
    ),
    "head that is not declared": (more_tensors({"score.weight": [2, 64]}), "which vLLM refuses: 'score.weight'"),
    "two heads": (
        with_heads({"base_model.model.score.weight": [2, 64], "base_model.model.classifier.weight": [2, 64]}),
        "there is more than one classification head, and vLLM takes one: 'classifier and score'",
    ),
    "one head twice": (
        with_heads({"a.score.weight": [2, 64], "b.score.weight": [2, 64]}),
        "there is more than one weight for the classification head: 'score'",
    ),
    "bias of a head alone": (
        with_heads({"base_model.model.classifier.bias": [2]}),
        "there is a bias without a weight for the classification head: 'classifier'",
    ),
    "bias of another head": (
        with_heads({"score.weight": [2, 64], "score.bias": [3]}),
        "weight and bias have no shapes of a classification head: 'score'",
    ),
    "torch.compile": (
        renamed("layers.", "_orig_mod.layers."),
        "the names have the part '_orig_mod', which torch.compile",
    ),
    "torch.compile around PEFT": (
        renamed("base_model.", "_orig_mod.base_model."),
        "'_orig_mod', which torch.compile adds",
    ),
    "torch.compile of one layer": (
        renamed("self_attn.", "_orig_mod.self_attn."),
        "so vLLM loads these weights without",
    ),
    "FSDP": (renamed("layers.0.", "layers.0._fsdp_wrapped_module."), "'_fsdp_wrapped_module', which FSDP adds"),
    "activation checkpointing": (
        renamed("self_attn.", "_checkpoint_wrapped_module.self_attn."),
        "'_checkpoint_wrapped_module', which activation checkpointing adds",
    ),
    "DDP around PEFT": (renamed("base_model.", "module.base_model."), "'module', which DistributedDataParallel adds"),
    "DDP in PEFT": (renamed("base_model.model.", "base_model.model.module."), "(unwrap the model before you save the"),
    "wrapper that nobody knows": (renamed("layers.", "_shard.layers."), "'_shard', which a wrapper adds"),
    "adapter of an adapter's layers": (
        renamed(".lora_", ".base_layer.lora_"),
        "'base_layer', which another adapter adds",
    ),
    "model in a model": (renamed("base_model.", "x.base_model."), "'base_model', which PEFT adds"),
    "name with a hole": (renamed("layers.", "layers.."), "the names have the part ''"),
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
        "gate_up_proj has the matrices of another number of experts than down_proj",
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


def test_one_sentence_for_all_modules_with_one_fault(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter", rank=8)
    stems = [f"layers.{number}.q_proj" for number in range(500)]
    rewrite_weights(adapter, {f"{stem}.lora_{side}.weight": [16, 16] for stem in stems for side in "AB"})
    assert inspect_artifact(str(adapter))["problems"] == [
        f"{WEIGHTS}: the rank is 16 where {CONFIG} declares 8: 'layers.0.q_proj' and 499 more."
    ]


@pytest.mark.parametrize(
    "shapes",
    [
        {"embed_tokens.lora_embedding_A": [8, 512], "embed_tokens.lora_embedding_B": [64, 8]},
        {"q_proj.lora_A.weight": [8, 64], "q_proj.lora_B.weight": [64, 8], "embed_tokens.base_layer.weight": [512, 64]},
        {
            "mlp.experts.lora_A.weight": [4 * 8, 64],
            "mlp.experts.lora_B.weight": [64, 4 * 8],
            "mlp.experts.base_layer.lora_A.weight": [4 * 8, 64],
            "mlp.experts.base_layer.lora_B.weight": [128, 4 * 8],
        },
        {**stacked("mlp"), "mlp.experts.w1.lora_A.weight": [1, 8, 64]},
        experts("mlp", 3),
        experts("block_sparse_moe", 12, ("w1", "w2", "w3")),
        experts("mixer", 2, ("up_proj", "down_proj")),
        {**experts("mlp", 2), **experts("other", 3), **pair("mlp.shared_experts.up_proj", 8), **pair("mlp.gate", 8)},
        pair("base_model.model.self_attn.q_proj", 8),
    ],
    ids=[
        "embedding",
        "saved embedding",
        "fused experts",
        "stacked experts",
        "experts",
        "experts of Mixtral",
        "experts without a gate",
        "experts of two layers, and a shared one",
        "adapter of an adapted model",
    ],
)
def test_layouts_that_vllm_takes(tmp_path: Path, shapes: dict) -> None:
    adapter = write_adapter(tmp_path / "adapter", rank=8)
    rewrite_weights(adapter, {PREFIX + name: shape for name, shape in shapes.items()})
    assert inspect_artifact(str(adapter))["problems"] == []


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


def test_a_classification_head_is_taken_where_it_is_declared(tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "adapter", modules_to_save=["score"])
    head = {"base_model.model.score.weight": [2, 64], "base_model.model.score.bias": [2]}
    rewrite_weights(path, {**shapes_of(path), **head})
    assert inspect_artifact(str(path))["problems"] == []
