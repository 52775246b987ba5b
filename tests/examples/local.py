# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook of examples/local on a server, whichever it is."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.support.environment import clean_environment
from tests.support.playbook import ANSIBLE_PLAYBOOK

LOCAL = Path(__file__).parents[2] / "examples" / "local"


def converge(directory: Path, *options: str, key: str | None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it with these extra variables. directory: for Ansible's own files."""
    command = [ANSIBLE_PLAYBOOK, LOCAL / "converge.yml", "-e", json.dumps(variables), *options]
    environment = {**clean_environment(directory), **({"VLLM_API_KEY": key} if key else {})}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
