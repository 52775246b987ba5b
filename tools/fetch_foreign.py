# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: fetch_foreign.py DIRECTORY

Fetches what the examples use of others into the directory, out of wheels, for Galaxy may be out of reach. Does nothing when
that was done before.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WANTED = {
    # The last bundle that has awx.awx.
    "ansible==11.13.0": ["ansible_collections/awx/awx/"],
    "ansible==14.5.0": [
        "ansible_collections/amazon/aws/",
        "ansible_collections/community/general/",
        "ansible_collections/kubernetes/core/",
    ],
    "docker-compose==1.29.2": ["compose/config/compose_spec.json"],
}


def fetch(directory: Path, requirement: str, paths: list[str]) -> None:
    """Extract what begins with one of the paths into the directory. Exits with a message when one is not there."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--only-binary=:all:"]
    with tempfile.TemporaryDirectory(dir=directory) as downloaded:
        subprocess.run([*pip, "--dest", downloaded, requirement], check=True)
        (wheel,) = Path(downloaded).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for path in paths:
                members = [name for name in archive.namelist() if name.startswith(path)]
                if not members:
                    sys.exit(f"{requirement} does not hold {path}.")
                archive.extractall(directory, members)


def fetch_all(directory: Path) -> None:
    complete = directory / ".complete"
    if complete.exists() and complete.stat().st_mtime > Path(__file__).stat().st_mtime:
        return
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for requirement, paths in WANTED.items():
        fetch(directory, requirement, paths)
    complete.touch()


if __name__ == "__main__":
    fetch_all(Path(sys.argv[1]))
