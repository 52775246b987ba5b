# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environments of this project that stand in for images."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from tests.real_awx.controller import Image
from tests.real_awx.programs import MissingProgramError

PROJECT = Path(__file__).resolve().parents[2]
DEFINITION = PROJECT / "examples" / "awx" / "execution-environment.yml"
# The one that controller.yml registers by default.
JOBS_IMAGE = "registry.example.org/sovereign/vllm-ee:1.0.0"
# AWX updates projects in its own image. The updates of AWX 24.6.1 fail with ansible-core 2.21.
_CONTROL_PLANE = PROJECT / ".build" / "venv-core-2.18-py3.11" / "bin"


def images() -> dict[str, Image]:
    """What stands in for the image of the jobs, and for all others."""
    if not _CONTROL_PLANE.exists():
        raise MissingProgramError(f"This needs {_CONTROL_PLANE}. `nox -s real-awx` makes it.")
    return {JOBS_IMAGE: Image(Path(sys.executable).parent, _variables()), "": Image(_CONTROL_PLANE, {})}


def _variables() -> dict[str, str]:
    """What the definition of the jobs' image sets."""
    steps = yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))["additional_build_steps"]["append_final"]
    lines = [step.removeprefix("ENV ") for step in steps if step.startswith("ENV ")]
    return dict(line.split("=", 1) for line in lines)
