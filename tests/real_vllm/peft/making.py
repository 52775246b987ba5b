# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make every adapter of the catalogue, and write down what PEFT itself says: `making.py MODEL DIRECTORY`.

Runs in the environment of the real server, whose torch and transformers PEFT uses.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

import torch

from tests.real_vllm.peft.bases import tiny, write_tied
from tests.real_vllm.peft.catalogue import KINDS
from tests.real_vllm.peft.kinds import PROMPT, TIED, Kind
from tests.real_vllm.peft.saving import save
from tests.real_vllm.peft.training import log_probabilities, trained


def _make(kind: Kind, model: Path, directory: Path) -> dict:
    try:
        adapted = trained(kind, model)
        said = log_probabilities(adapted, kind.prompt)
        save(kind, adapted, directory)
    except Exception:
        return {"error": traceback.format_exc()}
    return {"log_probabilities": said}


def main(model: Path, directory: Path) -> None:
    torch.set_num_threads(1)
    tied = directory / TIED
    write_tied(model, tied)
    truths = {}
    for kind in KINDS:
        truths[kind.name] = _make(kind, tied if kind.base == TIED else model, directory / kind.slug)
    bases = {"tiny": log_probabilities(tiny(model), PROMPT), TIED: log_probabilities(tiny(tied), PROMPT)}
    (directory / "truths.json").write_text(json.dumps({"kinds": truths, "bases": bases}), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
