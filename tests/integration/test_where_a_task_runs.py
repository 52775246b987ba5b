# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside the worker where the controller is to ask, or the task would run there anyway; elsewhere the module, with its key.

A host that is local without more is in test_worker_and_module.py.
"""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path

import pytest

from tests.stand_in import StandIn
from tests.support.playbook import IN_WORKER, run_playbook

KEY = "sk-40d1aa"
# Nothing listens there for ssh.
BEHIND_SSH = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}
# No such Python, and no such user: the worker needs neither.
OF_THE_NODE = {
    **BEHIND_SSH,
    "ansible_python_interpreter": "/opt/node/bin/python3",
    "ansible_become": True,
    "ansible_become_user": "vllm",
}


@pytest.fixture
def bare_python(tmp_path: Path) -> str:
    """A Python without the controller's environment, as on another host."""
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\nunset VLLM_API_KEY\nexec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return str(path)


def _run(directory: Path, task: dict, host: dict, url: str) -> str:
    """Run one task that reads what is served, and return all that is shown."""
    task = {"sovereign.vllm.vllm_base_model_info": {"base_url": url, "retries": 0}, **task}
    run = run_playbook(
        f"- {json.dumps(task)}",
        {"edge1": {**IN_WORKER, **host}},
        directory,
        rc=None,
        options=["-vvv"],
        environment={"VLLM_API_KEY": KEY},
    )
    return run.output


@pytest.mark.parametrize(
    ("task", "host"),
    [
        ({}, {"ansible_python_interpreter": "auto_silent"}),
        ({"delegate_to": "localhost"}, BEHIND_SSH),
        ({"become": True, "become_user": getpass.getuser()}, {}),
        ({}, {**OF_THE_NODE, "vllm_ask_from": "controller"}),
    ],
    ids=["discovered", "delegated", "becomes-nobody-else", "asked-from-the-controller"],
)
def test_in_the_worker(tmp_path: Path, task: dict, host: dict) -> None:
    with StandIn(api_key=KEY) as server:
        output = _run(tmp_path, task, host, server.url)
        assert "ok=1" in output, output[-2000:]
        assert "AnsiballZ_vllm" not in output
        assert [(r.method, r.path, r.status) for r in server.log] == [("GET", "/v1/models", 200)]
    assert KEY not in output


@pytest.mark.parametrize(
    "task", [{}, {"async": 60, "poll": 1, "vars": {"vllm_ask_from": "controller"}}], ids=["pinned", "async"]
)
def test_as_a_module_that_gets_the_key_of_the_controller(tmp_path: Path, bare_python: str, task: dict) -> None:
    with StandIn(api_key=KEY) as server:
        output = _run(tmp_path, task, {"ansible_python_interpreter": bare_python}, server.url)
        assert "ok=1" in output, output[-2000:]
        assert "AnsiballZ_vllm" in output
        assert [(r.method, r.path, r.status) for r in server.log] == [("GET", "/v1/models", 200)]
    assert KEY not in output


def test_not_in_the_worker_for_a_host_behind_ssh(tmp_path: Path) -> None:
    with StandIn(api_key=KEY) as server:
        output = _run(tmp_path, {}, BEHIND_SSH, server.url)
        # Nothing listens there: the task is UNREACHABLE by ssh, and nobody asked the server in its stead.
        assert "unreachable=1" in output, output[-2000:]
        assert not server.log
    assert KEY not in output


def test_as_a_module_for_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever we are does not follow from a variable.
    monkeypatch.setenv("LOGNAME", "nobody")
    with StandIn(api_key=KEY) as server:
        output = _run(tmp_path, {"become": True, "become_user": "nobody", "become_method": "su"}, {}, server.url)
        # Whether this machine lets us become that user does not matter: the worker must not have asked in our own name.
        assert "AnsiballZ_vllm" in output or not server.log
    assert KEY not in output
