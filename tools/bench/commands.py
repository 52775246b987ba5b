# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command and take its time, in an environment where nothing of the caller's changes what Ansible does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.environment import clean_environment

ENVIRONMENT = Path(sys.executable).parent


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
        process = subprocess.Popen(
            [ENVIRONMENT / command, *arguments],
            cwd=directory,
            env=clean_environment(directory),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        took = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise RuntimeError(f"{command} {' '.join(arguments)} ended with {process.returncode}:\n{text[-5000:]}")
    return Took(took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, text)
