# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build tarballs as `make build` does, with the tools of any clone."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def clone(directory: Path) -> Path:
    """Clone the last commit."""
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", PROJECT, directory], check=True)
    return directory


def build(project: Path, directory: Path, **variables: str) -> Path:
    """Build the tarball of a clone below the directory, and return its path."""
    tree = directory / "ansible_collections" / "sovereign" / "vllm"
    environment = {**os.environ, **variables}
    for tool, *arguments in (("copy_collection.py", tree), ("build_tarball.py", tree, directory / "dist")):
        subprocess.run([sys.executable, project / "tools" / tool, *arguments], env=environment, check=True)
    (tarball,) = (directory / "dist").glob("*.tar.gz")
    return tarball


def files(tarball: Path) -> set[str]:
    """The names of everything in a tarball but directories."""
    with tarfile.open(tarball) as archive:
        return {member.name for member in archive if not member.isdir()}
