# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent of a node, without another machine. Molecule's scenario `agent` installs it and runs it as systemd does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import alone


@pytest.mark.timeout(600)
def test_the_story() -> None:
    alone.run_story(Path(__file__).with_name("agent_story.py"))
