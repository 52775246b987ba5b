# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent of a node, without another machine. Molecule's scenario `agent` installs it and runs it as systemd does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import alone


@pytest.mark.timeout(600)
def test_the_story() -> None:
    if not alone.is_possible():
        pytest.skip("This machine allows no user namespaces.")
    story = Path(__file__).with_name("agent_story.py")
    pytest_alone = alone.command(sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", str(story))
    told = subprocess.run(
        pytest_alone,
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
