# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make pictures` shows the page that the role writes. tests/integration/test_demo.py has the steps of the demo."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By

from tools.pictures.photograph import photograph
from tools.pictures.report import write_page

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
# A README loads both at once.
LARGEST = 150_000


def test_the_report_in_the_picture_has_every_kind_of_site(browser: webdriver.Chrome, tmp_path: Path) -> None:
    photograph(browser, write_page(tmp_path), tmp_path / "report.png")
    shown = browser.find_element(By.TAG_NAME, "body").text
    for words in ("3 drifted", "1 unreachable", "1 not audited", "19 in sync", "trial-kim", "sql is not served"):
        assert words in shown
    assert Image.open(tmp_path / "report.png").width == 1600
    assert (tmp_path / "report.png").stat().st_size < LARGEST


@pytest.mark.parametrize("name", ["demo", "report"])
def test_the_pictures_are_small(name: str) -> None:
    with Image.open(PICTURES / f"{name}.png") as picture:
        assert picture.width == 1600
    assert (PICTURES / f"{name}.png").stat().st_size < LARGEST
