# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the tensors of an adapter are the LoRA matrices that its config declares, under names that vLLM takes."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
import warnings

from .config import CLASSIFICATION_HEADS, is_number
from .experts import FUSED, STACKED, experts_problems, place_among_experts
from .files import ArtifactError, shown

MATCHING_TIME = 3.0  # seconds for all keys of a pattern and all modules, in which the engine would stand still; milliseconds are usual


class _TooSlow(Exception):
    pass


def declared_values(modules, field: str, default, pattern: dict) -> dict:
    """Return what is declared for each module, by name.

    :param modules: names of modules, without ``base_model.model.``.
    :param field: the key of the pattern in adapter_config.json, for messages.
    :param default: the value for modules that no pattern matches.
    :param pattern: values by regular expressions for the end of a name, from a dot on. The first match counts.
    :raises ArtifactError: when a key is no regular expression, or is one that takes for ever.
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
            f"adapter_config.json: {field} takes more than {MATCHING_TIME:.0f} seconds to match, and vLLM matches it as well: "
            "write out the names of the modules."
        ) from None


def _compiled(field, key):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(rf"(.*\.)?({key})$")
    except (re.error, OverflowError, RecursionError):
        raise ArtifactError(
            f"adapter_config.json: {field} has the key {shown(key)}, which is not a regular expression."
        ) from None


def _parameter(module):
    # PEFT stores LoRA on the parameters of fused experts under the module, and matches patterns against the parameters.
    if module.endswith(".experts.base_layer"):
        return module[: -len("base_layer")] + "gate_up_proj"
    return module + ".down_proj" if module.endswith(".experts") else module


@contextlib.contextmanager
def _time_limit(seconds):
    """Raise ``_TooSlow`` in the block after so many seconds: a regular expression cannot be stopped in any other way.

    Without effect outside of the main thread, and where somebody else's alarm comes earlier.
    """
    outer, interval = signal.getitimer(signal.ITIMER_REAL)
    if threading.current_thread() is not threading.main_thread() or 0 < outer < seconds:
        yield
        return

    def stop(*_unused):
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
# Base weights that PEFT saves beside the adapter of an embedding, and that vLLM skips.
_SKIPPED = (".embed_tokens.base_layer.weight", ".lm_head.base_layer.weight")
_FLOATS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")

# Names of modules that are put around those of a model during training. No model has them, nor any that begins with "_".
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
    """Return one sentence for each kind of thing that is wrong with the weights, without the name of the file.

    :param tensors: the result of ``read_header()``.
    :param config: what adapter_config.json holds.
    :param ranks_are_known: the config declares well-formed ranks, so compare them.
    :raises ArtifactError: when a pattern of the config cannot be matched.
    """
    tally = _Tally()
    saved = config.get("modules_to_save")
    modules = _matrices_by_module(tensors, saved if isinstance(saved, list) else [], tally)
    if not modules:
        return tally.clauses() or ["there are no LoRA matrices."]
    ranks = (
        declared_values(modules, "rank_pattern", config["r"], _table(config, "rank_pattern")) if ranks_are_known else {}
    )
    for module, matrices in modules.items():
        _check_name(module, tally)
        _check_pair(module, matrices, ranks.get(module), tally)
    if is_number(config.get("lora_alpha")):
        _check_alphas(modules, config["lora_alpha"], _table(config, "alpha_pattern"), tally)
    for problem, layer in experts_problems(modules, ranks):
        tally.add(problem, layer)
    return tally.clauses()


def _table(config, key):
    value = config.get(key)
    return value if isinstance(value, dict) else {}


def _matrices_by_module(tensors, saved_modules, tally):
    """Return the A and B of each module, ``{module: {"A": Tensor, "B": Tensor}}``, and tally all other tensors."""
    modules, heads = {}, {}
    for name, tensor in tensors.items():
        # As vLLM does, which removes the prefix wherever it occurs, such as twice in an adapter of an adapted model.
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


def _check_heads(heads, tally):
    if len(heads) > 1:
        tally.add("there is more than one classification head, and vLLM takes one", " and ".join(sorted(heads)))
    for head, parameters in heads.items():
        if "weight" not in parameters:
            tally.add("there is a bias without a weight for the classification head", head)
            continue
        shape = parameters["weight"].shape
        if len(shape) != 2 or 0 in shape or parameters.get("bias", parameters["weight"]).shape[:1] != shape[:1]:
            tally.add("weight and bias have no shapes of a classification head", head)


def _check_name(module, tally):
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


def _check_pair(module, matrices, declared, tally):
    if len(matrices) == 1:
        tally.add(
            "there is a lora_A without lora_B for" if "A" in matrices else "there is a lora_B without lora_A for",
            module,
        )
    layer, part = place_among_experts(module)
    # Stacked experts have a dimension more, the first.
    dimensions = 3 if layer and part in STACKED else 2
    for side, tensor in matrices.items():
        if len(tensor.shape) != dimensions or 0 in tensor.shape:
            what = "a stack of matrices" if dimensions == 3 else "a matrix"
            tally.add(f"lora_{side} has the shape {shown(tensor.shape)}, which is not {what}", module)
            return
    ranks = [matrices[side].shape[-2 if side == "A" else -1] for side in sorted(matrices)]
    if len(set(ranks)) > 1:
        tally.add(f"lora_A has the rank {ranks[0]} and lora_B the rank {ranks[1]}", module)
        return
    # PEFT stores fused experts as one matrix, of all their ranks one below the other.
    is_fused = layer and part in FUSED
    if declared and (ranks[0] % declared if is_fused else ranks[0] != declared):
        tally.add(f"the rank is {ranks[0]} where adapter_config.json declares {declared}", module)


def _check_alphas(modules, default, pattern, tally):
    if not pattern:
        return  # the default alone is judged with the config
    alphas = declared_values(modules, "alpha_pattern", default, pattern)
    for module, alpha in alphas.items():
        if not is_number(alpha):
            tally.add(f"alpha_pattern of adapter_config.json gives {shown(alpha)}, which is not a number", module)
        # Some modules that are switched off are served as they were trained. An adapter without any effect is a mistake.
        elif not any(alphas.values()):
            tally.add(
                "lora_alpha and alpha_pattern of adapter_config.json give 0, and vLLM multiplies the weights by it, so the "
                "adapter has no effect (set the values that it was trained with)",
                module,
            )
