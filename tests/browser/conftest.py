# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser. Where there is none, these tests fail: a page that nobody looked at is not a page that works."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from tests.support.chromium import start_chromium

# Chromium asks for an icon that no page has, and pages of its own complain when a test takes their script away.
_NOT_OURS = re.compile(r"chrome://|.*favicon")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """Chromium with a profile of its own. When the test is over, nothing may be on its console that is an error."""
    chrome = start_chromium(tmp_path / "chromium")
    try:
        yield chrome
        errors = [
            entry
            for entry in chrome.get_log("browser")
            if entry["level"] == "SEVERE" and not _NOT_OURS.match(entry["message"])
        ]
        assert not errors
    finally:
        chrome.quit()
