# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the page of a report on a fleet that does not exist: python -m tools.pictures.report --sites 40 FILE"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

# A fleet of this size has every kind of difference, and its page fits into a picture.
SITES = 24


def write_page(file: Path, sites: int = SITES) -> Path:
    """Write the page on this many sites, and return its path. The same number gives the same page."""
    # It makes the collection importable.
    importlib.import_module("tests.conftest")
    from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.page import page

    from tests.support.made_up_fleet import made_up_fleet

    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(made_up_fleet(sites), "LoRA adapters of the fleet"), encoding="utf-8")
    return file


def main() -> None:
    parser = argparse.ArgumentParser(prog="tools.pictures.report", description="Write the page of a made-up report.")
    parser.add_argument("--sites", type=int, default=SITES, help="number of sites (default: %(default)s)")
    parser.add_argument("file", type=Path, nargs="?", default=Path(".build/drift.html"), help="default: %(default)s")
    arguments = parser.parse_args()
    written = write_page(arguments.file, arguments.sites)
    print(f"{written}: {written.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
