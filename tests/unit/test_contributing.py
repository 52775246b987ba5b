# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The map of the code in CONTRIBUTING.md shows what is there."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
TEXT = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAMES = set(re.findall(r"`(_\w+)`", TEXT))
PATHS = set(re.findall(r"`([\w.]+/[\w./]+)`", TEXT)) | set(re.findall(r"\]\(([\w./]+)\)", TEXT))


def test_every_file_of_the_layers_is_on_the_map() -> None:
    utils = {file.stem for file in (PROJECT / "plugins" / "module_utils").glob("_*.py")}
    assert utils - NAMES == set()
    assert NAMES - utils == {"_VALIDATOR"}


def test_every_suite_is_named() -> None:
    named = {name for row in re.findall(r"^\| (`[\w`, ]+`) \|", TEXT, re.MULTILINE) for name in re.findall(r"\w+", row)}
    suites = {file.parts[-2] for file in (PROJECT / "tests").glob("*/__*__.py")}
    assert suites - named - {"support", "bench", "demo"} == set()


def test_every_path_is_there() -> None:
    assert len(PATHS) > 20
    assert [path for path in sorted(PATHS) if not (PROJECT / path).exists()] == []
