# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings in adapter_config.json that vLLM takes or refuses."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact import weights
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact

from tests.stand_in import write_adapter
from tests.support.artifact_changes import (
    CONFIG,
    Q_PROJ,
    A,
    B,
    assert_problem,
    config,
    content,
    cut,
    edited,
    missing,
    no_config,
    rewrite_weights,
    shapes_of,
)

COMMIT = 40 * "a"

CASES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no config": (missing(CONFIG), f"{CONFIG} is missing."),
    "empty config": (cut(CONFIG, 0), f"{CONFIG} is empty"),
    "half a config": (cut(CONFIG, 40), f"{CONFIG} is not valid JSON: "),
    "config not UTF-8": (content(CONFIG, b'{"r": "\xff"}'), f"{CONFIG} is not UTF-8 text"),
    "rank is half a surrogate pair": (edited(CONFIG, b'"r": 8', b'"r": "\\ud800"'), "r is '\\ud800'"),
    "config with a key twice": (content(CONFIG, b'{"r": 8, "r": 64}'), "it names the same key twice"),
    "rank is NaN": (edited(CONFIG, b'"r": 8', b'"r": NaN'), "r is NaN"),
    "config with an endless number": (content(CONFIG, b'{"r": %s}' % (b"9" * 900_000)), "a number of 900000 digits"),
    "nested config": (content(CONFIG, b"[" * 500_000), f"{CONFIG} is not valid JSON: "),
    "huge config": (content(CONFIG, b" " * 1_100_000), f"{CONFIG} is larger than 1048576 bytes"),
    "config is a list": (content(CONFIG, b'["r", 8]'), f"{CONFIG} is not a JSON object"),
    "config is null": (content(CONFIG, b"null"), f"{CONFIG} is not a JSON object"),
    "other PEFT type": (config(peft_type="IA3"), "peft_type is 'IA3', and vLLM serves only LORA adapters"),
    "no rank": (no_config("r"), "r is null, and the rank must be a positive integer"),
    "rank zero": (config(r=0), "r is 0"),
    "negative rank": (config(r=-8), "r is -8"),
    "rank as text": (config(r="8"), "r is '8'"),
    "rank true": (config(r=True), "r is true"),
    "fractional rank": (config(r=8.5), "r is 8.5"),
    "rank above max_rank": (config(rank=32), "r sets the rank 32, and max_rank is 16"),
    "pattern above max_rank": (config(rank_pattern={"o": 64}), "rank_pattern sets the rank 64, and max_rank is 16"),
    "pattern is a list": (config(rank_pattern=[8]), "rank_pattern is [8], and must be a table"),
    "pattern with text": (config(rank_pattern={"q_proj": "8"}), "rank_pattern gives 'q_proj' the rank '8'"),
    "pattern is no expression": (config(rank_pattern={"q_(proj": 8}), "key 'q_(proj', which is not a regular expr"),
    "no alpha": (no_config("lora_alpha"), "lora_alpha is null, and must be a number"),
    "alpha as text": (config(lora_alpha="16"), "lora_alpha is '16'"),
    "endless alpha": (edited(CONFIG, b": 16,", b": 1e999,"), "lora_alpha is Infinity, and must be a number"),
    "alpha is NaN": (edited(CONFIG, b": 16,", b": NaN,"), "lora_alpha is NaN, and must be a number"),
    "alpha beyond any float": (edited(CONFIG, b": 16,", b": 1%s," % (b"0" * 400)), "lora_alpha is 1000"),
    "alpha zero": (
        config(lora_alpha=0),
        "lora_alpha is 0, and vLLM multiplies the weights by it, so the adapter has no",
    ),
    "alpha minus zero": (
        config(lora_alpha=-0.0),
        "so the adapter has no effect: set the value that it was trained with",
    ),
    "alpha zero, rank-stabilised": (config(lora_alpha=0, use_rslora=True), "lora_alpha is 0"),
    "alpha zero and in a pattern": (
        config(lora_alpha=0, alpha_pattern={"q_proj": 0}),
        f"the adapter has no effect (set the values that it was trained with): '{Q_PROJ[17:]}' and 3 more",
    ),
    "alpha pattern with zero for all": (config(alpha_pattern={"q": 4, ".*": 0.0}), f"'{Q_PROJ[17:]}' and 3 more"),
    "alpha pattern as text": (config(alpha_pattern={"q_proj": "16"}), "gives '16', which is not a number"),
    "alpha pattern is a list": (config(alpha_pattern=[4]), "alpha_pattern is [4], and must be a table"),
    "alpha pattern is no expression": (config(alpha_pattern={"q_proj[": 4}), "alpha_pattern has the key 'q_proj['"),
    "no target modules": (no_config("target_modules"), "target_modules is missing, and vLLM requires it"),
    "DoRA": (config(use_dora=True), "use_dora is set, and vLLM does not serve DoRA"),
    "LoRA bias": (config(lora_bias=True), "lora_bias is set"),
    "activated LoRA": (config(alora_invocation_tokens=[1]), "alora_invocation_tokens is set"),
    "bias": (config(bias="all"), "bias is 'all', and vLLM takes only 'none'"),
    "bias null": (config(bias=None), "bias is null"),
    "LoRA-GA": (
        config(init_lora_weights="lora_ga"),
        "init_lora_weights is 'lora_ga', which also changes the base model",
    ),
    "PiSSA": (config(init_lora_weights="pissa_niter_4"), "init_lora_weights is 'pissa_niter_4'"),
    "saved modules": (config(modules_to_save=["lm_head"]), 'modules_to_save is ["lm_head"]'),
    "saved modules as text": (config(modules_to_save="score"), "modules_to_save is 'score'"),
    "other base model": (
        config(base_model="acme/large"),
        "base_model_name_or_path is 'acme/large', and the adapter must be for 'tiny'",
    ),
    "no base model": (
        config(base_model_name_or_path=None),
        "base_model_name_or_path is null, and the adapter must be for 'tiny'",
    ),
    "base model is a number": (config(base_model_name_or_path=7), "base_model_name_or_path is null"),
    "base model is half a surrogate pair": (config(base_model="\ud800"), "base_model_name_or_path is null"),
    "terminal escapes": (config(peft_type="\x1b[2J\u202e"), "peft_type is '\\x1b[2J\\u202e'"),
}


@pytest.mark.parametrize(("change", "problem"), CASES.values(), ids=CASES)
def test_a_clear_problem(tmp_path: Path, change: Callable[[Path], Any], problem: str) -> None:
    assert_problem(tmp_path / "adapter", change, problem)


@pytest.mark.parametrize(
    "config",
    [
        {"use_rslora": True},
        {"modules_to_save": None},
        {"modules_to_save": []},
        {"target_modules": "all-linear"},
        {"target_modules": []},
        {"target_modules": None},
        {"target_modules": [1, {}]},
        {"target_modules": 7},
        {"init_lora_weights": "gaussian"},
        {"init_lora_weights": True},
        {"rank_pattern": None, "alpha_pattern": {"q_proj": 4.5}},
        {"lora_alpha": -16},
        {"lora_alpha": 0, "alpha_pattern": {"q_proj": 16}},
        {"alpha_pattern": {"q_proj": 0}},
        {"r": 8.0},
        {"alpha_pattern": {"k_proj": 0, "o_proj": "no module has it"}},
        {"peft_type": None},
        {"peft_type": "lora"},
        {"peft_type": "PeftType.LORA"},
        {"peft_type": 7},
        {"task_type": 3, "lora_dropout": float("nan"), "layers_to_transform": "x", "revision": []},
        {"lora_dropout": 10**400, "auto_mapping": "\ud800", "inference_mode": None},
        {"a_key_of_a_later_peft": {"with": ["anything"]}},
    ],
    ids=str,
)
def test_configs_that_vllm_takes(tmp_path: Path, config: dict) -> None:
    result = inspect_artifact(str(write_adapter(tmp_path / "adapter", **config)), max_rank=8)
    assert result["problems"] == []
    json.dumps(result, ensure_ascii=False).encode("utf-8")


def test_an_adapter_without_a_peft_type(tmp_path: Path) -> None:
    no_config("peft_type")(write_adapter(tmp_path / "adapter"))
    result = inspect_artifact(str(tmp_path / "adapter"))
    assert (result["valid"], result["peft_type"]) == (True, None)


def test_a_pattern_of_target_modules_is_a_list_of_one(tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "adapter", target_modules="all-linear")
    assert inspect_artifact(str(path))["target_modules"] == ["all-linear"]


@pytest.mark.parametrize(
    "key", ["q_proj", "self_attn.q_proj", r"model\.layers\.[01]\.self_attn\.q_proj", r".*\.q_\w+", "^.*q_proj"]
)
def test_rank_pattern_is_matched_as_peft_does(tmp_path: Path, key: str) -> None:
    path = write_adapter(tmp_path / "adapter", rank=8, rank_pattern={key: 32})
    shapes = shapes_of(path)
    for name, shape in shapes.items():
        if "q_proj" in name:
            shapes[name] = [32 if size == 8 else size for size in shape]
    rewrite_weights(path, shapes)
    result = inspect_artifact(str(path))
    assert (result["problems"], result["rank"]) == ([], 32)


@pytest.mark.parametrize("key", ["proj", "self_attn", "model.layers.0", "Q_proj"])
def test_rank_pattern_matches_whole_names_at_the_end(tmp_path: Path, key: str) -> None:
    path = write_adapter(tmp_path / "adapter", rank=8, rank_pattern={key: 16})
    assert inspect_artifact(str(path))["problems"] == []


def test_the_first_rank_pattern_that_matches_counts(tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "adapter", rank=4, rank_pattern={"layers.0.self_attn.q_proj": 8, "q_proj": 4})
    rewrite_weights(path, {A: [8, 8], B: [8, 8]})
    assert inspect_artifact(str(path))["problems"] == []


def test_a_rank_that_no_module_has_counts_since_vllm_counts_it(tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "adapter", rank=8, rank_pattern={"no_such_module": 64})
    assert inspect_artifact(str(path), max_rank=64)["valid"]
    assert not inspect_artifact(str(path), max_rank=63)["valid"]


@pytest.mark.parametrize("field", ["rank_pattern", "alpha_pattern"])
def test_a_pattern_that_takes_for_ever_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    monkeypatch.setattr(weights, "MATCHING_TIME", 0.1)
    handler, (alarm, _interval) = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    path = write_adapter(tmp_path / "adapter", rank=8, **{field: {"(([a-z]|[a-z_.0-9])*)*[A-Z]": 8}})
    (problem,) = inspect_artifact(str(path))["problems"]
    assert f"{field} takes more than" in problem
    # Somebody else's alarm, such as that of a time limit on tests, goes on.
    assert signal.getsignal(signal.SIGALRM) == handler
    left = signal.getitimer(signal.ITIMER_REAL)[0]
    assert 0 < left < alarm if alarm else left == 0


@pytest.mark.parametrize(
    ("named", "expected", "same"),
    [
        ("acme/tiny", "acme/tiny", True),
        ("acme/tiny", "acme/tiny/", True),
        ("acme/tiny", "tiny", True),
        ("acme/tiny", "/models/tiny", True),
        ("/train/tiny/", "/models/tiny", True),
        ("tiny", "tiny", True),
        ("acme/tiny", "other/tiny", False),
        ("acme/tiny", "acme/tiny-2", False),
        ("/models/tiny", "/models/tiny-2", False),
        ("tiny", "Tiny", False),
        (f"/root/.cache/huggingface/hub/models--acme--tiny-2.0/snapshots/{COMMIT}", "acme/tiny-2.0", True),
        (f"/hub/models--acme--tiny-2.0/snapshots/{COMMIT}/", "tiny-2.0", True),
        (
            f"/hub/models--acme--tiny-2.0/snapshots/{COMMIT}",
            f"/cache/models--acme--tiny-2.0/snapshots/{40 * 'b'}",
            True,
        ),
        (f"/hub/models--acme--tiny-2.0/snapshots/{COMMIT}", "/models/tiny-2.0", True),
        (f"/hub/models--acme--tiny-2.0/snapshots/{COMMIT}", "other/tiny-2.0", False),
        (f"/hub/models--acme--tiny-2.0/snapshots/{COMMIT}", f"/hub/models--acme--tiny/snapshots/{COMMIT}", False),
        ("/hub/models--gpt2/snapshots/main", "gpt2", True),
        ("models--acme--tiny-2.0", "acme/tiny-2.0", True),
        ("/root/.cache/modelscope/hub/models/Qwen/Qwen2___5-0___5B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct", True),
        ("Qwen2___5-0___5B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct", True),
        ("Qwen/Qwen2___5-0___5B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct", True),
        ("Qwen/Qwen2___5-0___5B-Instruct", f"/hub/models--Qwen--Qwen2.5-0.5B-Instruct/snapshots/{COMMIT}", True),
        ("Qwen2___5-0___5B-Instruct", "Qwen/Qwen2.5-5B-Instruct", False),
        ("C:\\models\\tiny\\", "acme/tiny", True),
        ("C:\\tiny", "acme/tiny", True),
    ],
)
def test_names_of_one_base_model(tmp_path: Path, named: str, expected: str, same: bool) -> None:
    path = write_adapter(tmp_path / "adapter", base_model=named)
    assert inspect_artifact(str(path), base_model=expected)["valid"] is same
