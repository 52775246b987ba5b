# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: run_ansible_test.py COLLECTION sanity|units|integration [ARGUMENT ...]

Runs `ansible-test` of the environment that runs this script. `sanity` uses every Python that works here. Shows what was
tested. Shows the rest of the output, which is mostly pip's, only if a test fails.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FIND_PYTHON = Path(__file__).with_name("find_python.sh")
OWN_PYTHON = "{}.{}".format(*sys.version_info)
# Unit tests get an environment that holds tests/unit/requirements.txt and nothing else.
OPTIONS = {
    "sanity": ["--local"],
    "units": ["--venv", "--python", OWN_PYTHON],
    "integration": ["--local", "--python", OWN_PYTHON],
}
TESTED = re.compile(r"Running (sanity test|\S+ integration test)|=+ .*\d passed")


def link_pythons(directory: Path) -> None:
    """Link each Python that works here: ansible-test uses all in PATH, and stops at a pyenv shim that does not run."""
    for version in ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"):
        found = subprocess.run([FIND_PYTHON, version], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            (directory / f"python{version}").symlink_to(found.stdout.strip())


def run(collection: Path, command: str, arguments: list[str]) -> int:
    """Return the exit code: the one of ansible-test, or 1 if it found nothing to test."""
    with tempfile.TemporaryDirectory() as pythons:
        link_pythons(Path(pythons))
        path = os.pathsep.join([str(Path(sys.executable).parent), pythons, "/usr/bin", "/bin"])
        tested = False
        output = []
        with subprocess.Popen(
            ["ansible-test", command, *OPTIONS[command], "--color", "no", *arguments],
            cwd=collection,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            for line in process.stdout or ():
                output.append(line)
                if TESTED.match(line):
                    tested = True
                    print(line, end="", flush=True)
    if process.returncode:
        print(*output, sep="")
    return process.returncode or int(not tested)


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
