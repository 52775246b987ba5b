# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold tasks that are shown against the documented arguments of their modules."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path
from typing import Any

from tests.examples.arguments import documentation, problems, tasks_of

MODULES = Path(__file__).parents[2] / "plugins" / "modules"


def mistakes(playbook: str) -> dict[str, list[str]]:
    """What is wrong with the arguments of a playbook, or of a list of tasks, by task."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "shown.yml"
        file.write_text(playbook, encoding="utf-8")
        found = {task.name: problems(task.arguments, _options()[task.module]) for task in tasks_of(file)}
    return {name: wrong for name, wrong in found.items() if wrong}


@functools.cache
def _options() -> dict[str, dict[str, Any]]:
    return documentation([f"sovereign.vllm.{file.stem}" for file in MODULES.glob("*.py")], os.environ)
