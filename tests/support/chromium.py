# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser: Debian's Chromium, without a window."""

from __future__ import annotations

import shutil
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

# Without these, Chromium looks up hosts of its vendor at every start.
_QUIET = ["background-networking", "component-update", "sync"]


def start_chromium(profile: Path) -> webdriver.Chrome:
    """Return Chromium with a profile in this directory, and with its console kept. The caller quits it."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    assert driver and chromium, "Install Debian's packages chromium and chromium-driver: `make browser` does as root."
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    arguments = ["headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", f"user-data-dir={profile}"]
    for argument in [*arguments, *(f"disable-{what}" for what in _QUIET)]:
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options, Service(driver))
