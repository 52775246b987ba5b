# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks of code that a guide shows, for tests that run them."""

from __future__ import annotations

import re
import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path

from tests.support.environment import clean_environment

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "docsite" / "rst"
_BLOCK = re.compile(r"^( *)\.\. code-block:: \w+\n((?: +:.*\n)*)\n((?:\1 {2,}.*\n|\n)+)", re.MULTILINE)


class Guide:
    """One page. As a context manager, it sees to it that every block was taken, or is among those that are not run.

    not_run: the beginning of each block that no test runs, and the reason.
    """

    def __init__(self, name: str, not_run: Mapping[str, str] | None = None) -> None:
        self.text = (GUIDES / f"{name}.rst").read_text(encoding="utf-8")
        self.blocks = [textwrap.dedent(block).strip() + "\n" for _indent, _options, block in _BLOCK.findall(self.text)]
        self._left = list(self.blocks)
        for beginning in not_run or {}:
            self.take(beginning)

    def take(self, beginning: str) -> str:
        """The first block left that begins with this."""
        found = next((block for block in self._left if block.startswith(beginning)), None)
        assert found is not None, f"No block begins with {beginning!r}"
        self._left.remove(found)
        return found

    def write(self, name: str, directory: Path, places: Mapping[str, str] | None = None) -> Path:
        """Write the block that begins with `# name` to that file; places: what to put in place of what is shown."""
        text = self.take(f"# {name}\n")
        for shown, real in (places or {}).items():
            assert shown in text, f"{name} does not show {shown}"
            text = text.replace(shown, real)
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def __enter__(self) -> Guide:
        return self

    def __exit__(self, kind: type | None, *_exception: object) -> None:
        assert kind or not self._left, f"No test runs these blocks: {self._left}"


def shell(
    command: str, directory: Path, rc: int = 0, environment: Mapping[str, str] | None = None, seconds: float = 110
) -> str:
    """Run a command as a guide shows it, and return what it printed.

    rc: what it has to return; environment: beside the caller's, which is cleaned of what would change a run.
    """
    ran = subprocess.run(
        ["bash", "-c", command],
        cwd=directory,
        env={**clean_environment(directory), **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert ran.returncode == rc, f"{command} returned {ran.returncode}, not {rc}:\n{ran.stdout}"
    return ran.stdout
