# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make every adapter of the catalogue, and write down what PEFT itself says: `making.py MODEL DIRECTORY`.

Runs in the environment of the real server, whose torch and transformers PEFT uses.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")

import torch

from tests.peft.bases import tiny
from tests.peft.catalogue import KINDS
from tests.peft.kinds import PROMPT, Kind
from tests.peft.saving import save
from tests.peft.training import log_probabilities, trained


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
    truths = {kind.name: _make(kind, model, directory / kind.slug) for kind in KINDS}
    truths["base model"] = {"log_probabilities": log_probabilities(tiny(model), PROMPT)}
    (directory / "truths.json").write_text(json.dumps(truths), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
