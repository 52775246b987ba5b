# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the page of a report on a fleet that does not exist: python -m tools.sample_report --help"""

from __future__ import annotations

import argparse
from pathlib import Path

import tests.conftest  # noqa: F401  # It makes the collection importable.


def main() -> None:
    from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.page import page

    from tests.support.made_up_fleet import made_up_fleet

    parser = argparse.ArgumentParser(prog="tools.sample_report", description="Write the page of a made-up report.")
    parser.add_argument("--sites", type=int, default=40, help="number of sites (default: %(default)s)")
    parser.add_argument("file", type=Path, nargs="?", default=Path(".build/drift.html"), help="default: %(default)s")
    arguments = parser.parse_args()
    arguments.file.parent.mkdir(parents=True, exist_ok=True)
    arguments.file.write_text(page(made_up_fleet(arguments.sites), "LoRA adapters of the fleet"), encoding="utf-8")
    print(f"{arguments.file}: {arguments.file.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
