# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PEFT beside the torch of a real server: installed once, and run there to make the adapters."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.real_vllm.artifacts import ensure_model
from tests.real_vllm.install import install
from tests.real_vllm.layout import release_directory, venv_python

PROJECT = Path(__file__).resolve().parents[3]
DEFAULT_PEFT = "0.21.2"
# Everything else that PEFT needs is there: vLLM needs it, too.
BESIDE = ("accelerate",)


class MakingError(Exception):
    """PEFT could not be installed, or could not run."""


def install_peft(vllm: str, peft: str) -> Path:
    """The directory that a Python of this vLLM imports PEFT from; it is made if it is not there.

    Raises:
        MakingError: pip failed.
    """
    python = install(vllm)
    directory = release_directory(vllm) / f"peft-{peft}"
    with (release_directory(vllm) / "peft.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            half_made = directory.with_name(f"peft.{os.getpid()}")
            shutil.rmtree(half_made, ignore_errors=True)
            pip = (python, "-I", "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--no-deps")
            _run([*pip, "--target", half_made, f"peft=={peft}", *BESIDE])
            half_made.rename(directory)
    return directory


def make(vllm: str, peft: str, directory: Path) -> dict[str, dict[str, Any]]:
    """Make every adapter of the catalogue in a directory of its own, and return what PEFT says of each, by name.

    Raises:
        MakingError: nothing could be made. An adapter that could not is in the result, with its `error`.
    """
    variables = {"PYTHONPATH": str(install_peft(vllm, peft)), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    _run(
        [venv_python(vllm), "-W", "ignore", "-m", "tests.real_vllm.peft.making", ensure_model(vllm), directory],
        **variables,
    )
    return json.loads((directory / "truths.json").read_text(encoding="utf-8"))


def _run(command: list[Path | str], **variables: str) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=PROJECT, env=clean | variables, check=False, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise MakingError(f"{' '.join(map(str, command))} ended with {done.returncode}: {done.stderr[-4000:]}")
