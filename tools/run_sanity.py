# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: run_sanity.py COLLECTION [ARGUMENT ...]

Runs `ansible-test sanity`, of the environment that runs this script, with every Python that works here. Shows the names of
the tests; of the rest, which is mostly pip's, only when a test fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

FIND_PYTHON = Path(__file__).with_name("find_python.sh")


def link_pythons(directory: Path) -> None:
    """Link each Python that works here: ansible-test uses all in PATH, and stops at a pyenv shim that does not run."""
    for version in ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"):
        found = subprocess.run([FIND_PYTHON, version], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            (directory / f"python{version}").symlink_to(found.stdout.strip())


def run(collection: Path, arguments: list[str]) -> int:
    """Return the exit code: that of ansible-test, or 1 when it found nothing to test."""
    with tempfile.TemporaryDirectory() as pythons:
        link_pythons(Path(pythons))
        path = os.pathsep.join([str(Path(sys.executable).parent), pythons, "/usr/bin", "/bin"])
        command = ["ansible-test", "sanity", "--local", "--color", "no", *arguments]
        environment = {**os.environ, "PATH": path}
        tested = False
        output = []
        with subprocess.Popen(
            command, cwd=collection, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            for line in process.stdout or ():
                output.append(line)
                if line.startswith("Running sanity test"):
                    tested = True
                    print(line, end="", flush=True)
    if process.returncode:
        print(*output, sep="")
    return process.returncode or int(not tested)


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), sys.argv[2:]))
