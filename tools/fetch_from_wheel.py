# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: fetch_from_wheel.py DIRECTORY REQUIREMENT PATH ...

Takes files out of a wheel that is not installed, such as single collections out of the bundle `ansible`, where Galaxy is
out of reach: `fetch_from_wheel.py .build/foreign ansible==11.13.0 ansible_collections/awx/awx/`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


def fetch(directory: Path, requirement: str, paths: list[str]) -> None:
    """Extract what begins with one of the paths into the directory. Exits with a message when one is not there."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--only-binary=:all:"]
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as downloaded:
        subprocess.run([*pip, "--dest", downloaded, requirement], check=True)
        (wheel,) = Path(downloaded).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for path in paths:
                members = [name for name in archive.namelist() if name.startswith(path)]
                if not members:
                    sys.exit(f"{requirement} does not hold {path}.")
                archive.extractall(directory, members)


if __name__ == "__main__":
    fetch(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
