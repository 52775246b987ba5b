# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an adapter comes to disk, and what is done to its files there. Runs in the environment of the real server."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import peft
import torch
from safetensors.torch import load_file, save_file

from tests.real_vllm.peft.kinds import REMOVED, SNAPSHOT, Kind

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


def save(kind: Kind, adapted: peft.PeftModel, directory: Path) -> None:
    """Write the adapter, and then change its files as the kind says."""
    SAVES[kind.saved](adapted, directory)
    if kind.edited:
        _edit(directory / CONFIG, kind)
    if kind.precision:
        dtype = getattr(torch, kind.precision)
        _rewrite(directory, lambda name, tensor: (name, tensor.to(dtype)))
    if kind.renamed:
        pattern, replacement = kind.renamed
        _rewrite(directory, lambda name, tensor: (re.sub(pattern, replacement, name), tensor))


def _edit(file: Path, kind: Kind) -> None:
    config = json.loads(file.read_text(encoding="utf-8")) | dict(kind.edited)
    kept = {key: value for key, value in config.items() if value is not REMOVED}
    file.write_text(json.dumps(kept, indent=2), encoding="utf-8")


Change = Callable[[str, torch.Tensor], tuple[str, torch.Tensor]]


def _rewrite(directory: Path, change: Change) -> None:
    tensors = dict(change(name, tensor) for name, tensor in load_file(directory / WEIGHTS).items())
    save_file(tensors, directory / WEIGHTS, {"format": "pt"})


def _pickled(adapted: peft.PeftModel, directory: Path) -> None:
    adapted.save_pretrained(directory, safe_serialization=False)


def _with_a_pickle(adapted: peft.PeftModel, directory: Path) -> None:
    adapted.save_pretrained(directory, safe_serialization=False)
    adapted.save_pretrained(directory)


def _converted(adapted: peft.PeftModel, directory: Path) -> None:
    adapted.save_pretrained(directory, path_initial_model_for_weight_conversion=adapted.fresh.name)


def _from_state_of(wrap: Callable[[torch.nn.Module], torch.nn.Module]) -> Callable[[peft.PeftModel, Path], None]:
    """As trainers do that hand over the state of what wraps the model."""

    def save(adapted: peft.PeftModel, directory: Path) -> None:
        adapted.save_pretrained(directory, state_dict=wrap(adapted).state_dict())

    return save


def _named(adapted: peft.PeftModel, directory: Path) -> None:
    """PEFT puts an adapter that is not called "default" into a sub-directory; that is what is loaded."""
    adapted.add_adapter("other", adapted.peft_config["default"])
    with torch.no_grad():
        own = dict(adapted.named_parameters())
        for name, parameter in own.items():
            if ".default." in name:
                own[name.replace(".default.", ".other.")].copy_(parameter)
    adapted.save_pretrained(directory, selected_adapters=["other"])
    for file in (directory / "other").iterdir():
        shutil.move(file, directory)


def _merged(adapted: peft.PeftModel, directory: Path) -> None:
    adapted.merge_adapter()
    adapted.save_pretrained(directory)


def _merged_and_unloaded(adapted: peft.PeftModel, directory: Path) -> None:
    adapted.merge_and_unload().save_pretrained(directory)


def _with_new_embeddings(adapted: peft.PeftModel, directory: Path) -> None:
    """As vLLM documented it up to 0.9: the rows of the added tokens in a file beside the adapter."""
    adapted.save_pretrained(directory, save_embedding_layers=False)
    rows = {
        "input_embeddings": adapted.get_input_embeddings().weight[-2:].detach().clone(),
        "output_embeddings": adapted.get_output_embeddings().weight[-2:].detach().clone(),
    }
    save_file(rows, directory / "new_embeddings.safetensors")


def _without(pattern: str) -> Callable[[peft.PeftModel, Path], None]:
    """Tensors are missing, as after a conversion by hand."""

    def save(adapted: peft.PeftModel, directory: Path) -> None:
        adapted.save_pretrained(directory)
        left = {name: tensor for name, tensor in load_file(directory / WEIGHTS).items() if not re.search(pattern, name)}
        save_file(left, directory / WEIGHTS, {"format": "pt"})

    return save


def _in_the_hubs_cache(adapted: peft.PeftModel, directory: Path) -> None:
    """The files lie in `blobs`, and a snapshot links to them."""
    snapshot = directory / SNAPSHOT
    blobs = snapshot.parents[1] / "blobs"
    adapted.save_pretrained(blobs)
    snapshot.mkdir(parents=True)
    for number, file in enumerate(sorted(blobs.iterdir())):
        (snapshot / file.name).symlink_to(f"../../blobs/{number}")
        file.rename(blobs / str(number))


def _with_what_trainers_leave(adapted: peft.PeftModel, directory: Path) -> None:
    adapted.save_pretrained(directory)
    torch.save({"lr": 1}, directory / "training_args.bin")
    torch.save({"state": {}}, directory / "optimizer.pt")
    (directory / "trainer_state.json").write_text("{}", encoding="utf-8")


SAVES: dict[str, Callable[[peft.PeftModel, Path], None]] = {
    "save_pretrained": lambda adapted, directory: adapted.save_pretrained(directory),
    "in the hub's cache": _in_the_hubs_cache,
    "pickled": _pickled,
    "converted": _converted,
    "with a pickle beside it": _with_a_pickle,
    "with the state of DataParallel": _from_state_of(torch.nn.DataParallel),
    "with the state of torch.compile": _from_state_of(torch.compile),
    "in a sub-directory": _named,
    "after merging": _merged,
    "merged into the base model": _merged_and_unloaded,
    "with new_embeddings.safetensors": _with_new_embeddings,
    "without embeddings": lambda adapted, directory: adapted.save_pretrained(directory, save_embedding_layers=False),
    "without a lora_B": _without(r"layers\.1\.self_attn\.v_proj\.lora_B"),
    "without a lora_A": _without(r"layers\.1\.self_attn\.v_proj\.lora_A"),
    "among a trainer's files": _with_what_trainers_leave,
}
