# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser. Where there is none, these tests fail: a page that nobody looked at is not a page that works."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

# Without these, Chromium looks up hosts of its vendor at every start.
_QUIET = ["background-networking", "component-update", "sync"]
# Chromium asks for an icon that no page has, and pages of its own complain when a test takes their script away.
_NOT_OURS = re.compile(r"chrome://|.*favicon")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """Chromium with a profile of its own. When the test is over, nothing may be on its console that is an error."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    assert driver and chromium, "Install Debian's packages chromium and chromium-driver: `make browser` does as root."
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    arguments = [
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        f"user-data-dir={tmp_path / 'chromium'}",
    ]
    for argument in [*arguments, *(f"disable-{what}" for what in _QUIET)]:
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options, Service(driver))
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
