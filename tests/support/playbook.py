# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run tasks by a real `ansible-playbook`, the one of the environment that runs pytest, and return what came of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .environment import clean_environment

ANSIBLE_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
RUN_SECONDS = 300  # a last resort

# Local hosts whose tasks Ansible's worker runs itself, or starts a module for: the path is another one as written.
IN_WORKER = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
AS_MODULE = {**IN_WORKER, "ansible_python_interpreter": "{{ ansible_playbook_python | dirname }}/./python"}

_PLAY = """\
- hosts: all
  gather_facts: false
  module_defaults:
    group/sovereign.vllm.vllm: {defaults}
  tasks:
"""


@dataclass(frozen=True)
class TaskResult:
    """What one task did on one host.

    Attributes:
        status: "ok", "failed", "unreachable", "skipped" or "retried", before `ignore_errors` and the like.
        values: what the task returned, as a callback sees it.
    """

    host: str
    task: str
    status: str
    values: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    @property
    def changed(self) -> bool:
        return self.values["changed"]

    @property
    def msg(self) -> str:
        return self.values["msg"]

    @property
    def code(self) -> str | None:
        """The code of the error, if there is one."""
        return self.values.get("error", {}).get("code")

    @property
    def warnings(self) -> list[str]:
        return self.values.get("warnings", [])


@dataclass(frozen=True)
class Run:
    """One run of `ansible-playbook`: `output` is all that it printed, `recap` its counters by host."""

    rc: int
    output: str
    results: tuple[TaskResult, ...]
    recap: dict[str, dict[str, int]]

    def of(self, task: str) -> dict[str, TaskResult]:
        """The last result of a task on each host."""
        return {result.host: result for result in self.results if result.task == task}

    def __getitem__(self, task: str) -> TaskResult:
        """The last result of a task on the only host."""
        (result,) = self.of(task).values()
        return result


def run_playbook(
    tasks: str,
    hosts: Mapping[str, Mapping[str, Any]],
    directory: Path,
    *,
    rc: int | None = 0,
    options: Sequence[str] = (),
    defaults: Mapping[str, Any] | None = None,
    variables: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Run:
    """Run a play with these tasks.

    tasks: YAML; hosts: their variables by name; directory: for the files of this run; rc: what it has to return, None
    for anything; options: of the command; defaults: of all modules of the collection; variables: extra variables, in a
    file; environment: of `ansible-playbook`.
    """
    start = start_playbook(tasks, hosts, directory, options, defaults, variables, environment)
    output, _errors = start.communicate(timeout=RUN_SECONDS)
    run = Run(start.returncode, output, *_recorded(directory / "results"))
    assert rc is None or run.rc == rc, f"ansible-playbook returned {run.rc}, not {rc}:\n{output}"
    return run


def start_playbook(
    tasks: str,
    hosts: Mapping[str, Mapping[str, Any]],
    directory: Path,
    options: Sequence[str] = (),
    defaults: Mapping[str, Any] | None = None,
    variables: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start what `run_playbook` runs."""
    directory.mkdir(parents=True, exist_ok=True)
    play = _PLAY.format(defaults=json.dumps(defaults or {})) + textwrap.indent(textwrap.dedent(tasks), "    ")
    (directory / "play.yml").write_text(play, encoding="utf-8")
    (directory / "inventory.json").write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    (directory / "variables.json").write_text(json.dumps(variables or {}), encoding="utf-8")
    return subprocess.Popen(
        [ANSIBLE_PLAYBOOK, "-i", "inventory.json", "-e", "@variables.json", *options, "play.yml"],
        cwd=directory,
        env=_environment(directory) | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def kill_playbook(playbook: subprocess.Popen[str]) -> None:
    """Kill it and its workers at once, as a power cut would; they have sessions of their own."""
    family = [playbook.pid]
    for pid in family:
        for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
            family.extend(int(child) for child in tasks.read_text().split())
    for pid in family:
        os.kill(pid, signal.SIGKILL)


def _environment(directory: Path) -> dict[str, str]:
    return clean_environment(directory) | {
        "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callbacks")),
        "ANSIBLE_CALLBACKS_ENABLED": "recorded",
        "RECORDED_RESULTS": str(directory / "results"),
    }


def _recorded(file: Path) -> tuple[tuple[TaskResult, ...], dict[str, dict[str, int]]]:
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    recap = next((line["recap"] for line in lines if "recap" in line), {})
    results = (
        TaskResult(line["host"], line["task"], line["status"], line["result"]) for line in lines if "task" in line
    )
    return tuple(results), recap
