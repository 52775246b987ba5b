# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tensors of adapter_model.safetensors, compared with adapter_config.json."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact

from tests.stand_in import write_adapter
from tests.support.artifact_changes import (
    CONFIG,
    Q_PROJ,
    WEIGHTS,
    A,
    B,
    assert_problem,
    both,
    config,
    experts,
    floats,
    header,
    more_tensors,
    pair,
    renamed,
    rewrite_weights,
    shapes_of,
    stacked,
    tensors,
)

PREFIX = "base_model.model.model.layers.0."


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
        f"the rank is 16, and {CONFIG} sets 8: '{Q_PROJ[17:]}'",
    ),
    "rank of lora_B": (tensors({A: [8, 64], B: [64, 4]}), "lora_A has the rank 8 and lora_B the rank 4"),
    "weights turned": (tensors({A: [64, 8], B: [8, 64]}), "the rank is 64, and"),
    "rank of a pattern": (config(rank_pattern={"q_proj": 16}), "the rank is 8, and"),
    "fused experts": (
        tensors({**pair("m.experts", 12), **pair("m.experts.base_layer", 8)}),
        f"the rank is 12, and {CONFIG} sets 8: 'm.experts'",
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
    "head that the config does not name": (
        more_tensors({"score.weight": [2, 64]}),
        "which vLLM refuses: 'score.weight'",
    ),
    "two heads": (
        with_heads({"base_model.model.score.weight": [2, 64], "base_model.model.classifier.weight": [2, 64]}),
        "there is more than one classification head, and vLLM takes one: 'classifier and score'",
    ),
    "one head twice": (
        with_heads({"a.score.weight": [2, 64], "b.score.weight": [2, 64]}),
        "there is more than one weight for the classification head: 'score'",
    ),
    "bias of a head without a weight": (
        with_heads({"base_model.model.classifier.bias": [2]}),
        "there is a bias without a weight for the classification head: 'classifier'",
    ),
    "bias of another head": (
        with_heads({"score.weight": [2, 64], "score.bias": [3]}),
        "weight and bias do not have the shapes of a classification head: 'score'",
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
    "unknown wrapper": (renamed("layers.", "_shard.layers."), "'_shard', which a wrapper adds"),
    "adapter of an adapter's layers": (
        renamed(".lora_", ".base_layer.lora_"),
        "'base_layer', which another adapter adds",
    ),
    "model in a model": (renamed("base_model.", "x.base_model."), "'base_model', which PEFT adds"),
    "name with a hole": (renamed("layers.", "layers.."), "the names have the part ''"),
}


@pytest.mark.parametrize(("change", "problem"), CASES.values(), ids=CASES)
def test_a_clear_problem(tmp_path: Path, change: Callable[[Path], Any], problem: str) -> None:
    assert_problem(tmp_path / "adapter", change, problem)


def test_one_sentence_for_all_modules_with_one_fault(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter", rank=8)
    stems = [f"layers.{number}.q_proj" for number in range(500)]
    rewrite_weights(adapter, {f"{stem}.lora_{side}.weight": [16, 16] for stem in stems for side in "AB"})
    assert inspect_artifact(str(adapter))["problems"] == [
        f"{WEIGHTS}: the rank is 16, and {CONFIG} sets 8: 'layers.0.q_proj' and 499 more."
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


def test_a_classification_head_of_the_config_is_taken(tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "adapter", modules_to_save=["score"])
    head = {"base_model.model.score.weight": [2, 64], "base_model.model.score.bias": [2]}
    rewrite_weights(path, {**shapes_of(path), **head})
    assert inspect_artifact(str(path))["problems"] == []
