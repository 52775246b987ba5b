# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The common steps of the sessions in noxfile.py: run a program of an environment, and make its collection."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import nox

from tools.environments import BUILD, alone, newest

COLLECTIONS = BUILD / "collections"
TREE = COLLECTIONS / "ansible_collections/sovereign/vllm"
# The installed tarball, as users have it.
INSTALLED = BUILD / "installed"
# Percent, of lines and of branches.
LEAST_COVERED = 95
# With the unit tests, these run all of the core. One release is enough: the tests take all branches that differ.
PLAYBOOKS_OF_THE_CORE = [
    f"tests/integration/test_{name}.py"
    for name in ("one_adapter", "whole_node", "swap", "swap_in_place", "server_info", "offline", "hostile_answers")
    + ("refusing_servers", "connection", "certificates", "role", "worker_and_module")
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
    """Run the tests of the core, and check that they ran enough of its lines and of its branches."""
    seen = BUILD / "coverage"
    shutil.rmtree(seen, ignore_errors=True)
    seen.mkdir(parents=True)
    tests = ("-m", "pytest", "-n", "auto", "-k", "not Every or 0.32", "tests/unit", *PLAYBOOKS_OF_THE_CORE)
    for step in (("run", *tests), ("combine", "--quiet", seen), ("report",)):
        run(session, newest(), "coverage", *step, COVERAGE_FILE=seen / "data")
    run(session, newest(), "coverage", "json", "-q", "-o", seen / "totals.json", COVERAGE_FILE=seen / "data")
    totals = json.loads((seen / "totals.json").read_text())["totals"]
    for kind in ("statements", "branches"):
        if totals[f"percent_{kind}_covered"] < LEAST_COVERED:
            session.error(f"Fewer than {LEAST_COVERED}% of the {kind} were run.")


def tree(session: nox.Session, destination: Path = TREE) -> None:
    """Copy the project to a path as ansible-test wants it."""
    where = newest()
    with alone("tree"):
        run(session, where, "python", "tools/copy_collection.py", destination)


def installed(session: nox.Session) -> dict[str, str]:
    """Build the tarball and install it, unless the same one is. Returns the variable that makes the tests use what users
    get."""
    # A session that runs beside this one may be using what is installed.
    with alone("installed"):
        tree(session)
        run(session, newest(), "python", "tools/build_tarball.py", TREE, BUILD / "dist")
        (tarball,) = (BUILD / "dist").glob("*.tar.gz")
        copy = BUILD / "installed.tar.gz"
        if not (copy.exists() and filecmp.cmp(tarball, copy, shallow=False)):
            copy.unlink(missing_ok=True)
            shutil.rmtree(INSTALLED, ignore_errors=True)
            install = ("ansible-galaxy", "collection", "install", "--offline", "-p", INSTALLED, tarball)
            run(session, newest(), *install, ANSIBLE_COLLECTIONS_PATH=INSTALLED)
            shutil.copy2(tarball, copy)
    return {"SOVEREIGN_VLLM_COLLECTIONS_PATH": str(INSTALLED)}


def from_debian(session: nox.Session, programs: Sequence[str], packages: Sequence[str]) -> None:
    """Install packages, as root, unless their programs are there. Otherwise the tests that need them tell why they are skipped.

    No package starts a service: the tests start the programs themselves.
    """
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    if all(shutil.which(program, path=path) for program in programs) or os.geteuid() or not shutil.which("apt-get"):
        return
    environment = {"RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}
    # apt-get does not wait for another.
    with alone("debian"):
        for command in (("update",), ("install", "-y", "--no-install-recommends", *packages)):
            session.run("apt-get", "-qq", *command, env=environment, silent=True, success_codes=range(256))


def promtool() -> dict[str, str]:
    """Get Prometheus' promtool from Debian's package, without installing the package, since that starts a server. Returns the
    variable that names its directory; without the package, the test that needs promtool is skipped."""
    where = BUILD / "prometheus"
    if not shutil.which("promtool") and not (where / "usr/bin/promtool").exists() and shutil.which("apt-get"):
        where.mkdir(parents=True, exist_ok=True)
        for command in (["apt-get", "update", "-qq"], ["apt-get", "download", "-qq", "prometheus"]):
            subprocess.run(command, cwd=where, check=False)
        for package in where.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, where], check=True)
            package.unlink()
    return {"PROMTOOL_PATH": str(where / "usr/bin")}
