# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a real vLLM on loopback, wait until it answers, and stop it with all of its processes."""

from __future__ import annotations

import http.client
import subprocess
import time
import urllib.request
from pathlib import Path

from tests.real_vllm import options, process, state
from tests.real_vllm.artifacts import ensure_adapters, ensure_model
from tests.real_vllm.install import install
from tests.real_vllm.layout import DEFAULT_VERSION, RealVllmError, complaints
from tests.real_vllm.state import ServerState

READY_SECONDS = 600  # the first start on two cold cores took 38 s
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no business on loopback


class RealServer:
    """A real vLLM for the length of a `with` block.

    It installs the release if that was not done, and serves a tiny random model.

    model: directory of another model to serve; max_loras: adapters in one batch; 8 are kept in memory, and ranks above 16 are refused.

    Attributes:
        url: base URL without a trailing slash.
        adapters: directory with the adapters of artifacts.py, of this server alone: tests may change and delete them.

    Raises:
        RealVllmError: installing failed, or the server ended or did not get ready (with what its log complains of).
    """

    def __init__(
        self,
        *,
        version: str = DEFAULT_VERSION,
        port: int = 0,
        api_key: str | None = None,
        max_loras: int = 2,
        model: Path | None = None,
    ) -> None:
        self.version = version
        self._max_loras = max_loras
        self._model = model
        self._port = port
        self._api_key = api_key
        self._recorded: ServerState | None = None

    def __enter__(self) -> RealServer:
        self.start()
        return self

    def __exit__(self, *_exception) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers. After `stop` the port and the adapters stay the same."""
        install(self.version)
        self._model = self._model or ensure_model(self.version)
        popen = self._spawn()
        try:
            _wait_until_ready(self._recorded, self._api_key, popen)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it as `systemctl stop` would; nothing happens if it is gone already."""
        process.stop(self._recorded.process)
        state.forget(self._recorded.port)

    @property
    def url(self) -> str:
        return self._recorded.url

    @property
    def adapters(self) -> Path:
        return Path(self._recorded.adapters)

    def _spawn(self) -> subprocess.Popen:
        with state.start_lock():
            state.sweep()
            port = state.claim_port(self._port)
            directory = state.run_directory(port)
            adapters = directory / "adapters"
            if self._recorded is None:
                ensure_adapters(adapters)
            self._port = port
            log_file = directory / "server.log"
            command = options.command(self.version, port, self._max_loras, self._model)
            popen = process.spawn(command, options.process_environment(self.version, self._api_key), log_file)
            self._recorded = ServerState(
                port=port,
                pid=popen.pid,
                started=process.identify(popen.pid).started,
                version=self.version,
                adapters=str(adapters),
                log_file=str(log_file),
            )
            state.remember(self._recorded)
        return popen


def is_ready(url: str, api_key: str | None) -> bool:
    """Whether the server reports health and lists its models to this key."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        for path in ("/health", "/v1/models"):
            DIRECT.open(urllib.request.Request(url + path, headers=headers), timeout=5).close()
    except (OSError, http.client.HTTPException):  # OSError: URLError, HTTPError and timeouts alike
        return False
    return True


def _wait_until_ready(server: ServerState, api_key: str | None, popen: subprocess.Popen) -> None:
    deadline = time.monotonic() + READY_SECONDS
    log_file = Path(server.log_file)
    while not is_ready(server.url, api_key):
        if popen.poll() is not None:
            raise RealVllmError(
                f"vLLM {server.version} ended with status {popen.returncode} before it was ready; "
                f"its log is {log_file}:{complaints(log_file)}"
            )
        if time.monotonic() > deadline:
            raise RealVllmError(
                f"vLLM {server.version} did not answer on {server.url} within {READY_SECONDS} s; "
                f"its log is {log_file}:{complaints(log_file)}"
            )
        time.sleep(0.2)
