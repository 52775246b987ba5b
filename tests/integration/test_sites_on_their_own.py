# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sites that no network reaches: from the bundle of headquarters to the report on the results that come back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import alone


@pytest.mark.timeout(1200)
def test_the_story() -> None:
    alone.run_story(Path(__file__).with_name("sites_story.py"))
