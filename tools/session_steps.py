# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sessions in noxfile.py do alike: run a program of an environment, and make the collection that it is to see."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

from tools.environments import BUILD, newest

COLLECTIONS = BUILD / "collections"
TREE = COLLECTIONS / "ansible_collections/sovereign/vllm"
# What users get: the tarball, installed.
INSTALLED = BUILD / "installed"
# Those that lead through all of it beside the unit tests. One release is enough, for where they differ these take all ways.
PLAYBOOKS_OF_THE_CORE = [
    f"tests/integration/test_{name}.py"
    for name in ("one_adapter", "whole_node", "swap", "server_info", "offline", "hostile_answers", "role")
]


def run(
    session: nox.Session, where: Path, program: str | Path, *arguments: str | Path, **variables: str | Path
) -> None:
    """Run a program of an environment, which comes first in PATH. `variables` are the program's."""
    path = os.pathsep.join([str(where / "bin"), os.environ["PATH"]])
    session.run(
        where / "bin" / program, *arguments, env={"PATH": path, **{key: str(value) for key, value in variables.items()}}
    )


def pytest(session: nox.Session, where: Path, *arguments: str, **variables: str) -> None:
    run(session, where, "pytest", *arguments, *session.posargs, **variables)


def measure_coverage(session: nox.Session) -> None:
    """Run the tests of the core, and hold what they ran of it against pyproject.toml."""
    seen = BUILD / "coverage"
    shutil.rmtree(seen, ignore_errors=True)
    seen.mkdir(parents=True)
    tests = ("-m", "pytest", "-n", "auto", "-k", "not Every or 0.32", "tests/unit", *PLAYBOOKS_OF_THE_CORE)
    for step in (("run", *tests), ("combine", "--quiet", seen), ("report",)):
        run(session, newest(), "coverage", *step, COVERAGE_FILE=seen / "data")


def tree(session: nox.Session) -> None:
    """Copy the project to where ansible-test wants it."""
    run(session, newest(), "python", "tools/copy_collection.py", TREE)


def installed(session: nox.Session) -> dict[str, str]:
    """Build the tarball and install it. Returns the variable that makes the tests use what users get."""
    tree(session)
    run(session, newest(), "python", "tools/build_tarball.py", TREE, BUILD / "dist")
    (tarball,) = (BUILD / "dist").glob("*.tar.gz")
    shutil.rmtree(INSTALLED, ignore_errors=True)
    install = ("ansible-galaxy", "collection", "install", "--offline", "-p", INSTALLED, tarball)
    run(session, newest(), *install, ANSIBLE_COLLECTIONS_PATH=INSTALLED)
    return {"SOVEREIGN_VLLM_COLLECTIONS_PATH": str(INSTALLED)}
