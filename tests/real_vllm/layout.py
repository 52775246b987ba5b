# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything that outlives a run is kept, and the one error that every step raises."""

from __future__ import annotations

import os
import re
from pathlib import Path

# The newest release that has a CPU build; and the newest of all, on which `make test` runs less (NEWEST_VLLM in noxfile.py).
DEFAULT_VERSION = "0.32.0"
NEWEST_VERSION = "0.33.0"


class RealVllmError(Exception):
    """One sentence for the user: what was tried, what came back, what to do."""


def cache_root() -> Path:
    """`${XDG_CACHE_HOME:-~/.cache}/sovereign-vllm`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sovereign-vllm"


def release_directory(version: str) -> Path:
    """Everything that belongs to one vLLM release: its venv, its model, its logs."""
    return cache_root() / f"vllm-{version}"


def venv_python(version: str) -> Path:
    """The interpreter of the release's virtual environment (exists once it is installed)."""
    return release_directory(version) / "venv" / "bin" / "python"


def complaints(log_file: Path) -> str:
    """What a log says about a failure, indented, for the end of an error message: its errors, or else its last lines."""
    lines = log_file.read_text(errors="replace").splitlines() if log_file.exists() else []
    errors = [line for line in lines if re.search(r"(Error|Exception|ERROR): ", line) and "WARNING" not in line]
    return "".join(f"\n    {line}" for line in errors[-4:] or lines[-15:])


def model_directory(version: str) -> Path:
    """The tiny model that the release serves."""
    return release_directory(version) / "model"


def servers_directory() -> Path:
    """One directory for each started server, named after its port."""
    return cache_root() / "servers"
