# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: python -m tests.support.alone COMMAND [ARGUMENT ...]

Runs a command in a network of its own, with loopback and nothing else. It needs no privileges, but user namespaces.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


def is_possible() -> bool:
    """Whether this machine lets us have such a network."""
    return bool(shutil.which("unshare")) and not subprocess.run(["unshare", "-rn", "true"], check=False).returncode


def command(*arguments: str) -> list[str]:
    """The command that runs these arguments alone."""
    return ["unshare", "-rn", sys.executable, "-m", "tests.support.alone", *arguments]


def run_story(file: Path) -> None:
    """Run the tests of a file without any other machine, or skip the test that asks for it."""
    if not is_possible():
        pytest.skip("This machine allows no user namespaces.")
    told = subprocess.run(
        command(sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", str(file)),
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr


def is_alone() -> bool:
    """Whether no other machine can be reached."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return True
    return False


def main() -> None:
    with socket.socket() as probe:
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
