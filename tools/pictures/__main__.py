# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the pictures of the README, report.png and demo.png: python -m tools.pictures [DIRECTORY]"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.support.chromium import start_chromium
from tools.pictures import report, terminal
from tools.pictures.photograph import photograph

# CSS pixels: the part of the page that needs attention.
_REPORT = 893
DIRECTORY = Path(__file__).parents[2] / "docs" / "pictures"


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="vllm-pictures-") as name:
        work = Path(name)
        browser = start_chromium(work / "chromium")
        try:
            photograph(browser, report.write_page(work / "report.html"), directory / "report.png", _REPORT)
            photograph(browser, terminal.write_page(work), directory / "demo.png")
        finally:
            browser.quit()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else DIRECTORY)
