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
