# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX 24 does around a job, done with the same tools: `ansible-inventory --export` and ansible-runner.

An update of the inventory stores what the source exports, and a job gets that back from a generated script, cut to its
slice. Credentials become variables of the environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BIN = Path(sys.executable).parent
_RUN_SECONDS = 300  # a last resort


@dataclass(frozen=True)
class Job:
    """A job that has ended. `events`: what the controller gets to know of it."""

    status: str
    rc: int
    events: list[dict[str, Any]]
    stdout: str

    def hosts(self, event: str, task: str) -> dict[str, dict[str, Any]]:
        """The result of a task for each host that had this event, such as "runner_on_ok"."""
        return {
            data["host"]: data["res"]
            for found in self.events
            if found["event"] == event and (data := found["event_data"])["task"] == task
        }

    @property
    def artifacts(self) -> dict[str, Any]:
        """What `set_stats` left: the controller shows it as artifacts of the job, and hands it on in workflows."""
        (stats,) = (found["event_data"] for found in self.events if found["event"] == "playbook_on_stats")
        return stats["artifact_data"]


class Awx:
    """A controller with one project in `directory`/project, whose jobs get `credential` as their environment."""

    def __init__(self, directory: Path, credential: Mapping[str, str]) -> None:
        self.directory = directory
        self.stored: dict[str, Any] = {}
        self._environment = {
            "AWX_PRIVATE_DATA_DIR": str(directory),
            "ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
            "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
            "ANSIBLE_HOME": str(directory / "home"),
            "no_proxy": "127.0.0.1",
            **credential,
        }
        self._count = 0

    def update_inventory(self, source: str) -> None:
        """Store what the file `source` of the project exports."""
        (self.directory / "ansible.cfg").touch()
        file = self.directory / "project" / source
        command = ["ansible-inventory", "--list", "--export", "-i", file, "--playbook-dir", file.parent]
        ended = _run(command, {**self._environment, "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True"})
        assert ended.returncode == 0, ended.stderr
        self.stored = json.loads(ended.stdout)

    def run(self, playbook: str, *, check: bool = False, part: tuple[int, int] = (1, 1), **extra_vars: Any) -> Job:
        """Run a job of a template that shows changes. check: of the type "check"; part: such as slice 1 of 2."""
        self._count += 1
        ident = str(self._count)
        env = self.directory / "env"
        env.mkdir(exist_ok=True)
        (env / "envvars").write_text(json.dumps(self._environment), encoding="utf-8")
        (env / "extravars").write_text(json.dumps(extra_vars), encoding="utf-8")
        (env / "cmdline").write_text("--check --diff" if check else "--diff", encoding="utf-8")
        command = ["ansible-runner", "run", self.directory, "--playbook", playbook, "--ident", ident]
        ended = _run([*command, "--inventory", self._script(*part)], {})
        artifacts = self.directory / "artifacts" / ident
        events = [json.loads(file.read_text(encoding="utf-8")) for file in artifacts.glob("job_events/*.json")]
        return Job(
            status=(artifacts / "status").read_text(),
            rc=int((artifacts / "rc").read_text()),
            events=sorted(events, key=lambda event: event["counter"]),
            stdout=ended.stdout,
        )

    def _script(self, number: int, count: int) -> Path:
        hostvars = self.stored["_meta"]["hostvars"]
        kept = sorted(hostvars)[number - 1 :: count]
        data = {name: _cut(group, kept) for name, group in self.stored.items() if name != "_meta"}
        data["_meta"] = {"hostvars": {host: hostvars[host] for host in kept}}
        script = self.directory / f"slice{number}of{count}"
        script.write_text(f"#! /usr/bin/env python3\nprint({json.dumps(data)!r})\n", encoding="utf-8")
        script.chmod(0o700)
        return script


def _cut(group: dict[str, Any], kept: list[str]) -> dict[str, Any]:
    return {**group, "hosts": [host for host in group.get("hosts", []) if host in kept]}


def _run(command: list[str | Path], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [_BIN / command[0], *command[1:]],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_RUN_SECONDS,
        check=False,
    )
