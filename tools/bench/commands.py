# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command and take its time, in an environment where nothing of the caller's changes what Ansible does."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.environment import clean_environment

ENVIRONMENT = Path(sys.executable).parent
# A process counts the memory of the one that starts it as its own until it runs its program, so a small one starts it.
MEASURE = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    json.dump([code, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024], file)
"""


@dataclass(frozen=True)
class Took:
    """seconds: on the clock; cpu: seconds of all its processes together; peak: bytes of the largest of them."""

    seconds: float
    cpu: float
    peak: int
    output: str = field(repr=False)


def run(directory: Path, command: str, *arguments: str) -> Took:
    """Run a command of this Python's environment. Raises RuntimeError with its output when it fails."""
    with (directory / "output").open("w+") as output:
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-c", MEASURE, "usage.json", ENVIRONMENT / command, *arguments],
            cwd=directory,
            env=clean_environment(directory),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=True,
        )
        took = time.monotonic() - began
        output.seek(0)
        text = output.read()
    code, cpu, peak = json.loads((directory / "usage.json").read_text())
    if code:
        raise RuntimeError(f"{command} {' '.join(arguments)} ended with {code}:\n{text[-5000:]}")
    return Took(took, cpu, peak, text)
