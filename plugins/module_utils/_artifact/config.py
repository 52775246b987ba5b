# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts in adapter_config.json, and the settings in it that vLLM 0.32 refuses."""

from __future__ import annotations

import math
import posixpath
import re
from typing import Any

from .files import ArtifactError, config_decoder, is_integer, refuse_deep, shown

MAX_CONFIG = 1 << 20  # bytes; a few kB is usual, and a config with a rank for each of 10,000 modules is smaller

CLASSIFICATION_HEADS = ("classifier", "score")
"""Modules that vLLM 0.32 takes as full weights beside the LoRA, only for classification models."""

_UNSUPPORTED = {
    "use_dora": "DoRA",
    "lora_bias": "LoRA with a bias",
    "alora_invocation_tokens": "activated LoRA",
    "layer_replication": "layer replication",
    "use_bdlora": "block-diagonal LoRA",
    "use_qalora": "QALoRA",
}
# The other named initialisations (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA, ...) also change the base model's weights. vLLM 0.33
# refuses all of them but LoRA-GA, which it serves on base weights that it was not trained on (tests/real_vllm/peft).
_PLAIN_INITIALISATIONS = ("gaussian", "eva", "orthogonal", "mica")

_ON_HUB = re.compile(r"[^/.~:][^/:]*/[^/]+")
_IN_CACHE = re.compile(r"(?:^|/)models--([^/]+)(?:/snapshots/[^/]+)?$")


def parse_config(content: bytes) -> dict[str, Any]:
    """Return the content of adapter_config.json.

    :raises ArtifactError: if it is not a JSON object.
    """
    if len(content) > MAX_CONFIG:
        raise ArtifactError(f"adapter_config.json is larger than {MAX_CONFIG} bytes.")
    if not content.strip():
        raise ArtifactError("adapter_config.json is empty: copy it again.")
    try:
        text = content.decode("utf-8")
        refuse_deep(text)
        config = config_decoder().decode(text)
    except UnicodeError:
        raise ArtifactError("adapter_config.json is not UTF-8 text.") from None
    except ValueError as error:
        raise ArtifactError(f"adapter_config.json is not valid JSON: {error}.") from None
    if not isinstance(config, dict):
        raise ArtifactError("adapter_config.json is not a JSON object.")
    return config


def config_facts(config: dict[str, Any]) -> dict[str, Any]:
    """Return the facts in a config. A fact that is missing or malformed is None.

    ``rank`` is the largest of ``r`` and all values of ``rank_pattern``, even if no module matches: vLLM compares it with
    --max-lora-rank.
    """
    pattern = config.get("rank_pattern") or {}
    ranks = [_r(config), *(pattern.values() if isinstance(pattern, dict) else [pattern])]
    return {
        "rank": max(ranks) if all(_is_rank(rank) for rank in ranks) else None,
        "peft_type": _text(config.get("peft_type")),
        "base_model_name_or_path": _text(config.get("base_model_name_or_path")),
        "target_modules": _names(config.get("target_modules")),
    }


def config_problems(config: dict[str, Any], max_rank: int | None, base_model: str | None) -> list[str]:
    """Return one clause for each setting that prevents vLLM from serving the adapter as it was trained."""
    problems = []
    # vLLM reads the names of the tensors instead of the type. Some tools write it as "lora" or "PeftType.LORA".
    kind = _text(config.get("peft_type"))
    if kind and kind.rpartition(".")[2].upper() != "LORA":
        problems.append(f"peft_type is {shown(kind)}, and vLLM serves only LORA adapters.")
    problems += _rank_problems(config, max_rank)
    problems += _type_problems(config)
    for key, feature in sorted(_UNSUPPORTED.items()):
        if config.get(key):
            problems.append(f"{key} is set, and vLLM does not serve {feature}.")
    if config.get("bias", "none") != "none":
        problems.append(f"bias is {shown(config['bias'])}, and vLLM takes only 'none'.")
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start.lower() not in _PLAIN_INITIALISATIONS:
        problems.append(
            f"init_lora_weights is {shown(start)}, which also changes the base model: convert the adapter to a plain LoRA "
            "with PEFT's path_initial_model_for_weight_conversion."
        )
    named = _text(config.get("base_model_name_or_path"))
    if base_model is not None and not (named and is_same_model(named, base_model)):
        problems.append(f"base_model_name_or_path is {shown(named)}, and the adapter must be for {shown(base_model)}.")
    return problems


def _rank_problems(config: dict[str, Any], max_rank: int | None) -> list[str]:
    problems = []
    pattern = config.get("rank_pattern") or {}
    if not _is_rank(_r(config)):
        problems.append(f"r is {shown(config.get('r'))}, and the rank must be a positive integer.")
    if not isinstance(pattern, dict):
        problems.append(f"rank_pattern is {shown(pattern)}, and must be a table of ranks by module name.")
        pattern = {}
    problems += [
        f"rank_pattern gives {shown(name)} the rank {shown(rank)}, which is not a positive integer."
        for name, rank in pattern.items()
        if not _is_rank(rank)
    ]
    ranks = [rank for rank in [_r(config), *pattern.values()] if _is_rank(rank)]
    if max_rank is not None and ranks and max(ranks) > max_rank:
        source = "r" if config.get("r") == max(ranks) else "rank_pattern"
        problems.append(
            f"{source} sets the rank {max(ranks)}, and max_rank is {max_rank}: start vLLM with a larger --max-lora-rank, or "
            "train the adapter with a smaller rank."
        )
    return problems


def _type_problems(config: dict[str, Any]) -> list[str]:
    problems = []
    alphas = config.get("alpha_pattern") or {}
    if not is_number(config.get("lora_alpha")):
        problems.append(f"lora_alpha is {shown(config.get('lora_alpha'))}, and must be a number.")
    elif config["lora_alpha"] == 0 and not alphas:
        problems.append(
            "lora_alpha is 0, and vLLM multiplies the weights by it, so the adapter has no effect: set the value that it "
            "was trained with."
        )
    if not isinstance(alphas, dict):
        problems.append(f"alpha_pattern is {shown(alphas)}, and must be a table of numbers by module name.")
    if "target_modules" not in config:
        problems.append("target_modules is missing, and vLLM requires it: add it with any value.")
    saved = config.get("modules_to_save") or []
    if not isinstance(saved, list) or any(name not in CLASSIFICATION_HEADS for name in saved):
        problems.append(
            f"modules_to_save is {shown(saved)}, and vLLM takes full weights only of a classification head, which is "
            f"{' or '.join(CLASSIFICATION_HEADS)}."
        )
    return problems


def is_same_model(one: str, other: str) -> bool:
    """Return whether two names mean one model, such as ``/models/tiny/``, ``acme/tiny`` and ``tiny``.

    Two names on a hub, such as ``acme/tiny`` and ``other/tiny``, mean different models.
    """
    one, other = _hub_name(one), _hub_name(other)
    if all(_ON_HUB.fullmatch(name) for name in (one, other)):
        return one == other
    return posixpath.basename(one) == posixpath.basename(other)


def _hub_name(name: str) -> str:
    """Return the name of a model on its hub if ``name`` is a path in a cache, which spells the name differently.

    The cache of Hugging Face has ``models--acme--tiny/snapshots/<commit>``. That of ModelScope has three underscores
    for a dot.
    """
    name = name.strip().replace("\\", "/").rstrip("/").replace("___", ".")
    cached = _IN_CACHE.search(name)
    return cached.group(1).replace("--", "/") if cached else name


def _r(config: dict[str, Any]) -> object:
    """Return ``r``. vLLM takes 8.0 for 8 here, but not in ``rank_pattern``."""
    value = config.get("r")
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_rank(value: Any) -> bool:
    return is_integer(value) and value > 0


def is_number(value: Any) -> bool:
    """Return whether vLLM can calculate with the value."""
    try:
        return (is_integer(value) or isinstance(value, float)) and math.isfinite(value)
    except OverflowError:
        return False


def _text(value: object) -> str | None:
    # A result cannot hold half of a surrogate pair.
    return value if isinstance(value, str) and value.encode("utf-8", "replace").decode() == value else None


def _names(value: object) -> list[str] | None:
    """Return PEFT's list of modules. A pattern, such as "all-linear" or a regular expression, is the only name."""
    names = [value] if isinstance(value, str) else value
    return names if isinstance(names, list) and all(_text(name) for name in names) else None
