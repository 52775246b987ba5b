# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of an agent is complete or not in use. Molecule's scenario `agent` installs a real one."""

from __future__ import annotations

import fcntl
import os
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact import environment
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError

OPTIONS: dict[str, Any] = {"stamp": "0123456789ab", "archive": None, "python": None, "state": "present"}
LINKS = {"current": "environments/0123456789ab", "venv": "current/venv", "collections": "current/collections"}


def run(directory: Path, check_mode: bool = False, **options: Any) -> dict:
    given = {**OPTIONS, "python": sys.executable, "directory": str(directory), **options}
    return environment.AgentEnvironment().run(given, check_mode)


@pytest.fixture(autouse=True)
def any_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts of this test can be older than those of an agent."""
    monkeypatch.setattr(environment, "_OLDEST_PYTHON", (3, 8))


@pytest.fixture
def archive(tmp_path: Path) -> str:
    (tmp_path / "pip-0-py3-none-any.whl").write_text("no wheel")
    with tarfile.open(tmp_path / "carried.tar", "w") as stream:
        stream.add(tmp_path / "pip-0-py3-none-any.whl", arcname="pip-0-py3-none-any.whl")
    return str(tmp_path / "carried.tar")


def installed(home: Path) -> None:
    """Make what a run leaves, with this Python in place of the one of the environment."""
    place = home / "environments" / OPTIONS["stamp"]
    (place / "venv" / "bin").mkdir(parents=True)
    (place / "venv" / "bin" / "python").write_text("#!/bin/sh\nexit 0\n")
    (place / "venv" / "bin" / "python").chmod(0o755)
    (place / "complete").write_text(sys.executable)
    environment._switch(str(home), OPTIONS["stamp"])


@pytest.mark.parametrize("directory", ["relative", "/with space", "/a/../b", "/a/", "/quo'te", "/" + "a" * 200])
def test_a_directory_that_a_program_cannot_name_is_refused(directory: str) -> None:
    with pytest.raises(VllmError, match="150 letters"):
        environment.AgentEnvironment().run({**OPTIONS, "directory": directory}, False)


def test_wheels_that_cannot_be_installed_leave_the_former_environment(tmp_path: Path, archive: str) -> None:
    home = tmp_path / "agent"
    installed(home)
    former = home / "environments" / OPTIONS["stamp"]
    assert run(home, stamp="ffffffffffff")["ready"] is False
    with pytest.raises(VllmError, match="Could not install the wheels: python said: "):
        run(home, stamp="ffffffffffff", archive=archive)
    assert [entry.name for entry in (home / "environments").iterdir()] == [former.name]
    assert run(home)["ready"] is True
    assert sorted(entry.name for entry in home.iterdir()) == sorted([*LINKS, "environments", "lock"])


def test_what_is_there_is_told(tmp_path: Path) -> None:
    assert run(tmp_path / "new", check_mode=True)["changed"] is True
    assert not (tmp_path / "new").exists()
    installed(tmp_path)
    assert {name: os.readlink(tmp_path / name) for name in LINKS} == LINKS
    assert run(tmp_path)["ready"] is True
    # The node has replaced the Python.
    (tmp_path / "venv" / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    assert run(tmp_path)["ready"] is False


def test_a_python_that_cannot_make_an_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VllmError, match="set agent_python to one"):
        run(tmp_path, python="/bin/false")


def test_it_is_removed_but_not_what_the_site_remembers(tmp_path: Path) -> None:
    installed(tmp_path)
    (tmp_path / "ledger.json").touch()
    assert run(tmp_path, check_mode=True, state="absent")["changed"] is True
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(VllmError, match="wait until it has ended"):
            run(tmp_path, state="absent")
    assert run(tmp_path, state="absent")["changed"] is True
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["ledger.json", "lock"]
    assert run(tmp_path, state="absent")["changed"] is False
