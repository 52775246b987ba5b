# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The map in CONTRIBUTING.md has a row for each folder, and every path that the texts name exists."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
TESTS = PROJECT / "tests"
PATH = re.compile(r"`([\w.]+(?:/[\w.]+)+)`|\]\(([\w./]+)\)|`(test_\w+\.py)`")
# Made by targets, of others, or in the walks, which test_walks.py holds.
NOT_HERE = (".build/", ".venv/", ".git/", "ansible_collections/", "_")


def read(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


def rows(section: str) -> set[str]:
    """The folders in the first column of a section's tables."""
    text = read("CONTRIBUTING.md").split(f"\n## {section}\n")[1].split("\n## ")[0]
    return {
        name for row in re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)
    }


def folders(parent: str) -> Iterable[str]:
    return (folder.name for folder in (PROJECT / parent).iterdir() if folder.is_dir() and any(folder.rglob("*.py")))


def test_every_folder_is_on_the_map() -> None:
    halls = ("plugins/module_utils", "plugins/plugin_utils")
    rooms = {f"plugins/{name}" for name in folders("plugins")} - {*halls}
    rooms |= {f"{hall}/{name}" for hall in halls for name in folders(hall)}
    assert rooms - rows("The map") == set()


def test_every_suite_is_named() -> None:
    assert set(folders("tests")) - rows("Tests") == set()


@pytest.mark.parametrize("text", ["CONTRIBUTING.md", "SECURITY.md", "INCLUSION.md", "MAINTAINERS.md"])
def test_every_path_exists(text: str) -> None:
    named = {"".join(groups) for groups in PATH.findall(read(text))}
    named = {path for path in named if not path.startswith(NOT_HERE)}
    assert [path for path in sorted(named) if not (PROJECT / path).exists() and not any(TESTS.rglob(path))] == []
