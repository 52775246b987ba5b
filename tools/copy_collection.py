# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy the project to the path that ansible-test insists on, `.../ansible_collections/sovereign/vllm`.

usage: copy_collection.py DESTINATION

Takes what git tracks or would track, so that caches and environments stay behind, and deletes what is gone from the
project. A symlink to the project would be simpler, but ansible-test looks at the resolved path.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
# The copy's own repository, and what ansible-test leaves behind.
KEPT = (Path(".git"), Path("tests/output"))


def project_files() -> set[Path]:
    """Return the relative paths of all files that git does not ignore and that still exist."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return {Path(name) for name in listing.split("\0") if name and (PROJECT / name).is_file()}


def kind(file: Path) -> tuple[bool, bool]:
    """Return if the file is a link, and if it is executable."""
    return file.is_symlink(), os.access(file, os.X_OK)


def copy(destination: Path) -> None:
    """Make `destination` hold exactly the project's files, touching only those that differ."""
    wanted = project_files()
    for present in sorted(destination.rglob("*"), reverse=True):
        relative = present.relative_to(destination)
        if any(relative.is_relative_to(kept) or kept.is_relative_to(relative) for kept in KEPT):
            continue
        if present.is_dir() and not present.is_symlink():
            if not any(present.iterdir()):
                present.rmdir()
        elif relative not in wanted:
            present.unlink()
    for relative in wanted:
        source, target = PROJECT / relative, destination / relative
        if target.is_file() and kind(target) == kind(source) and filecmp.cmp(source, target):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
    # ansible-test asks git which files to test. The project's repository would answer "none", for it ignores the copy.
    subprocess.run(["git", "init", "--quiet", destination], check=True)


if __name__ == "__main__":
    copy(Path(sys.argv[1]).resolve())
