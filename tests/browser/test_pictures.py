# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of the README. tests/integration/test_demo.py has the steps of the demo."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
# A README loads both at once.
LARGEST = 150_000


@pytest.mark.parametrize("name", ["demo", "report"])
def test_the_pictures_are_small(name: str) -> None:
    with Image.open(PICTURES / f"{name}.png") as picture:
        assert picture.width == 1600
    assert (PICTURES / f"{name}.png").stat().st_size < LARGEST
