# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tiny model of a release and the adapters that fit it, made here and now: nothing comes from a model hub."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.real_vllm.layout import RealVllmError, model_directory, venv_python
from tests.stand_in.adapters import write_adapter, write_examples


def ensure_model(version: str) -> Path:
    """The release's model directory; written by the release's own transformers if it is not there.

    Raises:
        RealVllmError: the release's transformers refused to write it.
    """
    model = model_directory(version)
    if model.exists():
        return model
    half_made = model.with_name(f"model.{os.getpid()}")
    script = Path(__file__).with_name("tiny_model.py")
    done = subprocess.run([venv_python(version), "-I", script, half_made], check=False, capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(half_made, ignore_errors=True)
        raise RealVllmError(f"Writing a tiny model with {venv_python(version)} failed: {done.stderr.strip()}")
    try:
        half_made.rename(model)
    except OSError:  # somebody else was faster, with the same files
        shutil.rmtree(half_made)
    return model


def ensure_adapters(directory: Path) -> Path:
    """Write the adapters that the stand-in's tests use too, and a third good one; existing files are written anew."""
    write_examples(directory)
    write_adapter(directory / "third", seed=3)
    return directory
