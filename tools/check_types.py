# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: check_types.py COLLECTION [ARGUMENT ...]

Runs mypy on a copy of the collection, under the names that its files import each other by: `ansible_collections.sovereign.vllm`
in plugins, `sovereign_vllm` in the event source.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def check(collection: Path, arguments: list[str]) -> int:
    """Return mypy's exit code."""
    root = collection.parents[2]
    alias = collection.parents[3] / "types" / "sovereign_vllm"
    alias.parent.mkdir(exist_ok=True)
    alias.unlink(missing_ok=True)
    alias.symlink_to(collection)
    inside = collection.relative_to(root)
    # The same files under two names would be two modules for one run of mypy.
    for place, name, folder in ((root, inside, "plugins"), (alias.parent, alias.name, "extensions/eda/plugins")):
        command = [sys.executable, "-m", "mypy", "--config-file", collection / "pyproject.toml", *arguments]
        files = sorted(str(file.relative_to(place)) for file in (place / name / folder).rglob("*.py"))
        finished = subprocess.run(
            [*command, *files], cwd=place, env={**os.environ, "MYPYPATH": str(place)}, check=False
        )
        if finished.returncode:
            return finished.returncode
    return 0


if __name__ == "__main__":
    sys.exit(check(Path(sys.argv[1]).resolve(), sys.argv[2:]))
