# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A page in a browser, as a small PNG."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image
from selenium import webdriver

# A README is about 800 pixels wide, and screens have up to twice as many.
_PIXELS = 1600
# CSS pixels.
_WIDTH, _HEIGHT = 1000, 1000
# Fewer colours make a file a third as large, and look the same.
_COLOURS = 64


def photograph(browser: webdriver.Chrome, page: Path, picture: Path, highest: int = _HEIGHT) -> None:
    """Write a picture of the page, as wide as its content: that of the demo is narrower than the window.

    highest: CSS pixels, after which the rest of a long page is left out.
    """
    browser.get(page.as_uri())
    window = {"width": _WIDTH, "height": _HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window)
    size = "const b = document.body.getBoundingClientRect(), m = getComputedStyle(document.body)"
    size += "; return [b.right + parseFloat(m.marginRight), b.bottom]"
    width, height = browser.execute_script(size)
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, highest), "scale": _PIXELS / width}
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    image = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
    image.quantize(_COLOURS, Image.Quantize.FASTOCTREE).save(picture, optimize=True)
