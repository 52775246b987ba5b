# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the tensors of an adapter are the LoRA matrices that its config declares, under names that vLLM takes."""

from __future__ import annotations

import re

from ._artifact_config import CLASSIFICATION_HEADS
from ._artifact_ranks import declared_ranks
from ._artifact_text import shown

_MATRIX = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_(?:([AB])\.weight|embedding_([AB]))", re.DOTALL)
_HEAD = re.compile(rf"(?:.*\.)?({'|'.join(CLASSIFICATION_HEADS)})\.(?:weight|bias)", re.DOTALL)
# Base weights that PEFT saves beside the adapter of an embedding, and that vLLM skips.
_SKIPPED = (".embed_tokens.base_layer.weight", ".lm_head.base_layer.weight")
_FLOATS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")


class _Tally:
    """Problems, each with the tensors or modules that have it: a wrong rank is one sentence, not hundreds."""

    def __init__(self):
        self._found = {}

    def add(self, problem, name):
        count, first = self._found.get(problem, (0, name))
        self._found[problem] = (count + 1, first)

    def clauses(self):
        return [
            f"{problem}: {shown(first)}" + (f" and {count - 1} more." if count > 1 else ".")
            for problem, (count, first) in self._found.items()
        ]


def weight_problems(tensors: dict, config: dict, ranks_are_known: bool) -> list:
    """Return one clause for each kind of thing that is wrong with the weights.

    :param tensors: the result of ``read_header()``.
    :param config: what adapter_config.json holds.
    :param ranks_are_known: the config declares well-formed ranks, so compare them.
    :raises ArtifactError: when ``rank_pattern`` cannot be matched.
    """
    tally = _Tally()
    saved = config.get("modules_to_save")
    modules = _matrices_by_module(tensors, saved if isinstance(saved, list) else [], tally)
    if not modules:
        return tally.clauses() or ["there are no LoRA matrices."]
    ranks = declared_ranks(modules, config["r"], config.get("rank_pattern") or {}) if ranks_are_known else {}
    for module, matrices in modules.items():
        _check_pair(module, matrices, ranks.get(module), tally)
    return tally.clauses()


def _matrices_by_module(tensors, saved_modules, tally):
    """Return the A and B of each module, ``{module: {"A": Tensor, "B": Tensor}}``, and tally all other tensors."""
    modules = {}
    for name, tensor in tensors.items():
        matrix = _MATRIX.fullmatch(name)
        head = _HEAD.fullmatch(name)
        if matrix:
            module, side = matrix.group(1), matrix.group(2) or matrix.group(3)
            if side in modules.setdefault(module, {}):
                tally.add(f"there is more than one lora_{side} for", module)
            modules[module][side] = tensor
            if tensor.dtype not in _FLOATS:
                tally.add(f"the weights are of type {tensor.dtype}, and must be floating point", name)
        elif not name.endswith(_SKIPPED) and not (head and head.group(1) in saved_modules):
            tally.add("there are tensors that are not LoRA matrices, which vLLM refuses", name)
    return modules


def _check_pair(module, matrices, declared, tally):
    if len(matrices) == 1:
        tally.add(
            "there is a lora_A without lora_B for" if "A" in matrices else "there is a lora_B without lora_A for",
            module,
        )
    for side, tensor in matrices.items():
        # Stacked experts have a dimension more, the first.
        dimensions = (2, 3) if ".experts" in module else (2,)
        if len(tensor.shape) not in dimensions or 0 in tensor.shape:
            tally.add(f"lora_{side} has the shape {shown(tensor.shape)}, which is not a matrix", module)
            return
    ranks = [matrices[side].shape[-2 if side == "A" else -1] for side in sorted(matrices)]
    if len(set(ranks)) > 1:
        tally.add(f"lora_A has the rank {ranks[0]} and lora_B the rank {ranks[1]}", module)
        return
    # PEFT stores fused experts as one matrix, of all their ranks one below the other.
    is_fused = module.endswith((".experts", ".experts.base_layer"))
    if declared and (ranks[0] % declared if is_fused else ranks[0] != declared):
        tally.add(f"the rank is {ranks[0]} where adapter_config.json declares {declared}", module)
