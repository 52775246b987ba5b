# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the files of a plain LoRA: wrappers in its names, other formats, other values in its config."""

from __future__ import annotations

from tests.real_vllm.peft.kinds import REMOVED, SNAPSHOT, Kind, Outcome, lora

SERVED, NO_EFFECT, OTHER, REFUSED = Outcome.SERVED, Outcome.NO_EFFECT, Outcome.OTHER, Outcome.REFUSED

WRAPPERS = (
    Kind("compiled model", NO_EFFECT, lora(), base="compiled"),
    Kind("compiled layers", NO_EFFECT, lora(), base="compiled layers"),
    Kind("compiled adapter", REFUSED, lora(), saved="with the state of torch.compile"),
    Kind("DataParallel", REFUSED, lora(), saved="with the state of DataParallel"),
    Kind("layers in DDP", NO_EFFECT, lora(), base="layers in module"),
    Kind("layers in FSDP", NO_EFFECT, lora(), base="layers in _fsdp_wrapped_module"),
    Kind("checkpointed layers", REFUSED, lora(), base="checkpointed layers"),
    Kind("names of a compiled adapter", NO_EFFECT, lora(), renamed=("^", "_orig_mod.")),
    Kind("names of an adapter in DDP", NO_EFFECT, lora(), renamed=("^", "module.")),
    Kind("names of Lightning", NO_EFFECT, lora(), renamed=("^", "model.")),
    Kind("names of TRL", NO_EFFECT, lora(), renamed=("^", "pretrained_model.")),
    Kind("names of an adapted base", NO_EFFECT, lora(), renamed=(r"(?=\.lora_)", ".base_layer")),
    Kind(
        "names of a model that sees",
        NO_EFFECT,
        lora(),
        renamed=(r"^base_model\.model\.model\.", "base_model.model.model.language_model."),
        unseen="models have such names, only this one does not",
    ),
    Kind("names of checkpointed layers", NO_EFFECT, lora(), base="layers in _checkpoint_wrapped_module"),
    Kind("without PEFT's prefix", SERVED, lora(), renamed=(r"^base_model\.model\.", "")),
    Kind(
        "names without a root",
        NO_EFFECT,
        lora(),
        renamed=(r"^base_model\.model\.model\.", "base_model.model."),
        unseen="models have such names, only this one does not",
    ),
    Kind(
        "PEFT's prefix twice",
        SERVED,
        lora(),
        renamed=(r"^base_model\.model\.", "base_model.model.base_model.model."),
    ),
    Kind(
        "name of an adapter in the names",
        REFUSED,
        lora(),
        renamed=(r"\.lora_([AB])\.weight", r".lora_\1.default.weight"),
    ),
)

FILES = (
    Kind("bfloat16", SERVED, lora(), precision="bfloat16"),
    Kind("float16", SERVED, lora(), precision="float16"),
    Kind("float64", SERVED, lora(), precision="float64"),
    Kind("float8", SERVED, lora(), precision="float8_e4m3fn"),
    Kind("snapshot of the hub", SERVED, lora(), saved="in the hub's cache", inside=SNAPSHOT),
    Kind("pickled", SERVED, lora(), saved="pickled"),
    Kind("pickle beside safetensors", SERVED, lora(), saved="with a pickle beside it"),
    Kind("a trainer's files", SERVED, lora(), saved="among a trainer's files"),
    Kind("named adapter", SERVED, lora(), saved="in a sub-directory"),
    Kind("merged, adapter kept", SERVED, lora(), saved="after merging"),
    Kind("merged model", REFUSED, lora(), saved="merged into the base model"),
    Kind("lora_B lost", REFUSED, lora(), saved="without a lora_B"),
    Kind("lora_A lost", OTHER, lora(), saved="without a lora_A"),
)

CONFIGS = (
    Kind("no peft_type", SERVED, lora(), edited={"peft_type": REMOVED}),
    Kind("peft_type in lower case", SERVED, lora(), edited={"peft_type": "lora"}),
    Kind("no target_modules", REFUSED, lora(), edited={"target_modules": REMOVED}),
    Kind("empty target_modules", SERVED, lora(), edited={"target_modules": []}),
    Kind("null target_modules", SERVED, lora(), edited={"target_modules": None}),
    Kind(
        "odd values that nobody reads",
        SERVED,
        lora(),
        edited={"lora_dropout": "x", "task_type": 7, "revision": [], "fan_in_fan_out": "no"},
    ),
    Kind("null patterns", SERVED, lora(), edited={"rank_pattern": None, "alpha_pattern": None, "bias": "none"}),
    Kind("a key that PEFT will have", SERVED, lora(), edited={"use_dora": False, "brand_new": {"x": 1}}),
    Kind("alpha as text", REFUSED, lora(), edited={"lora_alpha": "16"}),
    Kind("rank as text", REFUSED, lora(), edited={"r": "8"}),
    Kind("broken alpha_pattern", REFUSED, lora(), edited={"alpha_pattern": {"q_proj[": 4}}),
    Kind("alpha_pattern of text", REFUSED, lora(), edited={"alpha_pattern": {"q_proj": "4"}}),
    Kind("rank in the config too small", OTHER, lora(), edited={"r": 4}),
    Kind("no lora_alpha", REFUSED, lora(), edited={"lora_alpha": REMOVED}),
    Kind("a number in target_modules", SERVED, lora(), edited={"target_modules": 5}),
    Kind("NaN that nobody reads", SERVED, lora(), edited={"lora_dropout": float("nan")}),
    Kind("null start", SERVED, lora(), edited={"init_lora_weights": None}),
    Kind("start in capitals", SERVED, lora(), edited={"init_lora_weights": "GAUSSIAN"}),
    Kind("rank with a fraction of 0", SERVED, lora(), edited={"r": 8.0}),
    Kind("rank 0", REFUSED, lora(), edited={"r": 0}),
    Kind("rank_pattern with a fraction of 0", REFUSED, lora(), edited={"rank_pattern": {"q_proj": 8.0}}),
    Kind("broken rank_pattern", REFUSED, lora(), edited={"rank_pattern": {"q_proj[": 4}}),
    Kind("DoRA as text", REFUSED, lora(), edited={"use_dora": "false"}),
    Kind("rsLoRA as a number", SERVED, lora(use_rslora=True), edited={"use_rslora": 1}),
    Kind("empty modules_to_save", SERVED, lora(), edited={"modules_to_save": []}),
    Kind("a head that is not there", SERVED, lora(), edited={"modules_to_save": ["score"]}),
    Kind("DoRA denied, but there", REFUSED, lora(use_dora=True), edited={"use_dora": False}),
    Kind("null bias", REFUSED, lora(), edited={"bias": None}),
)

KINDS_OF_FILES = (*WRAPPERS, *FILES, *CONFIGS)
