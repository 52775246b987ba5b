# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ansible-rulebook, the one of the environment that runs pytest."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.environment import clean_environment

_INVENTORY = "all: {hosts: {localhost: {ansible_connection: local}}}\n"


class Rulebook:
    """Runs a rulebook until the end of the block; `log` is all that it and its playbooks print, events included.

    inventory: a directory, as the guide has it; by default a file with no host but localhost.

    The output goes to a file: ansible-rulebook hangs forever if nobody reads its output.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        variables: Mapping[str, str],
        secrets: Mapping[str, str],
        inventory: Path | None = None,
    ) -> None:
        if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
            pytest.fail(
                "ansible-rulebook needs Java 17 or later, and there is none: NO RULEBOOK WAS TESTED. Install it."
            )
        self._file = directory / "rulebook.log"
        if inventory is None:
            inventory = directory / "inventory.yml"
            inventory.write_text(_INVENTORY)
        command: Sequence[str] = [
            str(Path(sys.executable).with_name("ansible-rulebook")),
            *("--rulebook", name, "--inventory", str(inventory), "--env-vars", ",".join(variables)),
            *("--verbose", "--print-events"),
        ]
        with self._file.open("w") as log:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                env={**clean_environment(directory), **variables, **secrets},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._file.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def __enter__(self) -> Rulebook:
        return self

    def __exit__(self, *unused: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
