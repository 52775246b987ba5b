# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The experts of a layer. vLLM 0.32 packs them together, and refuses the adapter if a part is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .files import shown
from .safetensors import Tensor

STACKED = {"w1", "w2", "w3"}
"""Parts that are one tensor for all experts, with an extra dimension."""

FUSED = {"base_layer": "gate_up_proj", "": "down_proj"}
"""Parts that are one matrix for all experts, with their ranks one below the other: PEFT's name → projection."""

_EXPERTS = re.compile(r"(.+?\.experts)(?:\.(.+))?", re.DOTALL)
_EXPERT = re.compile(r"(0|[1-9][0-9]{0,5})\.([^.]+)")
# The projections of one expert. There are two families of names.
_PROJECTIONS = ({"gate_proj", "up_proj", "down_proj"}, {"w1", "w2", "w3"})
_TRAIN_ALL = "(train the adapter for all of them)"


def split_expert(module: str) -> tuple[str, str]:
    """Return the layer of experts that a module belongs to, and its part in it. Both are empty for other modules."""
    found = _EXPERTS.fullmatch(module)
    return (found.group(1), found.group(2) or "") if found else ("", "")


def experts_problems(modules: dict[str, dict[str, Tensor]], ranks: dict[str, int]) -> Iterator[tuple[str, str]]:
    """Yield each problem that prevents vLLM from packing the experts of a layer, with the layer.

    :param modules: ``{module: {"A": Tensor, "B": Tensor}}``.
    :param ranks: the rank of each module in the config; empty if the ranks are unknown.
    """
    layers: dict[str, dict[str, dict[str, Tensor]]] = {}
    for module, matrices in modules.items():
        layer, part = split_expert(module)
        if layer and len(matrices) == 2:
            layers.setdefault(layer, {})[part] = matrices
    for layer, parts in layers.items():
        for problem in _layer_problems(layer, parts, ranks):
            yield problem, layer


def _layer_problems(layer: str, parts: dict[str, dict[str, Tensor]], ranks: dict[str, int]) -> Iterator[str]:
    numbered: dict[int, dict[str, dict[str, Tensor]]] = {}
    others: set[str] = set()
    for part, matrices in parts.items():
        found = _EXPERT.fullmatch(part)
        if found:
            numbered.setdefault(int(found.group(1)), {})[found.group(2)] = matrices
        else:
            others.add(part)
    stacked, fused = others & STACKED, others & FUSED.keys()
    unknown = others - STACKED - FUSED.keys()
    if unknown:
        yield f"vLLM refuses experts with the part {shown(min(unknown))}"
    if bool(numbered) + bool(stacked) + bool(fused) > 1:
        yield "the experts are stored in several layouts, and vLLM takes one"
    if stacked and stacked != STACKED:
        yield f"the experts lack {_and(STACKED - stacked)}, and vLLM needs all three projections {_TRAIN_ALL}"
    if fused:
        yield from _fused_problems(layer, parts, ranks)
    if numbered:
        yield from _numbered_problems(numbered, has_gate=not layer.endswith(".mixer.experts"))


def _fused_problems(layer: str, parts: dict[str, dict[str, Tensor]], ranks: dict[str, int]) -> Iterator[str]:
    if not FUSED.keys() <= parts.keys():
        yield (
            "the experts have one pair of matrices, and vLLM needs a pair for gate_up_proj and one for down_proj (train "
            "both of these target_parameters)"
        )
        return
    by_part = {"": ranks.get(layer), "base_layer": ranks.get(f"{layer}.base_layer")}
    counts = {sum(parts[part]["A"].shape[:1]) // rank for part, rank in by_part.items() if rank}
    if len(counts) > 1:
        yield "gate_up_proj and down_proj have the matrices of different numbers of experts"


def _numbered_problems(experts: dict[int, dict[str, dict[str, Tensor]]], has_gate: bool) -> Iterator[str]:
    missing = min(set(range(len(experts) + 1)) - set(experts))
    if missing < max(experts):
        yield f"there is an expert {max(experts)} but no expert {missing}, and vLLM needs every expert {_TRAIN_ALL}"
    names = {name for expert in experts.values() for name in expert}
    needed = next((family for family in _PROJECTIONS if names <= family), names)
    if not has_gate and "gate_proj" not in names:
        needed = needed - {"gate_proj"}  # Nemotron-H, whose layers are called mixers
    lacking = {name for name in needed if any(name not in expert for expert in experts.values())}
    if lacking:
        yield f"some experts lack {_and(lacking)}, and vLLM needs every projection of every expert {_TRAIN_ALL}"
    for name in sorted(names):
        pairs = [expert[name] for expert in experts.values() if name in expert]
        shapes = {(pair["A"].shape, pair["B"].shape) for pair in pairs}
        if len({a[:1] for a, _b in shapes}) > 1:
            yield f"the experts have different ranks for {shown(name)}, and vLLM needs one rank for all of them"
        elif len(shapes) > 1:
            yield f"the experts have matrices of different shapes for {shown(name)}"


def _and(names: set[str]) -> str:
    return " and ".join(shown(name) for name in sorted(names))
