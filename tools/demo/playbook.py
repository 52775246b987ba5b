# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Ansible as a user would, show what it prints, and read its recap."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.demo import screen

# Ansible describes the role in this task, in one long line.
_TASK_OF_ROLE = re.compile(r"(Validating arguments against arg spec '\w+')[^]]*")
_COUNTERS = ("ok", "changed", "unreachable", "failed")
_RECAP = re.compile(r"^\S+ +: " + " +".join(rf"{name}=(\d+)" for name in _COUNTERS), re.MULTILINE)
CONFIGURATION = """\
[defaults]
callback_result_format = yaml
display_ok_hosts = false
display_skipped_hosts = false
nocows = true
retry_files_enabled = false
"""
_SHOWS_ALL = {"ANSIBLE_DISPLAY_OK_HOSTS": "true"}


@dataclass(frozen=True)
class Run:
    """What one run printed, and its recap, summed over its hosts."""

    output: str
    status: int

    @property
    def recap(self) -> dict[str, int]:
        return recap(self.output)

    def __str__(self) -> str:
        return ", ".join(f"{name}={number}" for name, number in self.recap.items()) + f", exit status {self.status}"


def recap(output: str) -> dict[str, int]:
    """The counters of the recap, summed over the hosts; all are 0 when there is none."""
    hosts = [[int(number) for number in line] for line in _RECAP.findall(output)]
    return {name: sum(host[place] for host in hosts) for place, name in enumerate(_COUNTERS)}


def run(directory: Path, *arguments: str, program: str = "ansible-playbook", shows_all: bool = False) -> Run:
    """Run `ansible-playbook -i inventory ...` in the directory, and show it line by line.

    shows_all: also tasks that changed nothing.
    """
    command = [program, "-i", "inventory", *arguments]
    screen.shell(shlex.join(command))
    (directory / "ansible.cfg").write_text(CONFIGURATION)
    environment = {**os.environ, "ANSIBLE_CONFIG": str(directory / "ansible.cfg"), "PYTHONUNBUFFERED": "1"}
    environment |= _SHOWS_ALL if shows_all else {}
    environment["ANSIBLE_FORCE_COLOR" if screen.has_colour() else "ANSIBLE_NOCOLOR"] = "true"
    output = ""
    with subprocess.Popen(
        command, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout:
            output += screen.without_colour(line)
            _show(line, output)
    return Run(output, process.returncode)


def _show(line: str, so_far: str) -> None:
    """Show a line as it comes, but for what is too wide or too high for a screen: the recap's blanks, the last empty line."""
    line = _TASK_OF_ROLE.sub(r"\1", line)
    if "PLAY RECAP" in so_far:
        line = re.sub(" {2,}", " ", line)
        if not line.strip():
            return
    screen.quote(line)
