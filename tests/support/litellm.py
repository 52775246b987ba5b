# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real LiteLLM on loopback, from the environment that the session `guard` makes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.asking import ask, eventually
from tests.support.nginx import free_port

PROGRAM = Path(__file__).resolve().parents[2] / ".build" / "venv-gateway" / "bin" / "litellm"
MASTER_KEY = "sk-master-0123"
START_SECONDS = 120  # a last resort; it takes 7 seconds on idle cores


class LiteLLM:
    """Started with the configuration of this directory, as examples/gateway/litellm.service starts it. A context manager."""

    def __init__(self, directory: Path, keys: Mapping[str, str]) -> None:
        if not PROGRAM.exists():
            pytest.skip("This needs LiteLLM: the session `guard` installs it into .build/venv-gateway.")
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_MASTER_KEY": MASTER_KEY,
            **keys,
        }

    @property
    def reload_command(self) -> list[str]:
        return ["kill", "-HUP", str(self._process.pid)]

    @property
    def log(self) -> str:
        return (self.directory / "litellm.log").read_text(errors="replace")

    def start(self) -> None:
        """Start it, without a wait: this takes seconds, in which other things can be done."""
        command = [PROGRAM, "--config", self.directory / "config.yml", "--host", "127.0.0.1", "--port", str(self.port)]
        with (self.directory / "litellm.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--run_gunicorn", "--num_workers", "1"],
                env=self._environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        assert eventually(self._answers, START_SECONDS), self.log

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log
        try:
            return ask(self.url, "GET", "/health/liveliness").status == 200
        except OSError:
            return False

    def __enter__(self) -> LiteLLM:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
