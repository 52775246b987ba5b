# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the tensors of an adapter with its config, and with the names that vLLM takes."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from .config import CLASSIFICATION_HEADS, is_number
from .experts import FUSED, STACKED, experts_problems, split_expert
from .files import ArtifactError, shown
from .safetensors import Tensor

MATCHING_TIME = (
    3.0  # seconds for all keys of a pattern and all modules. The engine waits meanwhile; milliseconds are usual
)


class _TooSlow(Exception):
    pass


def values_by_module(modules: Iterable[str], field: str, default: Any, pattern: dict[str, Any]) -> dict[str, Any]:
    """Return module → its value in the config.

    :param modules: names of modules, without ``base_model.model.``.
    :param field: the key of the pattern in adapter_config.json, for messages.
    :param default: the value for modules that no pattern matches.
    :param pattern: regular expression for the end of a name, from a dot on → value. The first match counts.
    :raises ArtifactError: if a key is not a regular expression, or takes too long to match.
    """
    try:
        with _time_limit(MATCHING_TIME):
            patterns = [(_compiled(field, key), value) for key, value in pattern.items()]
            return {
                module: next((value for key, value in patterns if key.match(_parameter(module))), default)
                for module in modules
            }
    except _TooSlow:
        raise ArtifactError(
            f"adapter_config.json: {field} takes more than {MATCHING_TIME:.0f} seconds to match, and vLLM also matches it: "
            "write out the names of the modules."
        ) from None


def _compiled(field: str, key: str) -> re.Pattern[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(rf"(.*\.)?({key})$")
    except (re.error, OverflowError, RecursionError):
        raise ArtifactError(
            f"adapter_config.json: {field} has the key {shown(key)}, which is not a regular expression."
        ) from None


def _parameter(module: str) -> str:
    # PEFT stores the LoRA of fused experts under the module, and matches patterns with the parameter.
    if module.endswith(".experts.base_layer"):
        return module[: -len("base_layer")] + "gate_up_proj"
    return module + ".down_proj" if module.endswith(".experts") else module


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise ``_TooSlow`` in the block after so many seconds. Nothing else stops a regular expression.

    It has no effect outside of the main thread, or if another alarm comes earlier.
    """
    outer, interval = signal.getitimer(signal.ITIMER_REAL)
    if threading.current_thread() is not threading.main_thread() or 0 < outer < seconds:
        yield
        return

    def stop(*_unused: object) -> None:
        raise _TooSlow

    started = time.monotonic()
    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous or signal.SIG_DFL)
        if outer:
            signal.setitimer(signal.ITIMER_REAL, max(outer - (time.monotonic() - started), 0.001), interval)


_PREFIX = "base_model.model."
_MATRIX = re.compile(r"(.+)\.lora_(?:([AB])\.weight|embedding_([AB]))", re.DOTALL)
_HEAD = re.compile(rf"(?:.*\.)?({'|'.join(CLASSIFICATION_HEADS)})\.(weight|bias)", re.DOTALL)
# vLLM skips these base weights, which PEFT saves beside the adapter of an embedding.
_SKIPPED = (".embed_tokens.base_layer.weight", ".lm_head.base_layer.weight")
_FLOATS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")

# Wrappers of modules during training. No model has these names, or any name that begins with "_".
_WRAPPERS = {
    "_orig_mod": "torch.compile",
    "_fsdp_wrapped_module": "FSDP",
    "_fpw_module": "FSDP",
    "_checkpoint_wrapped_module": "activation checkpointing",
    "_forward_module": "Lightning Fabric",
    "module": "DistributedDataParallel",
    "base_model": "PEFT",
    "base_layer": "another adapter",
    "original_module": "modules_to_save",
    "modules_to_save": "modules_to_save",
    "pretrained_model": "TRL",
}


class _Tally:
    """Counts the tensors or modules with each problem, so that a wrong rank is one sentence and not hundreds."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str]] = {}

    def add(self, problem: str, name: str) -> None:
        count, first = self._found.get(problem, (0, name))
        self._found[problem] = (count + 1, first)

    def clauses(self) -> list[str]:
        return [
            f"{problem}: {shown(first)}" + (f" and {count - 1} more." if count > 1 else ".")
            for problem, (count, first) in self._found.items()
        ]


def weight_problems(tensors: dict[str, Tensor], config: dict[str, Any], ranks_are_known: bool) -> list[str]:
    """Return one clause for each kind of problem with the weights.

    :param tensors: the result of ``read_header()``.
    :param config: the content of adapter_config.json.
    :param ranks_are_known: the config has well-formed ranks, so compare them.
    :raises ArtifactError: if a pattern of the config cannot be matched.
    """
    tally = _Tally()
    saved = config.get("modules_to_save")
    modules = _matrices_by_module(tensors, saved if isinstance(saved, list) else [], tally)
    if not modules:
        return tally.clauses() or ["there are no LoRA matrices."]
    ranks: dict[str, int] = {}
    if ranks_are_known:
        ranks = values_by_module(modules, "rank_pattern", config["r"], _table(config, "rank_pattern"))
    for module, matrices in modules.items():
        _check_name(module, tally)
        _check_pair(module, matrices, ranks.get(module), tally)
    if is_number(config.get("lora_alpha")):
        _check_alphas(modules, config["lora_alpha"], _table(config, "alpha_pattern"), tally)
    for problem, layer in experts_problems(modules, ranks):
        tally.add(problem, layer)
    return tally.clauses()


def _table(config: dict[str, Any], key: str) -> dict[str, Any]:
    value = config.get(key)
    return value if isinstance(value, dict) else {}


def _matrices_by_module(
    tensors: dict[str, Tensor], saved_modules: list[Any], tally: _Tally
) -> dict[str, dict[str, Tensor]]:
    """Return the matrices of each module, ``{module: {"A": Tensor, "B": Tensor}}``, and tally all other tensors."""
    modules: dict[str, dict[str, Tensor]] = {}
    heads: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        # vLLM also removes the prefix at every place. In an adapter of an adapted model it occurs twice.
        matrix = _MATRIX.fullmatch(name.replace(_PREFIX, "") if name.startswith(_PREFIX) else name)
        head = _HEAD.fullmatch(name)
        if matrix:
            module, side = matrix.group(1), matrix.group(2) or matrix.group(3)
            if side in modules.setdefault(module, {}):
                tally.add(f"there is more than one lora_{side} for", module)
            modules[module][side] = tensor
            if tensor.dtype not in _FLOATS:
                tally.add(f"the weights are of type {tensor.dtype}, and must be floating point", name)
        elif head and head.group(1) in saved_modules:
            if head.group(2) in heads.setdefault(head.group(1), {}):
                tally.add(f"there is more than one {head.group(2)} for the classification head", head.group(1))
            heads[head.group(1)][head.group(2)] = tensor
        elif not name.endswith(_SKIPPED):
            tally.add("there are tensors that are not LoRA matrices, which vLLM refuses", name)
    _check_heads(heads, tally)
    return modules


def _check_heads(heads: dict[str, dict[str, Tensor]], tally: _Tally) -> None:
    if len(heads) > 1:
        tally.add("there is more than one classification head, and vLLM takes one", " and ".join(sorted(heads)))
    for head, parameters in heads.items():
        if "weight" not in parameters:
            tally.add("there is a bias without a weight for the classification head", head)
            continue
        shape = parameters["weight"].shape
        if len(shape) != 2 or 0 in shape or parameters.get("bias", parameters["weight"]).shape[:1] != shape[:1]:
            tally.add("weight and bias do not have the shapes of a classification head", head)


def _check_name(module: str, tally: _Tally) -> None:
    parts = module.split(".")
    if parts[-2:] == ["experts", "base_layer"]:
        parts.pop()  # PEFT's name of gate_up_proj
    for part in parts:
        if part in _WRAPPERS or part.startswith("_") or not part:
            tally.add(
                f"the names have the part {shown(part)}, which {_WRAPPERS.get(part, 'a wrapper')} adds and no served model has, "
                "so vLLM loads these weights without effect (unwrap the model before you save the adapter, or remove that "
                "part from the names)",
                module,
            )
            return


def _check_pair(module: str, matrices: dict[str, Tensor], rank: int | None, tally: _Tally) -> None:
    if len(matrices) == 1:
        found, missing = ("A", "B") if "A" in matrices else ("B", "A")
        tally.add(f"there is a lora_{found} without lora_{missing} for", module)
    layer, part = split_expert(module)
    # Stacked experts have an extra dimension, the first.
    dimensions, expected = (3, "a stack of matrices") if layer and part in STACKED else (2, "a matrix")
    for side, tensor in matrices.items():
        if len(tensor.shape) != dimensions or 0 in tensor.shape:
            tally.add(f"lora_{side} has the shape {shown(tensor.shape)}, which is not {expected}", module)
            return
    ranks = [matrices[side].shape[-2 if side == "A" else -1] for side in sorted(matrices)]
    if len(set(ranks)) > 1:
        tally.add(f"lora_A has the rank {ranks[0]} and lora_B the rank {ranks[1]}", module)
        return
    # PEFT stores fused experts as one matrix, of all their ranks one below the other.
    is_fused = layer and part in FUSED
    if rank and (ranks[0] % rank if is_fused else ranks[0] != rank):
        tally.add(f"the rank is {ranks[0]}, and adapter_config.json sets {rank}", module)


def _check_alphas(modules: Iterable[str], default: Any, pattern: dict[str, Any], tally: _Tally) -> None:
    if not pattern:
        return  # config_problems() checks a default without a pattern
    alphas = values_by_module(modules, "alpha_pattern", default, pattern)
    for module, alpha in alphas.items():
        if not is_number(alpha):
            tally.add(f"alpha_pattern of adapter_config.json gives {shown(alpha)}, which is not a number", module)
        # An adapter can switch off some modules. If it switches off all of them, that is a mistake.
        elif not any(alphas.values()):
            tally.add(
                "lora_alpha and alpha_pattern of adapter_config.json give 0, and vLLM multiplies the weights by it, so the "
                "adapter has no effect (set the values that it was trained with)",
                module,
            )
