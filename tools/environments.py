# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual environments of the sessions in noxfile.py: shared by them, and kept between runs.

nox would make one for each session, and here most of them are equal.
"""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
BUILD = PROJECT / ".build"

# Versions of ansible-core, and of the Python that it runs on. The newest is in .venv, which `make dev` makes as well.
NEWEST = "newest"
OLDEST = "2.16-py3.10"
ENDS = (NEWEST, OLDEST)
MATRIX = (NEWEST, OLDEST, "2.18-py3.11", "2.21-py3.13")
# The other supported ones, for the public CI.
BETWEEN = ("2.18-py3.11", "2.17-py3.12", "2.19-py3.12", "2.20-py3.12")
# Managed hosts may be older than any controller: the newest ansible-core that runs on their oldest Python.
OLDEST_HOST = "2.13-py3.8"

# The one that tools/make_environment.sh prefers.
ANY_PYTHON = ""


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Wait until no other session is inside with the same name: sessions run side by side and share what they make."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def environment(name: str, pythons: str, *pip_arguments: str) -> Path:
    """Return a directory of the project that is a virtual environment, after making it if it is not there as wanted."""
    command = ["tools/make_environment.sh", name, pythons, *pip_arguments]
    with alone(Path(name).name):
        subprocess.run(command, cwd=PROJECT, check=True)
    return PROJECT / name


def newest() -> Path:
    """Return the environment with the newest ansible-core, to change the code and test it."""
    return environment(".venv", ANY_PYTHON, "-r", "requirements-dev.txt")


def larger_tools() -> Path:
    """Return the environment with the tools for documentation, change log, molecule and browser as well."""
    return environment(".build/venv-tools", ANY_PYTHON, "-r", "requirements-tools.txt")


def carried_wheels() -> Path:
    """Return a directory with the wheels that an agent is installed from, after fetching them if they are not there."""
    wheels = BUILD / "wheels"
    with alone("wheels"):
        if not wheels.exists():
            part = wheels.with_suffix(".part")
            pip = larger_tools() / "bin" / "pip"
            subprocess.run([pip, "download", "--quiet", "--dest", part, "ansible-core", "requests", "pip"], check=True)
            part.rename(wheels)
    return wheels


def core(name: str) -> Path:
    """Return the environment with one of the versions above, and what runs the tests."""
    if name == NEWEST:
        return newest()
    version, python = name.split("-py")
    pip_arguments = (f"ansible-core~={version}.0", "-r", "requirements-test.txt")
    return environment(f".build/venv-core-{name}", python, *pip_arguments)


def rulebook() -> Path:
    """Return the environment with ansible-rulebook."""
    pip_arguments = ("ansible-rulebook", "ansible-core", "ansible-runner", "-r", "requirements-test.txt")
    return environment(".build/venv-eda", ANY_PYTHON, *pip_arguments)


def examples() -> Path:
    """Return the environment with what the examples need."""
    return environment(".build/venv-examples", "3.12 3.13 3.14", "-r", "requirements-examples.txt")


def gateway() -> Path:
    """Return the environment with LiteLLM, which tests start as a program."""
    return environment(".build/venv-gateway", "3.12 3.13 3.11", "-r", "requirements-gateway.txt")


def signing() -> Path:
    """Return the environment with the standard tool that signs artifacts."""
    return environment(".build/venv-signing", "3.12 3.13 3.11 3.14", "-r", "requirements-signing.txt")
